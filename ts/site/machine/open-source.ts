// A disc of what the form says, in the endpoint's thread.

import { BlobDisc, type Bus, type Disc, HttpDisc, MemoryDisc, NullDisc, OpfsDisc } from "blockpt";
import type { DiscSource } from "../model/source.js";

export async function openSource(bus: Bus, source: DiscSource): Promise<Disc> {
  switch (source.kind) {
    case "memory":
      return MemoryDisc.create(bus, source.sizeBytes);
    case "null":
      return NullDisc.create(source.sizeBytes);
    case "file":
      return BlobDisc.create(source.file);
    case "opfs":
      return OpfsDisc.open(source.path, { create: true, sizeBytes: source.sizeBytes });
    case "http":
      return HttpDisc.open(source.url);
  }
}
