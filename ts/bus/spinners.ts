// Who looks at a ring in vain at the moment. Looking costs less than sleeping and being woken as
// long as each has a processor of its own; where more threads look than the machine has
// processors they take the time of those that they wait for.

import { availableParallelism } from "node:os";

/** Threads that are counted; with more it is crowded anyway. */
const SLOTS = 64;
/** Who was seen looking within this time looks still, though he may have no processor just now. */
const RECENT_MS = 20;
/** How long what was seen is taken for true: to look costs as much as a hundred looks at a ring. */
const STEADY_MS = 0.02;
/** One processor is for whoever does what the others wait for. */
const MOST = availableParallelism() - 1;
const NOBODY = 0;

/** The table of those who look, seen by one of them. */
export class Spinners {
  readonly #seen: Int32Array;
  readonly #own: number;
  #isListed = false;
  #wereCrowded = false;
  #sawAt = 0;

  constructor(buffer: SharedArrayBuffer, tableOffset: number, owner: number) {
    this.#seen = new Int32Array(buffer, tableOffset, SLOTS);
    this.#own = owner % SLOTS;
  }

  /** Bytes of the table. */
  static readonly tableBytes = SLOTS * Int32Array.BYTES_PER_ELEMENT;

  /**
   * Says that this thread looks in vain; true if too many do.
   *
   * @param nowMs - `performance.now()`
   */
  areCrowded(nowMs: number): boolean {
    if (this.#isListed && nowMs - this.#sawAt < STEADY_MS) return this.#wereCrowded;
    this.#isListed = true;
    this.#sawAt = nowMs;
    const now = Math.max(1, Date.now() & 0x7fff_ffff);
    Atomics.store(this.#seen, this.#own, now);
    let count = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      // Not an atomic load, which is ten times as slow: nothing hangs on it but when somebody sleeps.
      const seen = this.#seen[slot] as number;
      if (seen !== NOBODY && now - seen < RECENT_MS) count++;
    }
    this.#wereCrowded = count > MOST;
    return this.#wereCrowded;
  }

  /** This thread has something to do, or sleeps. */
  leave(): void {
    if (!this.#isListed) return;
    this.#isListed = false;
    Atomics.store(this.#seen, this.#own, NOBODY);
  }
}
