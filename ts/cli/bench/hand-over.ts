// The hand-over probe: what a word costs to go from one core to another. On a virtual machine it takes two or
// three values and moves between them within minutes, and figures at depth 1 move with it.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { median } from "../../workload/statistics.js";
import { ProbeState, ProbeWord } from "./hand-over-words.js";

const CHUNKS = 40;
const HAND_OVERS = 100;
const MOST_MILLISECONDS = 100;
const NANOSECONDS = 1e6;

export class HandOverProbe {
  readonly #words = new Int32Array(new SharedArrayBuffer(128));
  readonly #worker: Worker;

  private constructor() {
    this.#worker = new Worker(new URL("./bench-hand-over.js", import.meta.url), {
      workerData: this.#words,
      execArgv: [],
    });
  }

  /** A probe whose worker is there to play. */
  static async start(): Promise<HandOverProbe> {
    const probe = new HandOverProbe();
    await once(probe.#worker, "message");
    return probe;
  }

  /** Nanoseconds of one hand-over now; undefined if the worker got no processor. */
  nanoseconds(): number | undefined {
    const words = this.#words;
    Atomics.store(words, ProbeWord.state, ProbeState.play);
    Atomics.notify(words, ProbeWord.state);
    const endAt = performance.now() + MOST_MILLISECONDS;
    const chunks: number[] = [];
    // The first chunk pays for the worker's waking.
    for (let chunk = 0; chunk <= CHUNKS && performance.now() < endAt; chunk++) {
      const startedAt = performance.now();
      if (!this.#play(endAt)) break;
      const took = (performance.now() - startedAt) * NANOSECONDS;
      if (chunk > 0) chunks.push(took / HAND_OVERS);
    }
    Atomics.store(words, ProbeWord.state, ProbeState.rest);
    return chunks.length === 0 ? undefined : median(chunks);
  }

  async close(): Promise<void> {
    Atomics.store(this.#words, ProbeWord.state, ProbeState.end);
    Atomics.notify(this.#words, ProbeWord.state);
    await this.#worker.terminate();
  }

  #play(endAt: number): boolean {
    const words = this.#words;
    for (let turn = 0; turn < HAND_OVERS / 2; turn++) {
      Atomics.store(words, ProbeWord.ball, 1);
      for (let looks = 1; Atomics.load(words, ProbeWord.ball) === 1; looks++) {
        if (looks % 4096 === 0 && performance.now() > endAt) return false;
      }
    }
    return true;
  }
}
