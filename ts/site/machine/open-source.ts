// A disc of what the form says, in the endpoint's thread.

import { type Bus, type Disc, MemoryDisc, NullDisc } from "blockpt";
import type { DiscSource } from "../model/source.js";

export async function openSource(bus: Bus, source: DiscSource, readOnly: boolean): Promise<Disc> {
  switch (source.kind) {
    case "memory":
      return MemoryDisc.create(bus, source.sizeBytes, { readOnly });
    case "null":
      return NullDisc.create(source.sizeBytes);
    default:
      throw new Error(`no ${source.kind} yet`);
  }
}
