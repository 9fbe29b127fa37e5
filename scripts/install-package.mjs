// Packs what is in dist/ and installs it elsewhere, as its users do: the tests of the package and
// `npm run package:report` look at nothing else.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

/**
 * @typedef {object} InstalledPackage
 * @property {string} tarball - its path
 * @property {number} tarballBytes
 * @property {number} unpackedBytes
 * @property {string[]} files - paths in the package
 * @property {string} directory - where it is installed
 */

/**
 * @param {string} folder - an empty one; becomes a project whose one dependency it is
 * @returns {Promise<InstalledPackage>}
 */
export async function installPackage(folder) {
  // It is built already: to build it here would replace dist/ under whoever else uses it.
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const [packed] = JSON.parse((await run("npm", pack, { cwd: root })).stdout);
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  // Offline: whatever else it wanted would not be found.
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${packed.filename}`], {
    cwd: folder,
  });
  return {
    tarball: join(folder, packed.filename),
    tarballBytes: packed.size,
    unpackedBytes: packed.unpackedSize,
    files: packed.files.map((/** @type {{ path: string }} */ { path }) => path),
    directory: join(folder, "node_modules/blockpt"),
  };
}
