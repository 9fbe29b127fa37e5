// What an IOMMU costs a request: the same reads through a queue whose addresses are checked and one whose are not,
// in turns. The disc is small, so that neither finds what the other has brought into a cache.

import { createBus, Endpoint, MemoryDisc, openBatchQueue, RootComplex } from "blockpt";
import { BlkStatus, Operation, queueLayout, REGISTERS_BYTES } from "blockpt/abi";
import { median } from "../../dist/bench.js";
import { perSecond } from "../pieces.mjs";

/** @typedef {import("blockpt").Bus} Bus */
/** @typedef {import("../pieces.mjs").Piece} Piece */
/** @typedef {import("../rounds.mjs").Section} Section */
/** @typedef {"in one thread" | "in batches" | "map and unmap"} Kind */
/** @typedef {import("../rounds.mjs").Row & { kind: Kind, bytes: number }} IommuRow */
/** @typedef {{ checked: Piece, unchecked: Piece }} Pair */

const NUM_DESCRIPTORS = 256;
/** Requests in flight, and in one thread at a time. */
const DEPTH = 32;
const MOST_BYTES = 4096;
const DISC_BYTES = 256 * 1024;
const REQUESTS = 2048;
/** How often the two take turns in a figure, each time in the other order. */
const TURNS = 10;
const ENGINES = /** @type {const} */ (["wasm", "typescript"]);
const NOTHING = { run() {}, amount: Number.POSITIVE_INFINITY };

/** @type {IommuRow[]} */
const ROWS = [
  .../** @type {const} */ (["in one thread", "in batches"]).flatMap((kind) => [
    { name: `${kind}, 512 B`, kind, bytes: 512 },
    { name: `${kind}, 4 KiB`, kind, bytes: 4096 },
  ]),
  { name: "map and unmap 4 KiB", kind: /** @type {const} */ ("map and unmap"), bytes: 4096 },
].map((row) => ({ ...row, unit: "ns more", lessIsBetter: true }));

/** @type {Section} */
export const iommu = {
  id: "costs-iommu",
  title: `IOMMU: what a read takes longer, ${DEPTH} at a time, of a disc that the caches hold`,
  notes: [
    "Aim: at most 10 ns. In one thread: put, published, served and reaped. In batches: to the endpoint's thread.",
    "A batch's buffers are mapped once, when they are allocated; what has a promise or a bio is mapped for each request.",
  ],
  subjects: [...ENGINES],
  rows: ROWS,
  async open() {
    const machines = {
      wasm: await openMachine("wasm"),
      typescript: await openMachine("typescript"),
    };
    return {
      measure(row, subject, milliseconds) {
        const { pairOf } = machines[/** @type {"wasm" | "typescript"} */ (subject)];
        const { checked, unchecked } = pairOf(row.name);
        const part = milliseconds / TURNS / 2;
        const nanoseconds = (/** @type {Piece} */ piece) =>
          piece === NOTHING ? 0 : 1e9 / perSecond(piece, part);
        const differences = [];
        for (let turn = 0; turn < TURNS; turn++) {
          const early = turn % 2 === 0 ? nanoseconds(checked) : 0;
          const without = nanoseconds(unchecked);
          differences.push((early || nanoseconds(checked)) - without);
        }
        return median(differences);
      },
      async close() {
        for (const { close } of Object.values(machines)) await close();
      },
    };
  },
};

/**
 * All that is measured of an engine.
 *
 * @param {"wasm" | "typescript"} engine
 */
async function openMachine(engine) {
  const options = { engine, hostMemoryBytes: 1 << 20, endpointMemoryBytes: 1 << 20 };
  const local = await createBus({ ...options, iommu: true });
  const threads = {
    checked: await openThread(await createBus({ ...options, iommu: true })),
    unchecked: await openThread(await createBus(options)),
  };
  const queues = openQueues(local);
  const pairs = new Map(ROWS.map((row) => [row.name, pairOf(row)]));

  /**
   * @param {IommuRow} row
   * @returns {Pair}
   */
  function pairOf({ kind, bytes }) {
    if (kind === "map and unmap") return { checked: mapPiece(local, bytes), unchecked: NOTHING };
    const of = kind === "in one thread" ? queues : threads;
    return { checked: of.checked.piece(bytes), unchecked: of.unchecked.piece(bytes) };
  }

  return {
    pairOf(/** @type {string} */ name) {
      const pair = pairs.get(name);
      if (pair === undefined) throw new Error(`nobody measures ${name}`);
      return pair;
    },
    async close() {
      await threads.checked.close();
      await threads.unchecked.close();
      local.close();
    },
  };
}

/** Where reads of a size start, in an order that jumps. */
function placesOf(/** @type {number} */ bytes) {
  const blocks = DISC_BYTES / bytes;
  return Float64Array.from({ length: blocks }, (_, index) => ((index * 37) % blocks) * bytes);
}

/**
 * Two queues of one bus, disc and buffer, both ends in this thread: the checks are all that differs.
 *
 * @param {Bus} bus
 */
function openQueues(bus) {
  const { engine, bar, hostMemory, handle } = bus;
  const { busRange } = MemoryDisc.create(bus, DISC_BYTES);
  bus.iommu?.map(hostMemory.offset, hostMemory.length);
  const layout = queueLayout(NUM_DESCRIPTORS);
  const open = (/** @type {number} */ index, /** @type {number} */ iommuTable) => {
    const descriptors = bar.offset + REGISTERS_BYTES + index * layout.bytes;
    const geometry = {
      descriptors,
      driverRing: descriptors + layout.driverOffset,
      deviceRing: descriptors + layout.deviceOffset,
      numDescriptors: NUM_DESCRIPTORS,
    };
    const driver = engine.openDriverQueue(geometry);
    const device = engine.openDeviceQueue(geometry, {
      ...{ numSectors: DISC_BYTES / 512, maxLenBytes: MOST_BYTES, readOnly: false, features: 0 },
      ...{ hostMemory, iommuTable },
    });
    return {
      /** @returns {Piece} */
      piece(/** @type {number} */ bytes) {
        const places = placesOf(bytes);
        const run = () => {
          for (let done = 0; done < REQUESTS; done += DEPTH) {
            for (let slot = 0; slot < DEPTH; slot++) {
              const sector = places[(done + slot) % places.length] / 512;
              driver.put(sector, hostMemory.offset + slot * bytes, bytes, Operation.READ, 0, slot);
            }
            driver.publish();
            if (device.serve(busRange, false, 1, DEPTH) !== DEPTH || driver.reap() !== DEPTH) {
              throw new Error("a queue lost requests");
            }
            if (driver.completions[1] !== BlkStatus.OK) throw new Error("a request failed");
          }
        };
        return { run, amount: REQUESTS };
      },
    };
  };
  return { checked: open(0, handle.layout.iommuTable), unchecked: open(1, 0) };
}

/**
 * A disk on a bus of its own, whose endpoint is in another thread.
 *
 * @param {Bus} bus
 */
async function openThread(bus) {
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("a", MemoryDisc.create(bus, DISC_BYTES), { queues: 2 });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("a", { queues: 2, numDescriptors: NUM_DESCRIPTORS });
  const queue = openBatchQueue(bus, disk.openQueue());
  const address = queue.allocate(DEPTH * MOST_BYTES).byteOffset;
  return {
    /** @returns {Piece} */
    piece(/** @type {number} */ bytes) {
      const places = placesOf(bytes);
      const run = () => {
        let next = 0;
        const put = (/** @type {number} */ slot) => {
          const place = places[next++ % places.length];
          queue.put(Operation.READ, place, bytes, address + slot * bytes, slot);
        };
        for (let slot = 0; slot < DEPTH; slot++) put(slot);
        queue.submit();
        while (queue.inFlight > 0) {
          const count = queue.wait();
          for (let index = 0; index < count; index++) {
            if (queue.status(index) !== BlkStatus.OK) throw new Error("a request failed");
            if (next < REQUESTS) put(queue.tag(index));
          }
          queue.submit();
        }
      };
      return { run, amount: REQUESTS };
    },
    async close() {
      queue.close();
      await rc.close();
      await endpoint.close();
      bus.close();
    },
  };
}

/**
 * @param {Bus} bus
 * @param {number} bytes
 * @returns {Piece}
 */
function mapPiece({ iommu: unit, hostMemory }, bytes) {
  if (unit === undefined) throw new Error("the bus has no IOMMU");
  const run = () => {
    for (let request = 0; request < REQUESTS; request++) {
      unit.map(hostMemory.offset, bytes);
      unit.unmap(hostMemory.offset, bytes);
    }
  };
  return { run, amount: REQUESTS };
}
