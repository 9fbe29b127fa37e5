/**
 * Owns where a queue and its parts lie: two layouts that a root complex may
 * choose, each with or without a doorbell block, and the checks of SET_QUEUE as an endpoint makes them.
 */

import { DESC, DOORBELL, ringBytes, roundUp } from "./protocol.js";

/** Where a queue lies, as SET_QUEUE says it. */
export interface QueueShape {
  readonly offset: number;
  readonly drv: number;
  readonly dev: number;
  readonly numDesc: number;
  readonly size: number;
  /** Where its doorbell block is, from its start, if DOORBELL is enabled. */
  readonly bell?: number;
}

/** The layout section 3 shows: descriptors, driver ring, device ring. */
export function plainShape(offset: number, numDesc: number): QueueShape {
  const drv = roundUp(numDesc * DESC.size, 8);
  const dev = drv + ringBytes(numDesc);
  return { offset, drv, dev, numDesc, size: dev + ringBytes(numDesc) };
}

/** Just as legal: the device ring first, both at offsets that are even and no more. */
export function oddShape(offset: number, numDesc: number): QueueShape {
  const dev = numDesc * DESC.size + 10;
  const drv = dev + ringBytes(numDesc) + 6;
  return { offset, drv, dev, numDesc, size: drv + ringBytes(numDesc) + 4 };
}

/** Section 5: the same queue with a doorbell block behind both rings. */
export function withDoorbell(shape: QueueShape): QueueShape & { readonly bell: number } {
  const ringsEnd = Math.max(shape.drv, shape.dev) + ringBytes(shape.numDesc);
  const bell = roundUp(ringsEnd, DOORBELL.multiple);
  return { ...shape, bell, size: bell + DOORBELL.size };
}

/** What the page says against this queue, if anything; `others` are those it must not touch. */
export function wrongShape(
  { offset, drv, dev, numDesc, size, bell }: QueueShape,
  space: number,
  others: readonly QueueShape[],
): string | undefined {
  if (numDesc < 16 || numDesc > 65535) return `num_desc ${numDesc}`;
  if (offset + size > space) return "the queue leaves descriptor space";
  if (offset % 8 !== 0) return "descriptors not at a multiple of 8";
  if (drv % 2 !== 0 || dev % 2 !== 0) return "a ring at an odd offset";
  const ring = ringBytes(numDesc);
  const parts = [[0, numDesc * DESC.size] as const, [drv, ring] as const, [dev, ring] as const];
  let end = 0;
  for (const [start, length] of parts.sort((a, b) => a[0] - b[0])) {
    if (start < end) return "parts that overlap";
    end = start + length;
  }
  if (bell !== undefined) {
    if (offset % DOORBELL.multiple !== 0) return "a doorbell's queue not at a multiple of 64";
    end = bell + DOORBELL.size;
  }
  if (end > size) return "parts that leave the queue";
  const apart = (other: QueueShape): boolean =>
    other.offset + other.size <= offset || offset + size <= other.offset;
  return others.every(apart) ? undefined : "bytes of another queue";
}
