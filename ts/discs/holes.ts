// Whether a disc may have ranges without storage.

import { fstatSync } from "node:fs";
import type { DiscHandle } from "./disc.js";

/** What `stat` counts a file's storage in, whatever its file system's blocks. */
const STAT_BLOCK_BYTES = 512;

/** False if every byte has its storage now; undefined if it cannot be told. */
export function mayHaveHoles(handle: DiscHandle): boolean | undefined {
  switch (handle.kind) {
    case "memory":
    case "null":
    case "crash":
      return true;
    case "file":
      return isSparse(handle.fd);
    case "partition":
    case "faulty":
      return mayHaveHoles(handle.inner);
    case "nbd":
    case "replay":
    case "module":
    case "blob":
    case "http":
    case "opfs":
      return undefined;
  }
}

function isSparse(fd: number): boolean | undefined {
  try {
    const stat = fstatSync(fd);
    return stat.isFile() ? stat.blocks * STAT_BLOCK_BYTES < stat.size : undefined;
  } catch {
    return undefined;
  }
}
