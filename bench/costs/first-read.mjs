// From nothing to the first byte of a disk, and how long each step took. Run as a program it does so in a
// fresh process, and says it: `node bench/costs/first-read.mjs ENGINE`.

import { fileURLToPath } from "node:url";

/** The steps, in their order. */
export const STEPS = ["import", "bus", "endpoint", "start", "probe", "attach", "first read"];

/**
 * @param {string} engine
 * @param {(times: Record<string, number>) => void} onRead - hears of the milliseconds, before all is closed again
 */
export async function firstRead(engine, onRead) {
  /** @type {Record<string, number>} */
  const times = {};
  let last = performance.now();
  const step = (/** @type {string} */ name) => {
    const now = performance.now();
    times[name] = now - last;
    last = now;
  };
  const { createBus, Endpoint, MemoryDisc, RootComplex } = await import("blockpt");
  step("import");
  const bus = await createBus({ engine: /** @type {"wasm" | "typescript"} */ (engine) });
  step("bus");
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
  step("endpoint");
  await endpoint.start();
  step("start");
  const rc = await RootComplex.probe(bus);
  step("probe");
  const disk = await rc.attach("ram0");
  step("attach");
  await disk.read(new Uint8Array(512), 0);
  step("first read");
  onRead(times);
  await rc.close();
  await endpoint.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await firstRead(process.argv[2] ?? "wasm", (times) => console.log(JSON.stringify(times)));
}
