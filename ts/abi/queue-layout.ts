// Where the parts of a queue are that a driver lays out.

import { checkInteger } from "../errors.js";
import { DESCRIPTOR_BYTES, MAX_DESCRIPTORS, MIN_DESCRIPTORS } from "./layout.js";

/** Where the parts of a queue are, in bytes from its start; the descriptors come first. */
export interface QueueLayout {
  /** Bytes of the whole queue: the `qsize` register. */
  bytes: number;
  /** The driver ring: the `drv_offset` register. */
  driverOffset: number;
  /** The device ring: the `dev_offset` register. */
  deviceOffset: number;
}

/**
 * The layout of a queue (protocol, section 3).
 *
 * @param numDescriptors - 16 to 65535
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for any other number
 *
 * @example
 * ```ts
 * import { queueLayout } from "blockpt/abi";
 *
 * console.log(queueLayout(1024)); // { bytes: 28688, driverOffset: 24576, deviceOffset: 26632 }
 * ```
 */
export function queueLayout(numDescriptors: number): QueueLayout {
  checkInteger("numDescriptors", numDescriptors, MIN_DESCRIPTORS, MAX_DESCRIPTORS);
  const driverOffset = roundUp(numDescriptors * DESCRIPTOR_BYTES, 8);
  const ring = roundUp(ringBytes(numDescriptors), 8);
  return { bytes: driverOffset + 2 * ring, driverOffset, deviceOffset: driverOffset + ring };
}

/**
 * Bytes that a ring uses: u16 `idx` and a u16 for each descriptor.
 *
 * @internal
 */
export function ringBytes(numDescriptors: number): number {
  return 2 + 2 * numDescriptors;
}

/**
 * The least multiple of `unit`, a power of two or not, that is not below `value`.
 *
 * @internal
 */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
