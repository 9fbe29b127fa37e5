// What the machine does at best in a job's place, in one thread and a tight loop: a bulk copy of as much to and
// from the same places of memory, or a plain read or write of the file.

import { readSync, writeSync } from "node:fs";
import type { Bus, RemoteDisk } from "blockpt";
import { PLACES, type Places } from "../../workload/places.js";
import type { Job } from "./job.js";

/** Requests a second, measured for so many milliseconds. */
export type Limit = (milliseconds: number) => number;

/** A disc that requests go to: where its bytes start, or the file that they are in. */
export interface Target {
  readonly at: number;
  readonly places: Places;
}

const PER_LOOK = 16;
/** Slots that are gone through, as buffers of requests in flight are; what a cache makes of them is the same. */
const slotsOf = ({ depth, queues, discs }: Job): number => depth * queues * discs;

/**
 * Copies within a bus.
 *
 * @param bus - of the wasm engine, whose copy is the fastest that there is
 * @param disk - whose buffers are used
 * @param targets - the discs, by the addresses of their bytes
 */
export function copyLimit(bus: Bus, disk: RemoteDisk, targets: readonly Target[], job: Job): Limit {
  const { engine } = bus;
  const { blockBytes } = job;
  const slots = slotsOf(job);
  const { discs, offsets, writes } = inTurn(targets);
  const addresses = offsets.map((offset, index) => (discs[index] as number) + offset);
  const mask = addresses.length - 1;
  return (milliseconds) => {
    const buffer = disk.allocate(slots * blockBytes);
    const target = buffer.byteOffset;
    const rate = timesPerSecond(milliseconds, (index) => {
      const disc = addresses[index & mask] as number;
      const host = target + (index % slots) * blockBytes;
      if (writes[index & mask] === 0) engine.copy(host, disc, blockBytes);
      else engine.copy(disc, host, blockBytes);
    });
    disk.free(buffer);
    return rate;
  };
}

/**
 * Reads and writes files, into buffers of this thread.
 *
 * @param targets - the discs, by their file descriptors
 */
export function fileLimit(targets: readonly Target[], job: Job): Limit {
  const { blockBytes } = job;
  const slots = slotsOf(job);
  const memory = new Uint8Array(slots * blockBytes);
  const { discs, offsets, writes } = inTurn(targets);
  const mask = offsets.length - 1;
  return (milliseconds) =>
    timesPerSecond(milliseconds, (index) => {
      const at = (index % slots) * blockBytes;
      const fd = discs[index & mask] as number;
      const offset = offsets[index & mask] as number;
      if (writes[index & mask] === 0) readSync(fd, memory, at, blockBytes, offset);
      else writeSync(fd, memory, at, blockBytes, offset);
    });
}

/** The requests of several discs, one of each after the other, and again from the start where a power of two ends. */
function inTurn(targets: readonly Target[]): Places & { readonly discs: Float64Array } {
  const length = PLACES * 2 ** Math.ceil(Math.log2(targets.length));
  const discs = new Float64Array(length);
  const offsets = new Float64Array(length);
  const writes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    const { at, places } = targets[index % targets.length] as Target;
    const place = Math.floor(index / targets.length) % PLACES;
    discs[index] = at;
    offsets[index] = places.offsets[place] as number;
    writes[index] = places.writes[place] as number;
  }
  return { discs, offsets, writes };
}

/** How often a second something can be done in a tight loop. */
function timesPerSecond(milliseconds: number, act: (index: number) => void): number {
  const startedAt = performance.now();
  const endAt = startedAt + milliseconds;
  let done = 0;
  let now = startedAt;
  while (now < endAt) {
    for (let turn = 0; turn < PER_LOOK; turn++) act(done++);
    now = performance.now();
  }
  return (1000 * done) / (now - startedAt);
}
