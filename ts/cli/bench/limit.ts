// What the machine does at best in a job's place, in one thread and a tight loop: a bulk copy of as much to and
// from the same places of memory, or a plain read or write of the file.

import { readSync, writeSync } from "node:fs";
import type { Bus, RemoteDisk } from "blockpt";
import type { Job } from "./job.js";
import { PLACES, type Places } from "./places.js";

/** Requests a second, measured for so many milliseconds. */
export type Limit = (milliseconds: number) => number;

const MASK = PLACES - 1;
const PER_LOOK = 16;
/** Slots that are gone through, as buffers of requests in flight are; what a cache makes of them is the same. */
const slotsOf = ({ depth, queues }: Job): number => depth * queues;

/**
 * Copies within a bus.
 *
 * @param bus - of the wasm engine, whose copy is the fastest that there is
 * @param disk - whose buffers are used
 * @param start - where the disc's bytes are
 */
export function copyLimit(
  bus: Bus,
  disk: RemoteDisk,
  start: number,
  job: Job,
  places: Places,
): Limit {
  const { engine } = bus;
  const { blockBytes } = job;
  const slots = slotsOf(job);
  const { offsets, writes } = places;
  return (milliseconds) => {
    const buffer = disk.allocate(slots * blockBytes);
    const target = buffer.byteOffset;
    const rate = timesPerSecond(milliseconds, (index) => {
      const disc = start + (offsets[index & MASK] as number);
      const host = target + (index % slots) * blockBytes;
      if (writes[index & MASK] === 0) engine.copy(host, disc, blockBytes);
      else engine.copy(disc, host, blockBytes);
    });
    disk.free(buffer);
    return rate;
  };
}

/** Reads and writes a file, into buffers of this thread. */
export function fileLimit(fd: number, job: Job, places: Places): Limit {
  const { blockBytes } = job;
  const slots = slotsOf(job);
  const memory = new Uint8Array(slots * blockBytes);
  const { offsets, writes } = places;
  return (milliseconds) =>
    timesPerSecond(milliseconds, (index) => {
      const at = (index % slots) * blockBytes;
      const offset = offsets[index & MASK] as number;
      if (writes[index & MASK] === 0) readSync(fd, memory, at, blockBytes, offset);
      else writeSync(fd, memory, at, blockBytes, offset);
    });
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
