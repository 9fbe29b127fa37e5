// A process that has one queue and then nine, and says what each of the eight more takes, in bytes:
// `node --expose-gc bench/costs/queue-memory.mjs ENGINE DESCRIPTORS`. Both ends of each are open, and have done a
// read. With 0 descriptors: what a worker thread takes that does nothing.

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { createBus, Endpoint, MemoryDisc, openQueue, RootComplex } from "blockpt";
import { queueLayout } from "blockpt/abi";

const MORE = 8;
const MIB = 1024 * 1024;
/** Until threads that were started have nothing more to do. */
const SETTLE_MS = 100;
const HOST_PAGE_BYTES = 4096;
const WORKSPACE_PAGE_BYTES = 16384;

const [engine = "wasm", descriptors = "256"] = process.argv.slice(2);
const numDescriptors = Number(descriptors);
const growth = numDescriptors === 0 ? await threads() : await queues();
console.log(JSON.stringify(growth));
process.exit();

async function queues() {
  const bus = await createBus({
    engine: /** @type {"wasm" | "typescript"} */ (engine),
    barBytes: MIB,
  });
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("a", MemoryDisc.create(bus, MIB));
  await endpoint.exportDisc("b", MemoryDisc.create(bus, MIB), { queues: MORE });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  /** @type {import("blockpt").DiskQueue[]} */
  const open = [];
  const attach = async (/** @type {string} */ name, /** @type {number} */ count) => {
    const disk = await rc.attach(name, { queues: count, numDescriptors });
    open.push(disk);
    for (let index = 1; index < count; index++) open.push(openQueue(bus, disk.openQueue()));
    for (const queue of open) queue.readSync(new Uint8Array(512), 0);
  };
  await attach("a", 1);
  const look = async () => ({
    ...(await processBytes()),
    ...{ bus: takenOf(bus), written: writtenOf(bus) },
  });
  const before = await look();
  await attach("b", MORE);
  const after = await look();
  return {
    bus: (after.bus - before.bus) / MORE + queueLayout(numDescriptors).bytes,
    written: (after.written - before.written) / MORE,
    heap: (after.heap - before.heap) / MORE,
    process: (after.process - before.process) / MORE,
  };
}

async function threads() {
  const start = async (/** @type {number} */ count) => {
    for (let index = 0; index < count; index++) {
      const program = 'require("node:worker_threads").parentPort.on("message", () => {});';
      await once(new Worker(program, { eval: true, execArgv: [] }), "online");
    }
  };
  await start(1);
  const before = await processBytes();
  await start(MORE);
  const after = await processBytes();
  return { thread: (after.process - before.process) / MORE };
}

async function processBytes() {
  await sleep(SETTLE_MS);
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { process: rss, heap: heapUsed + arrayBuffers };
}

/**
 * Bytes of the pages that somebody has taken of workspace and host memory.
 *
 * @param {import("blockpt").Bus} bus
 */
function takenOf({ buffer, handle: { layout } }) {
  const taken = (
    /** @type {number} */ table,
    /** @type {{ length: number }} */ { length },
    /** @type {number} */ pageBytes,
  ) => {
    const words = new Int32Array(buffer, table, length / pageBytes);
    return words.filter((word) => word !== 0).length * pageBytes;
  };
  const { workspaceTable, workspace, hostTable, hostMemory } = layout;
  return (
    taken(workspaceTable, workspace, WORKSPACE_PAGE_BYTES) +
    taken(hostTable, hostMemory, HOST_PAGE_BYTES)
  );
}

/**
 * Bytes of the pages of memory that hold something: the others take no memory of the machine.
 *
 * @param {import("blockpt").Bus} bus
 */
function writtenOf({ buffer, handle: { layout } }) {
  let written = 0;
  for (const { offset, length } of [layout.workspace, layout.bar, layout.hostMemory]) {
    for (let at = offset; at < offset + length; at += HOST_PAGE_BYTES) {
      const page = new Float64Array(buffer, at, HOST_PAGE_BYTES / 8);
      if (page.some((word) => word !== 0)) written += HOST_PAGE_BYTES;
    }
  }
  return written;
}
