// What an attached disk costs while nobody asks for anything.

import { setTimeout as sleep } from "node:timers/promises";
import { Endpoint, MemoryDisc, RootComplex } from "blockpt";

/** @typedef {import("./rounds.mjs").Section} Section */
/** @typedef {import("./rounds.mjs").Row & { extension: boolean }} IdleRow */

/** Too short a time has too few heartbeats in it. */
const LEAST_IDLE_MS = 1000;
const DISC_BYTES = 1024 * 1024;

/** @type {IdleRow[]} */
const ROWS = [
  { name: "rung by doorbells", extension: true },
  { name: "polled, as the reference driver", extension: false },
].map((row) => ({ ...row, unit: "% of a core", lessIsBetter: true }));

/** @type {Section} */
export const idle = {
  id: "idle",
  title: "Processor time while nobody asks for anything: two queues attached, the whole process",
  notes: [],
  subjects: ["wasm", "typescript"],
  rows: ROWS,
  open(buses) {
    return {
      async measure(row, subject, milliseconds) {
        const { extension } = /** @type {IdleRow} */ (row);
        const bus = buses[/** @type {"wasm" | "typescript"} */ (subject)];
        const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
        await endpoint.exportDisc("a", MemoryDisc.create(bus, DISC_BYTES), { queues: 2 });
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
