// What is attacked: the library's endpoint on each engine, over a disc in memory and one in a file, with an IOMMU and
// without; and its root complex on each engine, by each of its three ways to drive a queue.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { createBus, Endpoint, FileDisc, MemoryDisc, RootComplex } from "../../dist/index.js";
import { deviceAttacks, driverAttacks, HostileDevice, HostileDriver } from "../../dist/testing.js";

/** @typedef {import("blockpt/testing").AttackResult} AttackResult */
/** @typedef {import("blockpt/testing").Attack<unknown>} Attack */
/**
 * A side that is attacked; the short run rewrites, too, what `isShort` says.
 * @typedef {{ side: string, name: string, isShort: (attack: Attack) => boolean, run: (options: Options) => Promise<AttackResult[]> }} Run
 */
/** @typedef {{ seed: number, rounds: number | undefined, rewrites: (attack: Attack) => boolean }} Options */

const DISC_BYTES = 65536;
/** Longer than an endpoint takes that answers, on however busy a machine. */
const COMMAND_TIMEOUT_MS = 2000;

/** @type {Run[]} */
const endpoints = [
  { engine: "wasm", disc: "memory", iommu: false },
  { engine: "wasm", disc: "file", iommu: true },
  { engine: "typescript", disc: "memory", iommu: true },
  { engine: "typescript", disc: "file", iommu: false },
].map(({ engine, disc, iommu }) => ({
  side: "endpoint",
  name: `${engine}, ${disc}${iommu ? ", IOMMU" : ""}`,
  // Queues and commands are the same code on both engines, and so tried on one of them.
  isShort: ({ section }) => iommu && (engine === "wasm" || section === "3"),
  run: (options) => runEndpoint(engine, disc, iommu, options),
}));

/** @type {Run[]} */
const rootComplexes = ["wasm", "typescript"].flatMap((engine) =>
  ["promises", "sync", "batch"].map((kind) => ({
    side: "root complex",
    name: `${engine}, ${kind}`,
    isShort: () => kind === "promises",
    run: (options) => runRootComplex(engine, kind, options),
  })),
);

export const runs = [...endpoints, ...rootComplexes];

async function runEndpoint(engine, disc, iommu, options) {
  const bus = await createBus({
    engine,
    iommu,
    hostMemoryBytes: 256 * 1024,
    barBytes: 16384,
    endpointMemoryBytes: 4 * DISC_BYTES,
  });
  const folder = mkdtempSync(join(tmpdir(), "blockpt-hostile-"));
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  try {
    const path = join(folder, "disk.img");
    writeFileSync(path, new Uint8Array(DISC_BYTES).fill(0x5a));
    const attacked =
      disc === "file" ? await FileDisc.open(path) : MemoryDisc.create(bus, DISC_BYTES);
    await endpoint.exportDisc("attacked", attacked, { queues: 2 });
    const readOnly = { readOnly: true };
    await endpoint.exportDisc("read-only", MemoryDisc.create(bus, DISC_BYTES), readOnly);
    await endpoint.exportDisc("bystander", MemoryDisc.create(bus, DISC_BYTES));
    // What the attacked disc is not of the endpoint's memory stands still.
    const { offset, length } = bus.endpointMemory;
    const own = disc === "file" ? 0 : DISC_BYTES;
    const watched = [{ offset: offset + own, length: length - own }];
    new Uint8Array(bus.buffer, offset, length).fill(0xa5);
    await endpoint.start();
    const { seed, rounds, rewrites } = options;
    const driver = new HostileDriver(bus, { seed, rounds, watched, disc: "/dev/attacked" });
    return await runAll(driverAttacks, driver, rewrites);
  } finally {
    await endpoint.close();
    rmSync(folder, { recursive: true });
  }
}

async function runRootComplex(engine, kind, options) {
  const bus = await createBus({ engine, hostMemoryBytes: 1024 * 1024 });
  const probe = () => RootComplex.probe(bus, { commandTimeoutMs: COMMAND_TIMEOUT_MS });
  const attackBy = (how, depth) => {
    const { seed, rounds, rewrites } = options;
    return runAll(deviceAttacks, new HostileDevice(bus, how, { seed, rounds, depth }), rewrites);
  };
  if (kind === "promises") return attackBy(probe, 3);
  const url = new URL("./queue-thread.mjs", import.meta.url);
  const worker = new Worker(url, { workerData: { bus: bus.handle, kind } });
  const thread = new QueueThread(worker);
  try {
    const inThread = async () => new QueueThreads(await probe(), thread);
    return await attackBy(inThread, 1);
  } finally {
    await worker.terminate();
  }
}

/** Every attack, and those again that can be and shall be while what they attack is rewritten. */
async function runAll(attacks, attacker, rewrites) {
  const results = [];
  try {
    for (const attack of attacks) {
      results.push(await attack.run(attacker));
      if (attack.dueWhileRewritten === undefined || !rewrites(attack)) continue;
      results.push(await attack.run(attacker, { rewriting: true }));
    }
  } finally {
    await attacker.close();
  }
  return results;
}

/** A root complex whose disks are driven in another thread, one call at a time. */
class QueueThreads {
  #rc;
  #thread;
  #ids = [];

  constructor(rc, thread) {
    this.#rc = rc;
    this.#thread = thread;
  }

  async attach(name) {
    const disk = await this.#rc.attach(name, { queues: 2 });
    const id = this.#thread.nextId();
    await this.#thread.call("open", { id, handle: disk.openQueue() });
    this.#ids.push(id);
    const move = (what) => (bytes, offset) => this.#thread.call(what, { id, bytes, offset });
    return { read: move("read"), write: move("write") };
  }

  async close() {
    for (const id of this.#ids.splice(0)) await this.#thread.call("close", { id });
    await this.#rc.close();
  }
}

/** A thread of queue-thread.mjs. */
class QueueThread {
  #worker;
  #last = Promise.resolve();
  #ids = 0;

  constructor(worker) {
    this.#worker = worker;
  }

  nextId() {
    return ++this.#ids;
  }

  /** Has the thread do something, after what it was told before. */
  call(what, args) {
    const result = this.#last.then(() => this.#callNow(what, args));
    this.#last = result.catch(() => {});
    return result;
  }

  #callNow(what, args) {
    return new Promise((resolve, reject) => {
      this.#worker.once("message", (error) => {
        if (error === undefined) resolve();
        else reject(Object.assign(new Error(error.message), { code: error.code }));
      });
      this.#worker.postMessage({ call: what, ...args });
    });
  }
}
