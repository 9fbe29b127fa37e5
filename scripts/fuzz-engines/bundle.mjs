// Makes the differential fuzzer a program: test/engine/differential, on dist/ or on a library in which a few words are others.

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const shared = {
  absWorkingDir: root,
  bundle: true,
  format: /** @type {const} */ ("esm"),
  platform: /** @type {const} */ ("node"),
  target: "node20.19",
};

/**
 * What is changed of the library's sources.
 *
 * @typedef {{ file: string, from: string, to: string }} Change
 */

/**
 * Bundles the fuzzer; whoever calls removes the folder by `remove`.
 *
 * @param {Change} [change]
 * @returns {Promise<{ url: string, remove: () => void }>}
 */
export async function bundleFuzzer(change) {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-fuzz-"));
  const remove = () => rmSync(folder, { recursive: true });
  try {
    const library = change === undefined ? join(root, "dist") : folder;
    if (change !== undefined) await bundleLibrary(folder, change);
    const outfile = join(folder, "fuzz.mjs");
    await build({
      ...shared,
      entryPoints: ["test/engine/differential/fuzz.ts"],
      outfile,
      plugins: [
        {
          name: "library",
          setup({ onResolve }) {
            onResolve({ filter: /^blockpt(\/abi)?$/ }, ({ path }) => ({
              path: pathToFileURL(join(library, path === "blockpt" ? "index.js" : "abi.js")).href,
              external: true,
            }));
          },
        },
      ],
    });
    return { url: pathToFileURL(outfile).href, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** @param {string} folder @param {Change} change */
async function bundleLibrary(folder, { file, from, to }) {
  const text = readFileSync(join(root, file), "utf8");
  if (text.split(from).length !== 2) {
    throw new Error(`${file} has ${text.split(from).length - 1} times, and not once: ${from}`);
  }
  await build({
    ...shared,
    entryPoints: { index: "ts/index.ts", abi: "ts/abi/index.ts" },
    outdir: folder,
    splitting: true,
    external: ["gpt", "mbr"],
    plugins: [
      {
        name: "change",
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, ({ path }) =>
            relative(root, path) === file
              ? { contents: text.replace(from, () => to), loader: "ts" }
              : undefined,
          );
        },
      },
    ],
  });
  copyFileSync(join(root, "ts/engine/wasm/blockpt.wasm"), join(folder, "blockpt.wasm"));
}
