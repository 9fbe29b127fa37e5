// What whole reads are measured on: discs with marks in them, exported by an endpoint
// and attached again, and the loops that read them as fast as they can.

import { randomFillSync } from "node:crypto";
import { Endpoint, MemoryDisc, RootComplex } from "blockpt";
import { median } from "./statistics.mjs";

/** @typedef {import("blockpt").Bus} Bus */
/** @typedef {import("blockpt").Disc} Disc */
/** @typedef {import("blockpt").RemoteDisk} RemoteDisk */

/**
 * A disc to export.
 *
 * @typedef {{ name: string, dma: boolean, create: (bus: Bus) => Disc | Promise<Disc> }} DiscPlan
 *
 * A disc that is exported and attached, buffers of host memory to read it into, and
 * where to read.
 *
 * @typedef {{ disc: Disc, disk: RemoteDisk, buffers: Uint8Array[], offsets: Float64Array }} AttachedDisk
 */

export const DISC_BYTES = 64 * 1024 * 1024;
const PAGE_BYTES = 4096;
const NUM_DESCRIPTORS = 256;
/** Reads in the middle of a measurement between two looks at the clock. */
const READS_PER_LOOK = 16;
/** Reads before a measurement: they wake a worker that dozed off meanwhile. */
const WAKING_READS = 64;

/** Random numbers below 2^14, as many: everybody reads in this order. */
const ORDER = Uint32Array.from({ length: 16384 }, () => Math.floor(Math.random() * 16384));

/**
 * Where reads start, for everybody the same places in the same order.
 *
 * @param {number} bytes - of a read; all start at multiples of it
 */
export function randomOffsets(bytes) {
  return Float64Array.from(ORDER, (number) => (number % (DISC_BYTES / bytes)) * bytes);
}

/** The content of a disc: random bytes, but each page starts with its number. */
export function markedBytes() {
  const bytes = randomFillSync(new Uint8Array(DISC_BYTES));
  const words = new Uint32Array(bytes.buffer);
  for (let page = 0; page < DISC_BYTES / PAGE_BYTES; page++) words[(page * PAGE_BYTES) / 4] = page;
  return bytes;
}

/** @param {Bus} bus */
export function markedMemoryDisc(bus) {
  const disc = MemoryDisc.create(bus, DISC_BYTES);
  new Uint8Array(bus.buffer, disc.busRange.offset, DISC_BYTES).set(markedBytes());
  return disc;
}

/**
 * Exports discs and attaches them.
 *
 * @param {Bus} bus
 * @param {DiscPlan[]} plans
 * @param {number} depth - buffers of each
 * @param {number} bytes - of a buffer
 */
export async function attachDiscs(bus, plans, depth, bytes) {
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", msixInterrupts: 32 });
  /** @type {RootComplex | undefined} */
  let rc;
  const close = async () => {
    await rc?.close();
    await endpoint.close();
  };
  try {
    const discs = [];
    for (const { name, dma, create } of plans) {
      const disc = await create(bus);
      discs.push(disc);
      await endpoint.exportDisc(name, disc, { dma });
    }
    await endpoint.start();
    rc = await RootComplex.probe(bus);
    /** @type {AttachedDisk[]} */
    const disks = [];
    for (const [index, { name }] of plans.entries()) {
      const disk = await rc.attach(name, { numDescriptors: NUM_DESCRIPTORS });
      const buffers = Array.from({ length: depth }, () => disk.allocate(bytes));
      const attached = { disc: discs[index], disk, buffers, offsets: randomOffsets(bytes) };
      await checkMarks(attached);
      disks.push(attached);
    }
    return { disks, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * A benchmark of reads that bring something else measures nothing.
 *
 * @param {AttachedDisk} attached
 */
async function checkMarks({ disk, buffers, offsets }) {
  await Promise.all(buffers.map((buffer, index) => disk.read(buffer, offsets[index])));
  for (const [index, buffer] of buffers.entries()) {
    const mark = new DataView(buffer.buffer, buffer.byteOffset).getUint32(0, true);
    if (mark * PAGE_BYTES !== offsets[index]) throw new Error(`${disk.name}: a read went wrong`);
  }
}

/**
 * Reads a second, with so many in flight.
 *
 * @param {AttachedDisk} attached
 * @param {number} depth
 * @param {number} milliseconds
 */
export async function readsPerSecond({ disk, buffers, offsets }, depth, milliseconds) {
  await wake(disk, buffers[0]);
  let reads = 0;
  let running = true;
  const start = performance.now();
  const end = start + milliseconds;
  /** @param {Uint8Array} buffer */
  const lane = async (buffer) => {
    while (running) {
      const read = reads++;
      if (read % READS_PER_LOOK === 0 && performance.now() > end) running = false;
      await disk.read(buffer, offsets[read & 16383]);
    }
  };
  await Promise.all(buffers.slice(0, depth).map(lane));
  return reads / ((performance.now() - start) / 1000);
}

/**
 * The median time of a read by itself, in microseconds.
 *
 * @param {AttachedDisk} attached
 * @param {number} milliseconds
 */
export async function medianLatency({ disk, buffers: [buffer], offsets }, milliseconds) {
  const samples = [];
  await wake(disk, buffer);
  const end = performance.now() + milliseconds;
  for (let start = performance.now(); start < end; ) {
    await disk.read(buffer, offsets[samples.length & 16383]);
    const now = performance.now();
    samples.push(now - start);
    start = now;
  }
  return median(samples) * 1000;
}

/**
 * @param {RemoteDisk} disk
 * @param {Uint8Array} buffer
 */
async function wake(disk, buffer) {
  for (let read = 0; read < WAKING_READS; read++) await disk.read(buffer, 0);
}

/**
 * How often a second something can be done in a tight loop.
 *
 * @param {number} milliseconds
 * @param {(index: number) => void} act
 */
export function timesPerSecond(milliseconds, act) {
  const start = performance.now();
  const end = start + milliseconds;
  let done = 0;
  let now = start;
  while (now < end) {
    for (let turn = 0; turn < READS_PER_LOOK; turn++) act(done++);
    now = performance.now();
  }
  return done / ((now - start) / 1000);
}
