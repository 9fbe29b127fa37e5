// What an engine's caller may ask for, checked the same for every engine, so that a number out of
// range is an error and not another number: WebAssembly would take it modulo 2^32.

import { DESCRIPTOR_BYTES, MAX_DESCRIPTORS, MIN_DESCRIPTORS, SECTOR_BYTES } from "../abi/layout.js";
import { ringBytes } from "../abi/queue-layout.js";
import { BlockptError, checkInteger } from "../errors.js";
import type { BusRange, DeviceLimits, QueueGeometry } from "./engine.js";
import { HOST_PAGE_BYTES, LIST_CAPACITY } from "./records.js";

const MAX_BATCH = 0x7fff_ffff;

/** Throws unless a range is inside the bus. */
export function checkRange(busBytes: number, offset: number, lenBytes: number): void {
  checkInteger("lenBytes", lenBytes, 0, busBytes);
  checkInteger("offset", offset, 0, busBytes - lenBytes);
}

/** Throws unless a table of descriptors is inside the bus and aligned, and its records fit the list. */
export function checkTable(busBytes: number, table: number, count: number): void {
  checkList(count);
  checkRange(busBytes, table, count * DESCRIPTOR_BYTES);
  checkAligned("a table of descriptors", table, 8);
}

/** Throws unless a ring is inside the bus and aligned, and its entries fit the list. */
export function checkRing(
  busBytes: number,
  ring: number,
  numDescriptors: number,
  position: number,
  count: number,
): void {
  checkList(count);
  checkInteger("numDescriptors", numDescriptors, MIN_DESCRIPTORS, MAX_DESCRIPTORS);
  checkInteger("position", position, 0, numDescriptors - 1);
  checkRange(busBytes, ring, ringBytes(numDescriptors));
  checkAligned("a ring", ring, 2);
}

/** Throws unless a queue's parts are inside the bus, aligned, and apart, and a position is on its rings. */
export function checkGeometry(busBytes: number, geometry: QueueGeometry, position = 0): void {
  const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
  checkRing(busBytes, driverRing, numDescriptors, position, 0);
  checkRing(busBytes, deviceRing, numDescriptors, 0, 0);
  checkRange(busBytes, descriptors, numDescriptors * DESCRIPTOR_BYTES);
  checkAligned("a table of descriptors", descriptors, 8);
  const parts = [
    { start: descriptors, end: descriptors + numDescriptors * DESCRIPTOR_BYTES },
    { start: driverRing, end: driverRing + ringBytes(numDescriptors) },
    { start: deviceRing, end: deviceRing + ringBytes(numDescriptors) },
  ].sort((one, other) => one.start - other.start);
  for (const [index, part] of parts.entries()) {
    if (index > 0 && part.start < (parts[index - 1]?.end ?? 0)) {
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", "the parts of a queue overlap");
    }
  }
}

/** Throws unless what a device queue checks against makes sense. */
export function checkLimits(busBytes: number, limits: DeviceLimits): void {
  const { numSectors, maxLenBytes, features, hostMemory, iommuTable } = limits;
  checkSize(numSectors);
  checkInteger("maxLenBytes", maxLenBytes, 0, 0xffff_ffff);
  checkInteger("features", features, 0, 0xffff_ffff);
  checkRange(busBytes, hostMemory.offset, hostMemory.length);
  if (iommuTable === 0) return;
  checkAligned("the IOMMU's table", iommuTable, 4);
  checkRange(busBytes, iommuTable, Math.ceil(hostMemory.length / HOST_PAGE_BYTES) * 4);
}

/** Throws unless a disc can have so many sectors. */
export function checkSize(numSectors: number): void {
  checkInteger("numSectors", numSectors, 0, Number.MAX_SAFE_INTEGER);
}

/** Throws unless a disc is inside the bus and has all its sectors, and a batch has a size. */
export function checkServe(
  busBytes: number,
  disc: BusRange,
  numSectors: number,
  polls: number,
  most: number,
): void {
  checkRange(busBytes, disc.offset, disc.length);
  checkInteger("bytes of the disc", disc.length, numSectors * SECTOR_BYTES, busBytes);
  checkBatch(polls, most);
}

/** Throws unless a ring can be looked at so often: WebAssembly would take −1 for 2^32 − 1. */
export function checkPolls(polls: number): void {
  checkInteger("polls", polls, 0, MAX_BATCH);
}

/** Throws unless a batch has a size. */
export function checkBatch(polls: number, most: number): void {
  checkPolls(polls);
  checkInteger("most", most, 0, MAX_BATCH);
}

/** Throws unless so many records fit a list. */
export function checkList(count: number): void {
  checkInteger("count", count, 0, LIST_CAPACITY);
}

function checkAligned(what: string, offset: number, alignment: number): void {
  if (offset % alignment === 0) return;
  throw new BlockptError(
    "ERR_BLOCKPT_INVALID_ARGUMENT",
    `${what} is at ${offset}: a multiple of ${alignment} is wanted`,
  );
}
