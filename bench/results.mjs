// The accepted results: what the programs here write with `--save`, and the report draws.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

export const RESULTS = fileURLToPath(new URL("results", import.meta.url));

/** @typedef {"bench" | "peers" | "instructions" | "soak"} ResultName */

/** @param {ResultName} name */
export const acceptedPath = (name) => `${RESULTS}/${name}.json`;

/**
 * Writes a result as a whole, or not at all; gives the file's path.
 *
 * @param {ResultName} name
 * @param {unknown} result
 */
export function saveResult(name, result) {
  mkdirSync(RESULTS, { recursive: true });
  const path = acceptedPath(name);
  writeFileSync(`${path}.new`, `${JSON.stringify(result, null, 2)}\n`);
  renameSync(`${path}.new`, path);
  return relative(process.cwd(), path);
}
