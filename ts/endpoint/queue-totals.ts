// What a queue has done since its disc was exported: the worker that serves it counts, and the
// endpoint reads. The words lie in the queue's control memory, and outlive each of its workers.

import { COUNTERS, Counter } from "../engine/records.js";

/** What a queue has done since its disc was exported; a STOP and a START change nothing. */
export interface QueueStatistics {
  /** Reads answered OK. */
  reads: number;
  /** Writes answered OK. */
  writes: number;
  /** Flushes answered OK. */
  flushes: number;
  /** Discards and writes of zeroes answered OK. */
  discards: number;
  /** Bytes of the reads. */
  bytesRead: number;
  /** Bytes of the writes. */
  bytesWritten: number;
  /** Descriptors answered with any other status, the malformed ones included. */
  errors: number;
  /** Interrupts raised, those that found their vector masked included. */
  interrupts: number;
}

/** Behind the engine's counters. */
const INTERRUPTS = COUNTERS;

export class QueueTotals {
  /**
   * One thread writes. Neither a lock nor a BigInt is needed for the other to read them, as a number of
   * floating point is exact to 2^53 and goes to memory in one piece on the 64-bit machines that Node runs on.
   */
  readonly #words: Float64Array;
  /** What the workers of earlier starts counted. */
  readonly #before: Float64Array;

  constructor(control: SharedArrayBuffer, offset: number) {
    this.#words = new Float64Array(control, offset, INTERRUPTS + 1);
    this.#before = Float64Array.from(this.#words);
  }

  /** Bytes of the words. */
  static readonly bytes = (INTERRUPTS + 1) * Float64Array.BYTES_PER_ELEMENT;

  /** Worker: what its engine has counted until now. */
  take(counters: Float64Array): void {
    // A loop is faster than `set` for so few.
    for (let counter = 0; counter < COUNTERS; counter++) {
      this.#words[counter] = (this.#before[counter] as number) + (counters[counter] as number);
    }
  }

  /** An interrupt was raised; by the worker, or for a queue that has none. */
  countInterrupt(): void {
    (this.#words[INTERRUPTS] as number)++;
  }

  /** What there is now. */
  read(): QueueStatistics {
    const at = (word: number): number => this.#words[word] as number;
    return {
      reads: at(Counter.reads),
      writes: at(Counter.writes),
      flushes: at(Counter.flushes),
      discards: at(Counter.discards),
      bytesRead: at(Counter.bytesRead),
      bytesWritten: at(Counter.bytesWritten),
      errors: at(Counter.errors),
      interrupts: at(INTERRUPTS),
    };
  }
}
