// Where a job's requests go: the same places, in the same order, for whoever is measured in a round.

import { isRandom, readShare, type Shape } from "./pattern.js";

/** Requests before the order begins again; a power of two. */
export const PLACES = 16384;

/** One request after the other. */
export interface Places {
  /** Bytes from the start of the disc. */
  readonly offsets: Float64Array;
  /** 1 where it writes. */
  readonly writes: Uint8Array;
}

/**
 * The requests of a queue: random ones anywhere, sequential ones in that queue's part of the disc.
 *
 * @param queue - counted from 0, through all discs of the job
 */
export function placesOf(
  job: Shape & { readonly blockBytes: number; readonly queues: number },
  sizeBytes: number,
  queue: number,
): Places {
  const { blockBytes, queues } = job;
  const next = generator(1 + queue);
  const blocks = Math.floor(sizeBytes / blockBytes);
  const part = Math.floor(blocks / queues);
  const block = isRandom(job)
    ? () => Math.floor(next() * blocks)
    : (index: number) => (queue % queues) * part + (index % part);
  const share = readShare(job);
  return {
    offsets: Float64Array.from({ length: PLACES }, (_, index) => block(index) * blockBytes),
    writes: Uint8Array.from({ length: PLACES }, () => (next() < share ? 0 : 1)),
  };
}

/** A linear congruential generator of numbers from 0 up to 1: no two runs differ. */
function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e37_79b9) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
