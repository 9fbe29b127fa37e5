// Several threads on one disk, each on a queue of its own that a worker of the endpoint serves; and
// what all of them cost while nobody asks for anything.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Endpoint, RootComplex } from "blockpt";
import { markedMemoryDisc } from "./attached-disks.mjs";

/** @typedef {import("blockpt").Bus} Bus */
/** @typedef {import("./rounds.mjs").OpenSection} OpenSection */
/** @typedef {import("./rounds.mjs").Section} Section */

/**
 * @typedef {import("./rounds.mjs").Row & { threads: number, depth: number }} ThreadsRow
 * @typedef {import("./rounds.mjs").Row & { extension: boolean }} IdleRow
 */

const MOST_THREADS = 2;
const DEPTH = 32;

/** @type {ThreadsRow[]} */
const THREADS_ROWS = [1, 2].flatMap((threads) =>
  [0, DEPTH].map((depth) => ({
    name: `${threads === 1 ? "1 thread" : `${threads} threads`}, ${depth === 0 ? "calls that block" : `depth ${depth} each`}`,
    unit: "k/s",
    threads,
    depth,
  })),
);

/** @type {Section} */
export const threads = {
  id: "threads",
  title: "Threads on queues of their own: 4 KiB reads of a memory disc at random places of 64 MiB",
  notes: ["Each of them is served by a thread of the endpoint, so that two of them are four."],
  subjects: ["wasm", "typescript"],
  acrossCores: true,
  rows: THREADS_ROWS,
  async open(buses) {
    const rigs = { wasm: await openRig(buses.wasm), typescript: await openRig(buses.typescript) };
    return {
      async measure(row, subject, milliseconds) {
        const { threads: count, depth } = /** @type {ThreadsRow} */ (row);
        const { workers } = rigs[/** @type {"wasm" | "typescript"} */ (subject)];
        const rates = await Promise.all(
          workers.slice(0, count).map(async (worker) => {
            worker.postMessage({ milliseconds, depth });
            return /** @type {[number]} */ (await once(worker, "message"))[0];
          }),
        );
        return rates.reduce((sum, rate) => sum + rate, 0) / 1000;
      },
      async close() {
        for (const rig of Object.values(rigs)) await rig.close();
      },
    };
  },
};

/** @param {Bus} bus */
async function openRig(bus) {
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("a", markedMemoryDisc(bus), { queues: MOST_THREADS + 1 });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("a", { queues: MOST_THREADS + 1, numDescriptors: 256 });
  const queues = Array.from({ length: MOST_THREADS }, () => disk.openQueue());
  const workers = queues.map(
    (queue) =>
      new Worker(new URL("./reader-thread.mjs", import.meta.url), {
        workerData: { bus: bus.handle, queue, most: DEPTH },
      }),
  );
  return {
    workers,
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
      for (const queue of queues) await disk.reclaimQueue(queue);
      await rc.close();
      await endpoint.close();
    },
  };
}

/** Too short a time has too few heartbeats in it. */
const LEAST_IDLE_MS = 1000;

/** @type {IdleRow[]} */
const IDLE_ROWS = [
  { name: "rung by doorbells", extension: true },
  { name: "polled, as the reference driver", extension: false },
].map((row) => ({ ...row, unit: "% of a core", lessIsBetter: true }));

/** @type {Section} */
export const idle = {
  id: "idle",
  title: "Processor time while nobody asks for anything: two queues attached, the whole process",
  notes: [],
  subjects: ["wasm", "typescript"],
  acrossCores: false,
  rows: IDLE_ROWS,
  open(buses) {
    return {
      async measure(row, subject, milliseconds) {
        const { extension } = /** @type {IdleRow} */ (row);
        const bus = buses[/** @type {"wasm" | "typescript"} */ (subject)];
        const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
        await endpoint.exportDisc("a", markedMemoryDisc(bus), { queues: 2 });
        await endpoint.start();
        const rc = await RootComplex.probe(bus, { extension });
        const disk = await rc.attach("a", { queues: 2, numDescriptors: 256 });
        await disk.read(disk.allocate(4096), 0);
        // What has just been busy looks a little longer.
        await sleep(100);
        const before = process.cpuUsage();
        const start = performance.now();
        await sleep(Math.max(LEAST_IDLE_MS, milliseconds));
        const { user, system } = process.cpuUsage(before);
        const share = (user + system) / 1000 / (performance.now() - start);
        await rc.close();
        await endpoint.close();
        return share * 100;
      },
      close() {},
    };
  },
};
