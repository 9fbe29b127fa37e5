// The rules of a disc in memory that all its threads share: one writes them, those that serve its queues read them
// anew whenever their version has moved, and all count together.
//
//   0     i32   version: odd while the rules are being written
//   4     i32   bytes of the rules
//   8     i64   until when the disc stands still, in microseconds of the clock that threads share
//   16    u64   seen and hits of each rule, twice: of versions one after the other, so that a thread that has not
//               seen the new rules yet does not count among theirs
//   1040        the rules, as JSON

import { assert } from "../../errors.js";
import { sharedClockUs } from "../../platform/clock.js";
import {
  checkFault,
  type Fault,
  type FaultReport,
  type FaultRule,
  refusal,
  ruleOf,
} from "./fault.js";
import { parseFault, textOf } from "./text.js";

/** Most rules of a disc. */
export const MAX_FAULTS = 32;

const VERSION = 0;
const LENGTH = 1;
const STALL = 1;
const COUNTERS = 2;
const COUNTERS_OF_VERSION = 2 * MAX_FAULTS;
const TEXT = 8 * (COUNTERS + 2 * COUNTERS_OF_VERSION);
const TEXT_BYTES = 512 * MAX_FAULTS;

export class FaultTable {
  /** What another thread opens it by. */
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;
  #version = -1;
  #faults: readonly Fault[] = [];

  constructor(buffer = new SharedArrayBuffer(TEXT + TEXT_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, 2);
    this.#longs = new BigInt64Array(buffer, 0, TEXT / 8);
  }

  /** Puts others in place of all rules, which are in force for the next request of any thread. Counts start at 0. */
  replace(rules: readonly (FaultRule | string)[]): void {
    const faults = checkFaults(rules);
    const bytes = new TextEncoder().encode(JSON.stringify(faults));
    assert(bytes.length <= TEXT_BYTES, "rules are longer than they can be");
    const version = Atomics.load(this.#words, VERSION);
    Atomics.store(this.#words, VERSION, version + 1);
    new Uint8Array(this.buffer, TEXT).set(bytes);
    Atomics.store(this.#words, LENGTH, bytes.length);
    const first = countersOf(version + 2);
    for (let index = 0; index < COUNTERS_OF_VERSION; index++) {
      Atomics.store(this.#longs, first + index, 0n);
    }
    Atomics.store(this.#longs, STALL, 0n);
    // The release of all that: who reads this version reads the rest as of it, or sees that it has moved again.
    Atomics.store(this.#words, VERSION, version + 2);
    Atomics.notify(this.#words, VERSION);
  }

  /** The rules as they are now. */
  get faults(): readonly Fault[] {
    if (Atomics.load(this.#words, VERSION) !== this.#version) this.#read();
    return this.#faults;
  }

  /** The rules, and what has come of them. */
  get reports(): FaultReport[] {
    return this.faults.map((fault, index) => {
      const at = countersOf(this.#version) + 2 * index;
      const [seen, hits] = [0, 1].map((word) => Number(Atomics.load(this.#longs, at + word)));
      return { rule: ruleOf(fault), text: textOf(fault), seen: seen ?? 0, hits: hits ?? 0 };
    });
  }

  /** One more request that rule could befall: which one that is, from 1. */
  countSeen(index: number): number {
    return Number(Atomics.add(this.#longs, countersOf(this.#version) + 2 * index, 1n)) + 1;
  }

  /** One more that it befalls, unless these were so many already; 0 is no end. */
  countHit(index: number, times: number): boolean {
    const word = countersOf(this.#version) + 2 * index + 1;
    for (;;) {
      const hits = Atomics.load(this.#longs, word);
      if (times > 0 && hits >= times) return false;
      if (Atomics.compareExchange(this.#longs, word, hits, hits + 1n) === hits) return true;
    }
  }

  /** Has the disc stand still for a time from now on. */
  stall(durationMs: number): void {
    const until = BigInt(Math.ceil(sharedClockUs() + durationMs * 1000));
    for (;;) {
      const before = Atomics.load(this.#longs, STALL);
      if (until <= before) return;
      if (Atomics.compareExchange(this.#longs, STALL, before, until) === before) return;
    }
  }

  /** For how long the disc still stands still, in milliseconds. */
  get stalledMs(): number {
    const until = Atomics.load(this.#longs, STALL);
    if (until === 0n) return 0;
    const leftUs = Number(until) - sharedClockUs();
    return leftUs > 0 ? Math.ceil(leftUs / 1000) : 0;
  }

  /** Done when the rules are others than they are now. */
  async whenReplaced(): Promise<void> {
    void this.faults;
    const { value } = Atomics.waitAsync(this.#words, VERSION, this.#version);
    await value;
  }

  #read(): void {
    for (;;) {
      const version = Atomics.load(this.#words, VERSION);
      // A copy: what is shared is no text to TextDecoder, and may change.
      const bytes = new Uint8Array(this.buffer, TEXT, TEXT_BYTES).slice();
      const length = Atomics.load(this.#words, LENGTH);
      if (version % 2 !== 0 || Atomics.load(this.#words, VERSION) !== version) continue;
      const text = new TextDecoder().decode(bytes.subarray(0, length));
      this.#faults = length === 0 ? [] : (JSON.parse(text) as Fault[]);
      this.#version = version;
      return;
    }
  }
}

/** Checks a list of rules. */
export function checkFaults(rules: readonly (FaultRule | string)[]): Fault[] {
  if (!Array.isArray(rules)) throw refusal("rules are no list");
  if (rules.length > MAX_FAULTS) {
    throw refusal(`rules are ${rules.length}: a disc has ${MAX_FAULTS} at most`);
  }
  return rules.map((rule) => checkFault(typeof rule === "string" ? parseFault(rule) : rule));
}

function countersOf(version: number): number {
  return COUNTERS + (version % 4 === 0 ? 0 : COUNTERS_OF_VERSION);
}
