// The hand-over probe: what a word costs to go from one core to another. On a
// virtual machine it takes two or three values and moves between them within
// minutes, and figures at depth 1 move with it.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { median } from "./statistics.mjs";

/** Words that the probe and its worker share. */
export const ProbeWord = { ball: 0, state: 16 };
/** What the worker does: sleeps, answers, ends. */
export const ProbeState = { rest: 0, play: 1, end: 2 };

const CHUNKS = 40;
const HAND_OVERS = 100;
const MOST_MILLISECONDS = 100;

export class HandOverProbe {
  #words = new Int32Array(new SharedArrayBuffer(128));
  #worker = new Worker(new URL("./hand-over-worker.mjs", import.meta.url), {
    workerData: this.#words,
  });

  /** Done once the worker is there to play. */
  async ready() {
    await once(this.#worker, "message");
  }

  /** Nanoseconds of one hand-over now; undefined if the worker got no processor. */
  nanoseconds() {
    const words = this.#words;
    Atomics.store(words, ProbeWord.state, ProbeState.play);
    Atomics.notify(words, ProbeWord.state);
    const end = performance.now() + MOST_MILLISECONDS;
    const chunks = [];
    // The first chunk pays for the worker's waking.
    for (let chunk = 0; chunk <= CHUNKS && performance.now() < end; chunk++) {
      const start = performance.now();
      if (!this.#play(end)) break;
      if (chunk > 0) chunks.push(((performance.now() - start) * 1e6) / HAND_OVERS);
    }
    Atomics.store(words, ProbeWord.state, ProbeState.rest);
    return chunks.length === 0 ? undefined : median(chunks);
  }

  /** Ends the worker. */
  async close() {
    Atomics.store(this.#words, ProbeWord.state, ProbeState.end);
    Atomics.notify(this.#words, ProbeWord.state);
    await this.#worker.terminate();
  }

  /** @param {number} end - when to give up */
  #play(end) {
    const words = this.#words;
    for (let turn = 0; turn < HAND_OVERS / 2; turn++) {
      Atomics.store(words, ProbeWord.ball, 1);
      for (let looks = 1; Atomics.load(words, ProbeWord.ball) === 1; looks++) {
        if (looks % 4096 === 0 && performance.now() > end) return false;
      }
    }
    return true;
  }
}
