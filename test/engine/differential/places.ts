// Where things are in the bus of a machine: the queue of a shape, host memory, the disc, and behind it a yard in which an
// engine's pieces play. All of it is filled with a pattern before a script.

import type { Bus, QueueGeometry } from "blockpt";
import { DESCRIPTOR_BYTES, REGISTERS_BYTES } from "blockpt/abi";
import type { Place, Shape } from "./script.js";

export const HOST_BYTES = 16 * 4096;
export const DISC_BYTES = 65536;
export const YARD_BYTES = 65536;

/** What everything is filled with: no two places near each other look the same. */
export const PATTERN = Buffer.alloc(65536, 0);
for (let at = 0; at < PATTERN.length; at++) PATTERN[at] = (at * 31 + (at >> 8) * 7) & 0xff;

export function fillWithPattern(target: Uint8Array): void {
  for (let at = 0; at < target.length; at += PATTERN.length) {
    target.set(PATTERN.subarray(0, Math.min(PATTERN.length, target.length - at)), at);
  }
}

/** Where the parts of a queue are, which starts behind the registers. */
export function layQueue(
  { numDescriptors, swapped, gap }: Shape,
  { bar }: Bus,
): { start: number; bytes: number; geometry: QueueGeometry } {
  const ring = 2 + 2 * numDescriptors;
  const start = Math.ceil((bar.offset + REGISTERS_BYTES) / 8) * 8;
  const first = start + numDescriptors * DESCRIPTOR_BYTES + gap;
  const second = first + ring + gap;
  const geometry = {
    descriptors: start,
    driverRing: swapped ? second : first,
    deviceRing: swapped ? first : second,
    numDescriptors,
  };
  return { start, bytes: second + ring - start, geometry };
}

export function addressOf(
  [area, offset]: Place,
  { buffer, hostMemory, endpointMemory }: Bus,
  queueStart: number,
): number {
  switch (area) {
    case "start":
      return offset;
    case "end":
      return buffer.byteLength - offset;
    case "queue":
      return queueStart + offset;
    case "host":
      return hostMemory.offset + offset;
    case "disc":
      return endpointMemory.offset + offset;
    case "yard":
      return endpointMemory.offset + DISC_BYTES + offset;
  }
}
