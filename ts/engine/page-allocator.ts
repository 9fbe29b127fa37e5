// Hands out runs of pages of a range of shared memory, to any thread, without a
// lock: a thread that dies in the middle blocks nobody.
//
//   table   one word a page: 0 free; owner · n, the first page of a run of n; −owner, a later one
//
// A page belongs to whoever changes its word from 0 by compare-and-exchange; who
// loses a page of a run to another gives back what he has of it and looks further.

import { assert } from "../errors.js";
import type { BusRange } from "./engine.js";

/** Bytes of a page of the workspace: an instance's list and stack, or most of a queue's context. */
export const WORKSPACE_PAGE_BYTES = 16384;

const FREE = 0;
/** The length of a run takes the lower bits of its first page's word, its owner the others. */
const LENGTH_BITS = 20;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;

/** Owners are counted from 0 to this, less one. */
export const MAX_OWNERS = 1 << (31 - LENGTH_BITS);

/** One thread's view of an allocator of pages. */
export class PageAllocator {
  readonly #table: Int32Array;
  readonly #range: BusRange;
  readonly #pageBytes: number;
  readonly #first: number;
  readonly #later: number;
  #next = 0;

  /**
   * @param tableOffset - {@link tableBytes} zeroed bytes in `buffer`, the same for every thread
   * @param owner - whose the pages are that are claimed here
   */
  constructor(
    buffer: SharedArrayBuffer,
    tableOffset: number,
    range: BusRange,
    pageBytes: number,
    owner: number,
  ) {
    this.#first = owner << LENGTH_BITS;
    this.#later = -owner - 1;
    this.#table = new Int32Array(buffer, tableOffset, Math.floor(range.length / pageBytes));
    this.#range = range;
    this.#pageBytes = pageBytes;
  }

  /** Bytes of the table for a range. */
  static tableBytes(rangeBytes: number, pageBytes: number): number {
    return Math.floor(rangeBytes / pageBytes) * Int32Array.BYTES_PER_ELEMENT;
  }

  /** Claims room for some bytes; gives its offset in the bus, or undefined if no run is long enough. */
  claim(lenBytes: number): number | undefined {
    const pages = Math.max(1, Math.ceil(lenBytes / this.#pageBytes));
    const start = this.#next;
    const page =
      this.#claimBetween(start, this.#table.length, pages) ??
      this.#claimBetween(0, Math.min(start + pages - 1, this.#table.length), pages);
    if (page === undefined) return undefined;
    this.#next = page + pages;
    return this.#range.offset + page * this.#pageBytes;
  }

  /** Gives back what `claim` gave. */
  release(offset: number): void {
    const page = (offset - this.#range.offset) / this.#pageBytes;
    const word = Atomics.load(this.#table, page);
    assert(word > 0, `no run of pages at ${offset}`);
    this.#free(page, word & LENGTH_MASK);
  }

  /** Gives back every page of this owner, who is no more; `leave` is told of each before it is free. */
  reclaim(leave: (offset: number) => void): void {
    for (let page = 0; page < this.#table.length; page++) {
      if (!this.#isOwn(page)) continue;
      leave(this.#range.offset + page * this.#pageBytes);
      this.#free(page, 1);
    }
  }

  /** Whether this owner holds a page. */
  holdsAny(): boolean {
    for (let page = 0; page < this.#table.length; page++) if (this.#isOwn(page)) return true;
    return false;
  }

  /** Bytes of the longest run that is free now. */
  longestFree(): number {
    let longest = 0;
    let run = 0;
    for (let page = 0; page < this.#table.length; page++) {
      run = Atomics.load(this.#table, page) === FREE ? run + 1 : 0;
      longest = Math.max(longest, run);
    }
    return longest * this.#pageBytes;
  }

  #claimBetween(from: number, to: number, pages: number): number | undefined {
    let first = from;
    for (let page = from; page < to; page++) {
      if (Atomics.load(this.#table, page) !== FREE) {
        first = page + 1;
      } else if (page - first + 1 === pages) {
        const taken = this.#take(first, pages);
        if (taken === pages) return first;
        first += taken + 1;
        page = first - 1;
      }
    }
    return undefined;
  }

  /** Claims a run, or nothing; says how many pages it got before one was taken. */
  #take(first: number, pages: number): number {
    for (let index = 0; index < pages; index++) {
      const value = index === 0 ? this.#first | pages : this.#later;
      if (Atomics.compareExchange(this.#table, first + index, FREE, value) !== FREE) {
        this.#free(first, index);
        return index;
      }
    }
    return pages;
  }

  /** Page by page: a thread may have died with half a run. */
  #isOwn(page: number): boolean {
    const word = Atomics.load(this.#table, page);
    return word > 0 ? (word & ~LENGTH_MASK) === this.#first : word === this.#later;
  }

  #free(first: number, pages: number): void {
    for (let index = 0; index < pages; index++) Atomics.store(this.#table, first + index, FREE);
  }
}
