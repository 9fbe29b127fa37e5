// Opens a disc in another thread than the one that made it, and loads no kind of disc but that.

import type { Bus } from "../bus/bus.js";
import type { Disc, DiscHandle } from "./disc.js";

type Handle<Kind extends DiscHandle["kind"]> = Extract<DiscHandle, { kind: Kind }>;
type Opener<Kind extends DiscHandle["kind"]> = (bus: Bus, handle: Handle<Kind>) => Promise<Disc>;

const OPENERS: { readonly [Kind in DiscHandle["kind"]]: Opener<Kind> } = {
  memory: async (bus, handle) => (await import("./memory-disc.js")).MemoryDisc.open(bus, handle),
  file: async (_, handle) => (await import("./file-disc.js")).FileDisc.adopt(handle),
  null: async (_, { sizeBytes }) => (await import("./null-disc.js")).NullDisc.create(sizeBytes),
  nbd: async (_, handle) => (await import("./nbd-disc.js")).NbdDisc.adopt(handle),
  crash: async (_, handle) => (await import("./crash-disc.js")).CrashDisc.open(handle),
  replay: async (_, handle) => (await import("./replay-disc.js")).ReplayDisc.adopt(handle),
  module: async (_, handle) => (await import("./module-disc.js")).ModuleDisc.adopt(handle),
  blob: async (_, handle) => (await import("./blob-disc.js")).BlobDisc.adopt(handle),
  http: async (_, handle) => (await import("./http-disc.js")).HttpDisc.adopt(handle),
  opfs: async (_, handle) => (await import("./opfs-disc.js")).OpfsDisc.adopt(handle),
  partition: async (bus, handle) => {
    const inner = await openDisc(bus, handle.inner);
    return (await import("./partition-disc.js")).PartitionDisc.adopt(inner, handle);
  },
  faulty: async (bus, handle) => {
    const inner = await openDisc(bus, handle.inner);
    return (await import("./faulty-disc.js")).FaultyDisc.adopt(inner, handle.faults);
  },
};

/** The disc of a handle, for this thread; whoever made the handle closes the disc. */
export function openDisc(bus: Bus, handle: DiscHandle): Promise<Disc> {
  const open = OPENERS[handle.kind] as Opener<DiscHandle["kind"]>;
  return open(bus, handle as never);
}
