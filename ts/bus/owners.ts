// Who holds pages of the bus: a number for each thread's view of it, so that what a thread held that
// died can be given back by somebody who knows that it did; which of them is the root complex;
// and which endpoint has the bus.

import { MAX_OWNERS } from "../engine/page-allocator.js";
import { BlockptError } from "../errors.js";

const FREE = 0;
const TAKEN = 1;
/** Behind the numbers: which of them drives the endpoint, and 1 more; 0 is none. */
const ROOT_COMPLEX = MAX_OWNERS;
/** The generation of the endpoint that has the bus. */
const GENERATION = MAX_OWNERS + 1;
/** Whether an endpoint has it. */
const LINK = MAX_OWNERS + 2;

/** The table of numbers, which all threads share. */
export class Owners {
  readonly #table: Int32Array;

  constructor(buffer: SharedArrayBuffer, tableOffset: number) {
    this.#table = new Int32Array(buffer, tableOffset, LINK + 1);
  }

  /** Bytes of the table. */
  static readonly tableBytes = (LINK + 1) * Int32Array.BYTES_PER_ELEMENT;

  /** A number that nobody has. */
  claim(): number {
    for (let owner = 0; owner < MAX_OWNERS; owner++) {
      if (Atomics.compareExchange(this.#table, owner, FREE, TAKEN) === FREE) return owner;
    }
    const why = `the bus is open in ${MAX_OWNERS} threads: close it in some of them`;
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", why);
  }

  /** Becomes the root complex, of which a bus has one; false if another is there, unless that one is replaced. */
  becomeRootComplex(owner: number, replace: boolean): boolean {
    if (replace) Atomics.store(this.#table, ROOT_COMPLEX, owner + 1);
    else return Atomics.compareExchange(this.#table, ROOT_COMPLEX, 0, owner + 1) === 0;
    return true;
  }

  /** Is the root complex no more, if it still was. */
  leaveRootComplex(owner: number): void {
    Atomics.compareExchange(this.#table, ROOT_COMPLEX, owner + 1, 0);
  }

  /** Whether an endpoint of ours has the link, or has died with it. */
  get isLinkTaken(): boolean {
    return Atomics.load(this.#table, LINK) !== FREE;
  }

  /** Takes the link for an endpoint; false if another has it. */
  takeLink(): boolean {
    return Atomics.compareExchange(this.#table, LINK, FREE, TAKEN) === FREE;
  }

  /** Gives the link back. */
  releaseLink(): void {
    Atomics.store(this.#table, LINK, FREE);
  }

  /** The generation of the endpoint that has the bus; what the register says a root complex may write. */
  get generation(): number {
    // A plain load, here and in every round of a loop: an atomic one is a call in V8. It may be seen a moment later.
    return this.#table[GENERATION] as number;
  }

  /** Starts the generation after another one, if that is the last; 0 if somebody else was faster. */
  nextGeneration(last: number): number {
    // Never 0, which is what a BAR has that was reset.
    const next = ((last + 1) | 0) === 0 ? 1 : (last + 1) | 0;
    return Atomics.compareExchange(this.#table, GENERATION, last, next) === last ? next : 0;
  }

  /** Gives a number back, of which no page is held. */
  release(owner: number): void {
    Atomics.store(this.#table, owner, FREE);
  }
}
