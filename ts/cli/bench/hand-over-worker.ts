// The other core of the hand-over probe: sleeps until it is to play, and then answers each 1 with a 0.

import { parentPort, workerData } from "node:worker_threads";
import { ProbeState, ProbeWord } from "./hand-over-words.js";

const words = workerData as Int32Array;
parentPort?.postMessage("ready");
for (;;) {
  Atomics.wait(words, ProbeWord.state, ProbeState.rest);
  if (Atomics.load(words, ProbeWord.state) === ProbeState.end) break;
  while (Atomics.load(words, ProbeWord.state) === ProbeState.play) {
    if (Atomics.load(words, ProbeWord.ball) === 1) Atomics.store(words, ProbeWord.ball, 0);
  }
}
