// The machine's files, for whoever is led to one from elsewhere: Node's.

import { fstatSync } from "node:fs";

export { open, readFile, stat, writeFile } from "node:fs/promises";

/** What `stat` counts a file's storage in, whatever its file system's blocks. */
const STAT_BLOCK_BYTES = 512;

/** Whether a file has ranges without storage now; undefined if it cannot be told. */
export function isSparse(fd: number): boolean | undefined {
  try {
    const stat = fstatSync(fd);
    return stat.isFile() ? stat.blocks * STAT_BLOCK_BYTES < stat.size : undefined;
  } catch {
    return undefined;
  }
}
