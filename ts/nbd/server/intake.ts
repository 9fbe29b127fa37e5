// What a client sends, in memory that a disk can write from: requests are read out of it, and the data of
// writes stays where it is until the disk has it.
//
//        oldest data        read     filled      window
//   ┌──────┬──────────────────┬────────┬─────────────────┬───┐
//   │ free │ data in flight   │ to be  │ the next bytes  │   │
//   └──────┴──────────────────┴─parsed─┴─of the socket───┴───┘
//
// At the end of the memory what is to be parsed still, less than a header or a block, moves to its start: the
// only bytes that are copied.

import { type Span, SpanRing } from "./span-ring.js";

/** What the socket is given at most to fill: so much of one client's comes before another's. */
const WINDOW_BYTES = 128 * 1024;
/** Less room than this is not worth a system call. */
const LEAST_WINDOW_BYTES = 4096;

export class Intake {
  readonly #ring: SpanRing;
  readonly #view: DataView;
  /** Where the memory starts, in positions: they only grow while data is in flight. */
  #lap = 0;
  #read = 0;
  #filled = 0;
  /** Where the window ends; undefined if there is none. */
  #windowEnd: number | undefined;

  constructor(memory: Uint8Array) {
    this.#ring = new SpanRing(memory);
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.length);
    this.prepare();
  }

  /** Bytes that are to be parsed. */
  get available(): number {
    return this.#filled - this.#read;
  }

  /** Whether the memory ends behind the bytes that are to be parsed: those that come will not be adjacent. */
  get isAtEnd(): boolean {
    return this.#lap + this.#ring.memory.length - this.#filled < LEAST_WINDOW_BYTES;
  }

  u16(offset: number): number {
    return this.#view.getUint16(this.#read - this.#lap + offset);
  }

  u32(offset: number): number {
    return this.#view.getUint32(this.#read - this.#lap + offset);
  }

  /** Parsed, and of no more use. */
  skip(bytes: number): void {
    this.#read += bytes;
  }

  /** Parsed, and in use until it is released. */
  hold(bytes: number): Span {
    const span = this.#ring.take(this.#read, this.#read + bytes);
    this.#read += bytes;
    return span;
  }

  data(span: Span): Uint8Array {
    return this.#ring.view(span, 0, span.end - span.start);
  }

  release(span: Span): void {
    this.#ring.release(span);
  }

  /** Where the socket's next bytes go, once that was prepared. */
  window(): Uint8Array {
    return this.#ring.memory.subarray(this.#filled - this.#lap, (this.#windowEnd ?? 0) - this.#lap);
  }

  /** So many bytes are in the window. */
  add(bytes: number): void {
    this.#filled += bytes;
    this.#windowEnd = undefined;
  }

  /** Finds the next window, unless there is one; false while data in flight has its place. */
  prepare(): boolean {
    if (this.#windowEnd !== undefined) return true;
    const { length } = this.#ring.memory;
    const { tail } = this.#ring;
    if (tail === undefined && this.available === 0) {
      // The start of the memory is the part that the caches know.
      this.#read = this.#lap;
      this.#filled = this.#lap;
    } else if (this.isAtEnd) {
      const next = this.#lap + length;
      const rest = this.available;
      if (tail !== undefined && tail + length < next + rest + LEAST_WINDOW_BYTES) return false;
      const from = this.#read - this.#lap;
      this.#ring.memory.copyWithin(0, from, from + rest);
      this.#lap = next;
      this.#read = next;
      this.#filled = next + rest;
    }
    const free = (tail ?? this.#lap) + length;
    const end = Math.min(this.#filled + WINDOW_BYTES, this.#lap + length, free);
    if (end - this.#filled < LEAST_WINDOW_BYTES) return false;
    this.#windowEnd = end;
    return true;
  }
}
