// Opens a disc in another thread than the one that made it.

import type { Bus } from "../bus/bus.js";
import { CrashDisc } from "./crash-disc.js";
import type { Disc, DiscHandle } from "./disc.js";
import { FileDisc } from "./file-disc.js";
import { MemoryDisc } from "./memory-disc.js";
import { NbdDisc } from "./nbd-disc.js";
import { NullDisc } from "./null-disc.js";
import { PartitionDisc } from "./partition-disc.js";
import { ReplayDisc } from "./replay-disc.js";

/** The disc of a handle, for this thread; whoever made the handle closes the disc. */
export function openDisc(bus: Bus, handle: DiscHandle): Disc {
  switch (handle.kind) {
    case "memory":
      return MemoryDisc.open(bus, handle);
    case "file":
      return FileDisc.adopt(handle);
    case "null":
      return NullDisc.create(handle.sizeBytes);
    case "nbd":
      return NbdDisc.adopt(handle);
    case "crash":
      return CrashDisc.open(handle);
    case "replay":
      return ReplayDisc.adopt(handle);
    case "partition":
      return PartitionDisc.adopt(openDisc(bus, handle.inner), handle);
  }
}
