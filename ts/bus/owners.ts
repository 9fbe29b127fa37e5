// Who holds pages of the bus: a number for each thread's view of it, so that what a thread held that
// died can be given back by somebody who knows that it did.

import { MAX_OWNERS } from "../engine/page-allocator.js";
import { BlockptError } from "../errors.js";

const FREE = 0;
const TAKEN = 1;

/** The table of numbers, which all threads share. */
export class Owners {
  readonly #table: Int32Array;

  constructor(buffer: SharedArrayBuffer, tableOffset: number) {
    this.#table = new Int32Array(buffer, tableOffset, MAX_OWNERS);
  }

  /** Bytes of the table. */
  static readonly tableBytes = MAX_OWNERS * Int32Array.BYTES_PER_ELEMENT;

  /** A number that nobody has. */
  claim(): number {
    for (let owner = 0; owner < MAX_OWNERS; owner++) {
      if (Atomics.compareExchange(this.#table, owner, FREE, TAKEN) === FREE) return owner;
    }
    const why = `the bus is open in ${MAX_OWNERS} threads: close it in some of them`;
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", why);
  }

  /** Gives a number back, of which no page is held. */
  release(owner: number): void {
    Atomics.store(this.#table, owner, FREE);
  }
}
