// What is on a queue's rings, told from their bytes alone: the endpoint's own positions are its worker's.
// All of it is the other side's to write.

import { decodeDescriptor } from "../abi/descriptor.js";
import {
  DESCRIPTOR_BYTES,
  DescriptorField,
  DescriptorFlag,
  Operation,
  RING_GONE,
} from "../abi/layout.js";
import { nameOf } from "../abi/names.js";
import type { Bus } from "../bus/bus.js";
import type { QueueGeometry } from "../engine/engine.js";

/** A descriptor that waits for its answer. */
export interface DescriptorReport {
  /** Which of the queue's. */
  index: number;
  /** What it asks for: a name of `Operation` in lower case, or `unknown`. */
  operation: string;
  /** The same as it stands there, 0 to 255. */
  opf: number;
  /** First sector, of 512 bytes; beyond 2^53 it is rounded. */
  startSector: number;
  /** Bus address of the data; beyond 2^53 it is rounded. */
  address: number;
  /** Bytes. */
  lenBytes: number;
  /** What stands where the answer will: one of `BlkStatus`, 0 to 255. */
  status: number;
  /** Bits of `DescriptorFlag`, 0 to 255. */
  flags: number;
}

/** The rings of a queue, as they stand in the BAR. */
export interface RingsReport {
  /** The driver ring's `idx`, 0 to 65535: below `numDescriptors` if the driver is sound. */
  driverIdx: number;
  /** The device ring's `idx`, 0 to 65535. */
  deviceIdx: number;
  /** Whether the device ring says that nobody answers any more. */
  gone: boolean;
  /** Descriptors that were published and not answered; undefined if an `idx` is out of range. */
  inFlight: number | undefined;
  /**
   * Those of them that say they are in use, the oldest publication first, at most 64. A driver that
   * breaks the protocol can make this say anything.
   */
  descriptors: DescriptorReport[];
  /** How many more there are. */
  moreDescriptors: number;
}

const MOST_LISTED = 64;
/** Looks for a pair of positions that stood in the rings at the same time. */
const MOST_LOOKS = 16;

/** Looks at the rings of a queue whose geometry was checked. */
export function inspectRings(bus: Bus, geometry: QueueGeometry): RingsReport {
  const { numDescriptors } = geometry;
  const driver = new Uint16Array(bus.buffer, geometry.driverRing, 1 + numDescriptors);
  const device = new Uint16Array(bus.buffer, geometry.deviceRing, 1 + numDescriptors);
  const table = new Uint8Array(bus.buffer, geometry.descriptors, numDescriptors * DESCRIPTOR_BYTES);
  const { driverIdx, deviceIdx } = readPositions(driver, device);
  const report = { driverIdx, deviceIdx, gone: deviceIdx === RING_GONE };
  if (driverIdx >= numDescriptors || deviceIdx >= numDescriptors) {
    return { ...report, inFlight: undefined, descriptors: [], moreDescriptors: 0 };
  }
  const inFlight = (driverIdx - deviceIdx + numDescriptors) % numDescriptors;
  const inUse = withoutAnswered(inUseOf(table), device, deviceIdx, inFlight);
  // No more than are in flight, whatever the flags say: what was filled and not published yet is none.
  const newestFirst = byPublication(inUse, driver, driverIdx).slice(0, inFlight);
  const found = newestFirst.reverse();
  const listed = found.slice(0, MOST_LISTED);
  return {
    ...report,
    inFlight,
    descriptors: listed.map((index) => readDescriptor(table, index)).filter(isInUse),
    moreDescriptors: found.length - listed.length,
  };
}

/** Both `idx`, of one moment where the queue is not so busy that none is found. */
function readPositions(
  driver: Uint16Array,
  device: Uint16Array,
): { driverIdx: number; deviceIdx: number } {
  let deviceIdx = Atomics.load(device, 0);
  let driverIdx = 0;
  for (let look = 0; look < MOST_LOOKS; look++) {
    driverIdx = Atomics.load(driver, 0);
    const now = Atomics.load(device, 0);
    if (now === deviceIdx) break;
    deviceIdx = now;
  }
  return { driverIdx, deviceIdx };
}

/** The descriptors that say they are in use. */
function inUseOf(table: Uint8Array): Set<number> {
  const found = new Set<number>();
  for (let at: number = DescriptorField.flags; at < table.length; at += DESCRIPTOR_BYTES) {
    if (((table[at] as number) & DescriptorFlag.IN_USE) !== 0) {
      found.add(Math.floor(at / DESCRIPTOR_BYTES));
    }
  }
  return found;
}

/**
 * A descriptor is in use until the driver has taken its answer. So as many as there are beyond those in
 * flight are answered, and as a driver takes answers in their order they are the device ring's last.
 * That holds in whatever order the device answers.
 */
function withoutAnswered(
  inUse: Set<number>,
  device: Uint16Array,
  deviceIdx: number,
  inFlight: number,
): Set<number> {
  const untaken = inUse.size - inFlight;
  for (let back = 1; back <= untaken; back++) inUse.delete(entry(device, deviceIdx, back));
  return inUse;
}

/** The newest publication first; what the driver ring has no more is the oldest. */
function byPublication(inUse: Set<number>, driver: Uint16Array, driverIdx: number): number[] {
  const ages = new Map<number, number>();
  for (let back = driver.length - 2; back > 0; back--) {
    ages.set(entry(driver, driverIdx, back), back);
  }
  const ageOf = (index: number): number => ages.get(index) ?? driver.length;
  return [...inUse].sort((one, other) => ageOf(one) - ageOf(other));
}

/** A ring's entry, so many before a position. */
function entry(ring: Uint16Array, position: number, back: number): number {
  const numDescriptors = ring.length - 1;
  return ring[1 + ((position - back + numDescriptors) % numDescriptors)] as number;
}

function isInUse({ flags }: DescriptorReport): boolean {
  return (flags & DescriptorFlag.IN_USE) !== 0;
}

function readDescriptor(table: Uint8Array, index: number): DescriptorReport {
  const { opf, startSector, address, lenBytes, status, flags } = decodeDescriptor(
    table,
    index * DESCRIPTOR_BYTES,
  );
  return {
    index,
    operation: nameOf(Operation, opf)?.toLowerCase() ?? "unknown",
    opf,
    startSector: Number(startSector),
    address: Number(address),
    lenBytes,
    status,
    flags,
  };
}
