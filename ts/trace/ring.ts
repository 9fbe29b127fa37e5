// The ring of records, in shared memory that belongs to nobody else: any thread writes, one reads.
//
//   ┌ head ─────┬ names ┬ records ──────────────────────────────────────┐
//   │ next, …   │       │ 64 bytes, 64 bytes, …            a power of two │
//   └───────────┴───────┴───────────────────────────────────────────────┘
//
// A writer takes the next number, and with it a slot: the number modulo the capacity. It marks the slot, writes the
// record, and stamps it with the lap last, so that who reads a slot before and after its copy and finds the stamp of that
// lap has a whole record. Where a writer finds its slot marked by one that is a lap behind, or stamped by one ahead, it
// gives its record up: two never write one slot. The reader counts every number that it finds no record of as lost.

import { sharedClockUs } from "../platform/clock.js";
import { RECORD_BYTES, RECORD_WORDS, TraceWord } from "./layout.js";
import { NAMES_BYTES, Names } from "./names.js";

/** Bytes of the head. */
const HEAD_BYTES = 64;
/** Words of it: the next number modulo 2^32, how often that wrapped, and the capacity's logarithm. */
const NEXT = 0;
const WRAPS = 1;
const SHIFT = 2;
/** In 64-bit words: when it began, by the process's monotonic clock in microseconds, and by the calendar in milliseconds. */
const STARTED = 2;
const STARTED_AT = 3;
const NUMBERS = 2 ** 32;
/** The stamp of a slot that is being written: laps stay far below. */
const WRITING = 0xffff_ffff;
const RECORDS_OFFSET = HEAD_BYTES + NAMES_BYTES;
/** Looks at both clocks, of which the closest counts. */
const CLOCK_LOOKS = 5;

export class TraceRing {
  readonly buffer: SharedArrayBuffer;
  readonly names: Names;
  /** How many records there is room for. */
  readonly capacity: number;
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #head: Int32Array;
  readonly #times: Float64Array;
  readonly #shift: number;
  readonly #laps: number;
  /** From this thread's clock to the trace's, in microseconds. */
  readonly #clockOffsetUs: number;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.names = new Names(buffer, HEAD_BYTES);
    this.#head = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    this.#times = new Float64Array(buffer, 0, HEAD_BYTES / 8);
    this.#shift = this.#head[SHIFT] as number;
    this.capacity = 2 ** this.#shift;
    this.#laps = NUMBERS / this.capacity;
    const records = this.capacity * RECORD_WORDS;
    this.#words = new Uint32Array(buffer, RECORDS_OFFSET, records);
    this.#doubles = new Float64Array(buffer, RECORDS_OFFSET, records / 2);
    this.#clockOffsetUs = clockOffsetUs() - (this.#times[STARTED] as number);
  }

  /** @param capacity - a power of two */
  static create(capacity: number): TraceRing {
    const buffer = new SharedArrayBuffer(RECORDS_OFFSET + capacity * RECORD_BYTES);
    new Int32Array(buffer)[SHIFT] = Math.log2(capacity);
    const times = new Float64Array(buffer, 0, HEAD_BYTES / 8);
    times[STARTED] = clockOffsetUs() + performance.now() * 1000;
    times[STARTED_AT] = Date.now();
    return new TraceRing(buffer);
  }

  /** When it was made, in milliseconds of the calendar. */
  get startedAtMs(): number {
    return this.#times[STARTED_AT] as number;
  }

  /** Microseconds since it was made, the same in all threads. */
  nowUs(): number {
    return performance.now() * 1000 + this.#clockOffsetUs;
  }

  /** How many numbers were given. */
  get next(): number {
    for (;;) {
      const wraps = Atomics.load(this.#head, WRAPS);
      const next = Atomics.load(this.#head, NEXT) >>> 0;
      if (Atomics.load(this.#head, WRAPS) === wraps) return wraps * NUMBERS + next;
    }
  }

  /** Writes a record, with what is by the event in the last eight words; gives it up where its slot is taken. */
  write(
    timeUs: number,
    kind: number,
    place: number,
    index: number,
    status: number,
    operation: number,
    data0 = 0,
    data1 = 0,
    data2 = 0,
    data3 = 0,
    data4 = 0,
    data5 = 0,
    data6 = 0,
    data7 = 0,
  ): void {
    const number = Atomics.add(this.#head, NEXT, 1) >>> 0;
    if (number === NUMBERS - 1) Atomics.add(this.#head, WRAPS, 1);
    const words = this.#words;
    const word = (number & (this.capacity - 1)) * RECORD_WORDS;
    const lap = this.#lapOf(number);
    const before = Atomics.load(words, word);
    if (before === WRITING || this.#isLater(before, lap)) return;
    if (Atomics.compareExchange(words, word, before, WRITING) !== before) return;
    words[word + TraceWord.kind] = kind;
    this.#doubles[word / 2 + TraceWord.time] = timeUs;
    words[word + TraceWord.place] = place;
    words[word + TraceWord.index] = index;
    words[word + TraceWord.status] = status;
    words[word + TraceWord.operation] = operation;
    words[word + TraceWord.data] = data0;
    words[word + TraceWord.data + 1] = data1;
    words[word + TraceWord.data + 2] = data2;
    words[word + TraceWord.data + 3] = data3;
    words[word + TraceWord.data + 4] = data4;
    words[word + TraceWord.data + 5] = data5;
    words[word + TraceWord.data + 6] = data6;
    words[word + TraceWord.data + 7] = data7;
    // Pairs with the two loads of `copy`.
    Atomics.store(words, word, lap);
  }

  /**
   * Copies the record of a number. One that is pending is not written yet, or was given up, or its writer died;
   * one that is gone was overwritten.
   */
  copy(number: number, target: Uint32Array): "whole" | "pending" | "gone" {
    const low = number % NUMBERS;
    const lap = this.#lapOf(low);
    const word = (low & (this.capacity - 1)) * RECORD_WORDS;
    const stamp = Atomics.load(this.#words, word);
    if (stamp !== lap) return this.#isLater(stamp, lap) ? "gone" : "pending";
    target.set(this.#words.subarray(word, word + RECORD_WORDS));
    target[TraceWord.stamp] = 0;
    return Atomics.load(this.#words, word) === lap ? "whole" : "gone";
  }

  /** Laps are counted from 1, modulo as many as there are in 2^32 numbers. */
  #lapOf(number: number): number {
    return (number >>> this.#shift) + 1;
  }

  #isLater(stamp: number, lap: number): boolean {
    if (stamp === 0 || stamp === WRITING || stamp === lap) return false;
    return (stamp - lap + this.#laps) % this.#laps < this.#laps / 2;
  }
}

/** From `performance.now()` of this thread to the process's monotonic clock, in microseconds. */
function clockOffsetUs(): number {
  let offsetUs = 0;
  let closest = Number.POSITIVE_INFINITY;
  for (let look = 0; look < CLOCK_LOOKS; look++) {
    const before = performance.now();
    const nowUs = sharedClockUs();
    const after = performance.now();
    if (after - before >= closest) continue;
    closest = after - before;
    offsetUs = nowUs - ((before + after) / 2) * 1000;
  }
  return offsetUs;
}
