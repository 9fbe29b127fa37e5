// The other thread of the raw wake-up: looks for a while, as a queue worker does, sleeps until it is asked, and answers
// with what it was asked.

import { parentPort, workerData } from "node:worker_threads";
import { BellWord } from "./bell-words.mjs";

const LOOK_MS = 0.2;

const words = /** @type {Int32Array} */ (workerData);
parentPort?.postMessage("ready");
for (let turn = 0; ; turn++) {
  const until = performance.now() + LOOK_MS;
  while (Atomics.load(words, BellWord.question) === turn && performance.now() < until);
  while (Atomics.load(words, BellWord.question) === turn) {
    Atomics.wait(words, BellWord.question, turn);
  }
  Atomics.store(words, BellWord.answer, turn + 1);
  Atomics.notify(words, BellWord.answer);
}
