// Whether a disc may have ranges without storage.

import { isSparse } from "../platform/files.js";
import type { DiscHandle } from "./disc.js";

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
