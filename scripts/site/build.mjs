// Builds the bench page into a folder that any server can serve, if it sends the headers of headers.mjs.
//
//   index.html page.js page.css            the page
//   endpoint-worker.js load-worker.js      its threads
//   queue-worker.js blockpt.wasm           of the library: where its code is, it looks for them
//   sample.img                             an image, for whoever has none to read by ranges

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { CONTENT_SECURITY_POLICY } from "./headers.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const source = `${root}ts/site/`;
const browser = `${root}dist/browser/`;
const SAMPLE_SECTORS = 2048;
const SECTOR_BYTES = 512;

/** @param {string} folder - what was in it is gone */
export async function buildSite(folder) {
  if (!existsSync(`${browser}index.js`)) throw new Error("dist/ is not built: npm run build");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ["page.tsx", "endpoint-worker.ts", "load-worker.ts", "page.css"].map(
      (name) => `ts/site/${name}`,
    ),
    outdir: folder,
    bundle: true,
    splitting: true,
    chunkNames: "chunk-[hash]",
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    logLevel: "warning",
    // The built package, as its users have it.
    alias: {
      blockpt: `${browser}index.js`,
      "blockpt/abi": `${root}dist/abi.js`,
      "blockpt/testing": `${browser}testing.js`,
    },
  });
  for (const name of ["queue-worker.js", "blockpt.wasm"]) {
    copyFileSync(`${browser}${name}`, `${folder}/${name}`);
  }
  copyFileSync(`${source}icon.svg`, `${folder}/icon.svg`);
  const html = readFileSync(`${source}index.html`, "utf8");
  writeFileSync(`${folder}/index.html`, html.replace("%CSP%", CONTENT_SECURITY_POLICY));
  writeFileSync(`${folder}/sample.img`, sampleImage());
}

/** Each sector says which it is. */
function sampleImage() {
  const image = Buffer.alloc(SAMPLE_SECTORS * SECTOR_BYTES);
  for (let sector = 0; sector < SAMPLE_SECTORS; sector++) {
    image.write(`blockpt sample image, sector ${sector}`, sector * SECTOR_BYTES);
  }
  return image;
}
