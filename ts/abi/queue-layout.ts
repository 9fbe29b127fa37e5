// Where the parts of a queue are that a driver lays out.

import { checkInteger } from "../errors.js";
import {
  DESCRIPTOR_BYTES,
  DOORBELL_ALIGNMENT,
  DOORBELL_BYTES,
  MAX_DESCRIPTORS,
  MIN_DESCRIPTORS,
} from "./layout.js";

/** What a queue has besides its descriptors and rings. */
export interface QueueLayoutOptions {
  /** Whether a doorbell block lies behind the rings (protocol, section 5). Default false. */
  doorbell?: boolean | undefined;
}

/** Where the parts of a queue are, in bytes from its start; the descriptors come first. */
export interface QueueLayout {
  /** Bytes of the whole queue: the `qsize` register. */
  bytes: number;
  /** The driver ring: the `drv_offset` register. */
  driverOffset: number;
  /** The device ring: the `dev_offset` register. */
  deviceOffset: number;
  /** The doorbell block; undefined where there is none. */
  doorbellOffset: number | undefined;
}

/**
 * The layout of a queue (protocol, section 3).
 *
 * The doorbell block's offset is a multiple of 64; a queue that has one starts at a multiple of 64,
 * too, and any other at a multiple of 8.
 *
 * @param numDescriptors - 16 to 65535
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for any other number
 *
 * @example
 * ```ts
 * import { queueLayout } from "blockpt/abi";
 *
 * const { bytes, driverOffset, deviceOffset } = queueLayout(1024);
 * console.log({ bytes, driverOffset, deviceOffset }); // { bytes: 28688, driverOffset: 24576, deviceOffset: 26632 }
 *
 * const { doorbellOffset } = queueLayout(1024, { doorbell: true });
 * console.log(doorbellOffset); // 28736
 * ```
 */
export function queueLayout(numDescriptors: number, options: QueueLayoutOptions = {}): QueueLayout {
  checkInteger("numDescriptors", numDescriptors, MIN_DESCRIPTORS, MAX_DESCRIPTORS);
  const driverOffset = roundUp(numDescriptors * DESCRIPTOR_BYTES, 8);
  const ring = roundUp(ringBytes(numDescriptors), 8);
  const deviceOffset = driverOffset + ring;
  const rings = deviceOffset + ring;
  const doorbellOffset = options.doorbell ? roundUp(rings, DOORBELL_ALIGNMENT) : undefined;
  const bytes = doorbellOffset === undefined ? rings : doorbellOffset + DOORBELL_BYTES;
  return { bytes, driverOffset, deviceOffset, doorbellOffset };
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

/**
 * Whether a number is a multiple of `unit`, a power of two. Several times as fast as `%` for one that is no small
 * integer.
 *
 * @internal
 */
export function isMultiple(value: number, unit: number): boolean {
  const units = value / unit;
  return units === Math.floor(units);
}
