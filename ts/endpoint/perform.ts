// What a request of a queue is to a disc that does not lie in the bus.

import { BlkStatus, DescriptorFlag, Operation, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import {
  type BlockingDisc,
  type Disc,
  type DiscAnswer,
  discardOn,
  writeThrough,
} from "../discs/disc.js";
import type { DeviceQueue } from "../engine/engine.js";
import { RequestWord } from "../engine/records.js";

/** Does one request that the engine checked, the one at `request` of the queue's list; gives its status. */
export function perform(bus: Bus, disc: BlockingDisc, queue: DeviceQueue, request: number): number;
export function perform(bus: Bus, disc: Disc, queue: DeviceQueue, request: number): DiscAnswer;
export function perform(bus: Bus, disc: Disc, queue: DeviceQueue, request: number): DiscAnswer {
  const words = queue.requests;
  const high = words[request + RequestWord.startSectorHigh] as number;
  const low = words[request + RequestWord.startSectorLow] as number;
  const offsetBytes = (high * 0x1_0000_0000 + low) * SECTOR_BYTES;
  const address = words[request + RequestWord.address] as number;
  const lenBytes = words[request + RequestWord.lenBytes] as number;
  try {
    switch (words[request + RequestWord.opf]) {
      case Operation.READ:
        return disc.readInto(bus, address, lenBytes, offsetBytes);
      case Operation.WRITE: {
        const fua = (words[request + RequestWord.flags] as number) & DescriptorFlag.FUA;
        return fua === 0
          ? disc.writeFrom(bus, address, lenBytes, offsetBytes)
          : writeThrough(disc, bus, address, lenBytes, offsetBytes);
      }
      case Operation.FLUSH:
        return disc.flush();
      case Operation.DISCARD:
        return discardOn(disc, lenBytes, offsetBytes);
      case Operation.WRITE_ZEROES:
        return disc.writeZeroes(lenBytes, offsetBytes);
      default:
        return BlkStatus.NOTSUPP;
    }
  } catch (error) {
    return statusOfThrown(error);
  }
}

/**
 * A disc gives a status and does not throw; this one has a bug, and the others of the queue shall not
 * suffer for it.
 */
export function statusOfThrown(error: unknown): number {
  console.error("blockpt: a disc threw", error);
  return BlkStatus.IOERR;
}
