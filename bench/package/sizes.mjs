// How large the installed package is: as a whole, by what it is made of, and what a program loads of it at once.

import { existsSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** @typedef {import("../../scripts/install-package.mjs").InstalledPackage} InstalledPackage */
/** @typedef {{ files: number, bytes: number, gzipBytes: number }} Size */

/** What a file is part of: the first that fits. */
const PARTS = /** @type {const} */ ([
  ["types", /^dist\/types\//],
  ["browser", /^dist\/browser\//],
  ["command line", /^dist\/(cli|bench|demo|THIRD-PARTY)/],
  ["library", /^dist\//],
  ["documents", /./],
]);

/** What programs start from, with what is linked to it: in Node and in a browser, in their own thread and in a queue's. */
const ENTRIES = [
  "index.js",
  "queue-worker.js",
  "blockpt.wasm",
  "browser/index.js",
  "browser/queue-worker.js",
];

/** @param {InstalledPackage} installed */
export async function sizesOf({ tarballBytes, unpackedBytes, files, directory }) {
  const sizeOf = (/** @type {string[]} */ paths) =>
    size(paths.map((path) => join(directory, path)));
  const partOf = (/** @type {string} */ path) =>
    PARTS.find(([, pattern]) => pattern.test(path))?.[0];
  const parts = PARTS.map(([name]) => [
    name,
    sizeOf(files.filter((path) => partOf(path) === name)),
  ]);
  /** @type {Record<string, Size>} */
  const loads = {};
  for (const entry of ENTRIES) {
    const path = `dist/${entry}`;
    if (existsSync(join(directory, path))) loads[path] = sizeOf(await linkedWith(directory, path));
  }
  return {
    tarballBytes,
    unpackedBytes,
    files: files.length,
    parts: /** @type {Record<string, Size>} */ (Object.fromEntries(parts)),
    loads,
  };
}

/**
 * @param {string[]} paths
 * @returns {Size}
 */
function size(paths) {
  const sum = (/** @type {(path: string) => number} */ of) =>
    paths.reduce((total, path) => total + of(path), 0);
  return {
    files: paths.length,
    bytes: sum((path) => statSync(path).size),
    gzipBytes: sum((path) => gzipSync(readFileSync(path)).length),
  };
}

/**
 * What is there once a script is: itself, and what it imports, but not what it loads when it comes to that.
 *
 * @param {string} directory
 * @param {string} entry
 */
async function linkedWith(directory, entry) {
  if (!entry.endsWith(".js")) return [entry];
  const { metafile } = await build({
    absWorkingDir: directory,
    entryPoints: [entry],
    bundle: true,
    write: false,
    outdir: "out",
    format: "esm",
    splitting: true,
    metafile: true,
    external: ["node:*"],
  });
  /** @type {Set<string>} */
  const found = new Set();
  const follow = (/** @type {string} */ path) => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind, external } of metafile.inputs[path]?.imports ?? []) {
      if (kind === "import-statement" && !external) follow(next);
    }
  };
  follow(relative(directory, join(directory, entry)));
  return [...found];
}
