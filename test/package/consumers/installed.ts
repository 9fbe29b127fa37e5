// The package as its users have it: packed, installed in a folder of its own, and there until the tests of a file end.

import { copyFile, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

export const root = fileURLToPath(new URL("../../..", import.meta.url));

export interface Installed {
  /** The user's project. */
  readonly folder: string;
  readonly tarball: string;
  readonly tarballBytes: number;
  /** Paths in the package. */
  readonly files: readonly string[];
  /** Where the package is. */
  readonly directory: string;
}

/** What `round-trip.js` gives. */
export const ROUND_TRIP = "wasm: hello, wasm; typescript: hello, typescript";

/** Installs it, with `round-trip.js` beside it, the program that consumers run. */
export async function install(): Promise<Installed> {
  const program = new URL("../../../scripts/install-package.mjs", import.meta.url);
  const { installPackage } = (await import(program.href)) as {
    installPackage(folder: string): Promise<Omit<Installed, "folder">>;
  };
  // The permissions of Node's are of real paths.
  const folder = await realpath(await mkdtemp(join(tmpdir(), "blockpt-package-")));
  afterAll(() => rm(folder, { recursive: true }));
  const installed = await installPackage(folder);
  await copyFile(new URL("round-trip.js", import.meta.url), join(folder, "round-trip.js"));
  return { ...installed, folder };
}
