// The thread of a Tamperer: sleeps, or rewrites its patches as fast as it can, each good or bad by chance.

import { startedWith } from "../platform/thread.js";
import {
  PATCH_WORDS,
  type TampererData,
  TampererState,
  TampererWord,
  writePatch,
} from "./tamperer.js";

/** Rewritings between two looks at the control block. */
const SPINS = 64;

/** Goes on until the thread is ended. */
function tamper({ buffer, control }: TampererData): never {
  const view = new DataView(buffer);
  const words = new Int32Array(control);
  // Which values are bad next, a bit each: xorshift.
  let chance = (words[TampererWord.seed] as number) | 1;
  const next = (): number => {
    chance ^= chance << 13;
    chance ^= chance >>> 17;
    chance ^= chance << 5;
    return chance;
  };
  const rewrite = (): void => {
    const end = TampererWord.first + (words[TampererWord.patches] as number) * PATCH_WORDS;
    const word = (index: number): number => (words[index] as number) >>> 0;
    for (let spin = 0; spin < SPINS; spin++) {
      for (let patch = TampererWord.first; patch < end; patch += PATCH_WORDS) {
        const value = (next() & 1) === 0 ? patch + 2 : patch + 4;
        writePatch(view, word(patch), word(patch + 1), word(value), word(value + 1));
      }
    }
  };
  for (;;) {
    const now = Atomics.load(words, TampererWord.state);
    if (now === TampererState.busy) rewrite();
    // Acknowledged after a rewriting: who waits for it knows that it is going on.
    Atomics.store(words, TampererWord.acknowledged, now);
    if (now === TampererState.asleep) Atomics.wait(words, TampererWord.state, now);
  }
}

void startedWith<TampererData>().then(tamper);
