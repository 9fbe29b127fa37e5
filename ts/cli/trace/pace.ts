// When a replay does the next thing: as soon as it may, or not before its time in the trace.

import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";

export type Timing = "fast" | "recorded";

/** Nothing has come for so long: nothing will. */
const GIVEN_UP_MS = 5000;

export class Pace {
  readonly #timing: Timing;
  readonly #firstUs: number;
  readonly #startedMs = performance.now();

  constructor(timing: Timing, firstUs: number) {
    this.#timing = timing;
    this.#firstUs = firstUs;
  }

  /** Done when it is the time of a record. */
  async reach(timeUs: number): Promise<void> {
    if (this.#timing === "fast") return;
    const untilMs = this.#startedMs + (timeUs - this.#firstUs) / 1000;
    const leftMs = untilMs - performance.now();
    if (leftMs > 1) await sleep(leftMs - 1);
    while (performance.now() < untilMs) await nextTurn();
  }
}

/** Looks until something holds; false if nothing has changed for a while. `look` says how much it found. */
export async function settle(look: () => number, holds: () => boolean): Promise<boolean> {
  let lastMs = performance.now();
  for (;;) {
    if (look() > 0) lastMs = performance.now();
    if (holds()) return true;
    if (performance.now() - lastMs > GIVEN_UP_MS) return false;
    await nextTurn();
  }
}
