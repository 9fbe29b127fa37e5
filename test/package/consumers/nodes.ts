// The versions of Node that the package is tried with: this one, the lowest that it says it runs on, and the newest.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestContext } from "vitest";

export interface NodeProgram {
  readonly name: string;
  readonly path: string;
}

const fetched = (name: string): NodeProgram => ({
  name: `the ${name} Node`,
  path: fileURLToPath(new URL(`../nodes/node_modules/${name}/bin/node`, import.meta.url)),
});

export const LOWEST = fetched("lowest");
export const NEWEST = fetched("newest");
export const THIS_NODE: NodeProgram = { name: "this Node", path: process.execPath };
export const NODES: readonly NodeProgram[] = [THIS_NODE, LOWEST, NEWEST];

/** Skips the test, and says why, where that Node is not there. */
export function needNode({ skip }: TestContext, { name, path }: NodeProgram): void {
  if (!existsSync(path)) skip(`${name} is not there: npm run package:nodes gets it`);
}
