// What it costs that somebody sleeps: a read of 512 bytes of a disk that nobody has used for a while, and beside it
// the same between two threads that have nothing but a word, its `Atomics.wait` and its `notify`.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Endpoint, MemoryDisc, RootComplex } from "blockpt";
import { median } from "../../dist/bench.js";
import { BellWord } from "./bell-words.mjs";

/** @typedef {import("blockpt").Bus} Bus */
/** @typedef {import("../rounds.mjs").Section} Section */
/** @typedef {"looks" | "sleeps" | "promise"} Waiting - what who asks does meanwhile */
/** @typedef {import("../rounds.mjs").Row & { waiting: Waiting }} WakeRow */

/** Long enough that the other side sleeps: a queue worker looks on for 0.5 ms at most. */
const PAUSE_MS = 5;
/** Reads before the first: enough for the compiler, and for the threads to be on processors of their own. */
const WARM_UP_READS = 20_000;
/** Fewer have no median. */
const LEAST_REQUESTS = 40;
const MICROSECONDS = 1000;
const SECTOR_BYTES = 512;

/** @type {WakeRow[]} */
const ROWS = [
  ["the endpoint sleeps, readSync", "looks"],
  ["the endpoint sleeps, a promise", "promise"],
  ["both sleep, readSync", "sleeps"],
].map(([name, waiting]) => ({
  ...{ name, unit: "µs", lessIsBetter: true },
  waiting: /** @type {Waiting} */ (waiting),
}));

/**
 * Whom it is asked of: takes the time of one request.
 *
 * @typedef {object} Asked
 * @property {(waiting: Waiting) => number | Promise<number>} ask - milliseconds
 * @property {() => Promise<void>} close
 */

/** @type {Section} */
export const wake = {
  id: "costs-wake",
  title: "Wake-up: a read of 512 B after 5 ms in which nobody asked, p50",
  notes: [
    "Aims: 30 µs where the endpoint's worker sleeps, 55 µs where both sleep.",
    "Limit: two threads and one word, in the same way: notified; answered by a word that is looked at, or waited for.",
    "Who asks keeps its processor busy in the pause, has an idle event loop (a promise), or sleeps. In the call it looks",
    "for as long as it has patience, and sleeps then: where waking takes longer than 0.5 ms, soon.",
  ],
  subjects: ["limit", "wasm", "typescript"],
  rows: ROWS,
  async open(buses) {
    const asked = {
      wasm: await openDisk(buses.wasm),
      typescript: await openDisk(buses.typescript),
      limit: await openBell(),
    };
    return {
      async measure(row, subject, milliseconds) {
        const { waiting } = /** @type {WakeRow} */ (row);
        const { ask } = asked[/** @type {keyof typeof asked} */ (subject)];
        const count = Math.max(LEAST_REQUESTS, Math.ceil(milliseconds / PAUSE_MS));
        const times = [];
        for (let request = 0; request < count; request++) {
          await pause(waiting);
          times.push((await ask(waiting)) * MICROSECONDS);
        }
        return median(times);
      },
      async close() {
        for (const { close } of Object.values(asked)) await close();
      },
    };
  },
};

const NOBODY_RINGS = new Int32Array(new SharedArrayBuffer(4));

/** @param {Waiting} waiting */
async function pause(waiting) {
  if (waiting === "promise") {
    await sleep(PAUSE_MS);
  } else if (waiting === "sleeps") {
    Atomics.wait(NOBODY_RINGS, 0, 0, PAUSE_MS);
  } else {
    const endAt = performance.now() + PAUSE_MS;
    while (performance.now() < endAt);
  }
}

/**
 * @param {Bus} bus
 * @returns {Promise<Asked>}
 */
async function openDisk(bus) {
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  const disc = MemoryDisc.create(bus, 1024 * 1024);
  await endpoint.exportDisc("a", disc);
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("a", { numDescriptors: 256 });
  const buffer = disk.allocate(SECTOR_BYTES);
  for (let read = 0; read < WARM_UP_READS; read++) disk.readSync(buffer, 0);
  return {
    ask(waiting) {
      const startedAt = performance.now();
      if (waiting === "promise") {
        return disk.read(buffer, 0).then(() => performance.now() - startedAt);
      }
      disk.readSync(buffer, 0);
      return performance.now() - startedAt;
    },
    async close() {
      await rc.close();
      await endpoint.close();
      disc.close();
    },
  };
}

/** @returns {Promise<Asked>} */
async function openBell() {
  const words = new Int32Array(new SharedArrayBuffer(128));
  const worker = new Worker(new URL("bell-worker.mjs", import.meta.url), { workerData: words });
  await once(worker, "message");
  let turn = 0;
  const ask = (/** @type {Waiting} */ waiting) => {
    const startedAt = performance.now();
    const before = turn++;
    Atomics.store(words, BellWord.question, turn);
    Atomics.notify(words, BellWord.question);
    while (Atomics.load(words, BellWord.answer) !== turn) {
      if (waiting === "sleeps") Atomics.wait(words, BellWord.answer, before);
    }
    return performance.now() - startedAt;
  };
  for (let read = 0; read < WARM_UP_READS; read++) ask("looks");
  return {
    ask,
    async close() {
      await worker.terminate();
    },
  };
}
