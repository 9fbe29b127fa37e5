// Makes a worker's script of a TypeScript file, which uses the built library as the tests do.

import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Within the project, so that packages are found from there. */
const folder = `${root}node_modules/.cache/blockpt-test`;
const library = new URL("../../dist/index.js", import.meta.url).href;

const built = new Map<string, Promise<string>>();

/**
 * Compiles a file, once.
 *
 * @param file - as it is called from this folder
 * @returns the script's path
 */
export function compileThread(file: string): Promise<string> {
  const compiled = built.get(file) ?? compile(file);
  built.set(file, compiled);
  return compiled;
}

function compile(file: string): Promise<string> {
  const outfile = `${folder}/${basename(file, ".ts")}-${process.pid}.mjs`;
  mkdirSync(folder, { recursive: true });
  return build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    alias: { blockpt: library },
    external: [library],
    logLevel: "error",
  }).then(() => outfile);
}
