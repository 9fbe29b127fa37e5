// Copies of what nobody may write, to see later that nobody has.

import { Buffer } from "node:buffer";
import type { BusRange } from "../engine/engine.js";

/** So many changed bytes are told, and no more. */
const MOST_TOLD = 4;

export class Canary {
  readonly #buffer: SharedArrayBuffer;
  readonly #ranges: readonly BusRange[];
  #before: Buffer[] = [];

  constructor(buffer: SharedArrayBuffer, ranges: readonly BusRange[]) {
    this.#buffer = buffer;
    this.#ranges = ranges;
    this.look();
  }

  /** From here on what is there now is what must stay. */
  look(): void {
    this.#before = this.#ranges.map((range) => Buffer.from(this.#now(range)));
  }

  /** Addresses whose bytes changed, of them the first few, outside the ranges that may. */
  changed(allowed: readonly BusRange[]): number[] {
    const changed: number[] = [];
    for (const [index, range] of this.#ranges.entries()) {
      const [now, before] = [this.#now(range), this.#before[index] as Buffer];
      if (now.equals(before)) continue;
      for (let at = 0; at < range.length && changed.length < MOST_TOLD; at++) {
        if (now[at] !== before[at] && !contains(allowed, range.offset + at)) {
          changed.push(range.offset + at);
        }
      }
    }
    return changed;
  }

  #now({ offset, length }: BusRange): Buffer {
    return Buffer.from(this.#buffer, offset, length);
  }
}

function contains(ranges: readonly BusRange[], at: number): boolean {
  return ranges.some(({ offset, length }) => at >= offset && at < offset + length);
}
