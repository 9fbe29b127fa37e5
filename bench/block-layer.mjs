// What the block layer adds to a request: a driver by itself, and the same one under a disk. All of
// it runs in one thread; nothing waits for anybody.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Bio, GenDisk, TagSet } from "blockpt";
import { BlkStatus, Operation } from "blockpt/abi";
import { median } from "../dist/bench.js";
import { openPlace, perSecond, randomSectors } from "./pieces.mjs";

/** @typedef {import("blockpt").Request} Request */
/** @typedef {import("./pieces.mjs").Place} Place */
/** @typedef {import("./rounds.mjs").Row} Row */
/** @typedef {import("./rounds.mjs").Section} Section */
/** @typedef {import("./rounds.mjs").Subject} Subject */

/**
 * Has a batch of requests done, from `submit` to the end of each.
 *
 * @typedef {() => void} RunBatch
 */

const READ_BYTES = 4096;
const BATCH = 32;
/** Few enough that nothing is collected, and many enough that a byte for each shows. */
const HEAP_BATCHES = 1024;
const SECTORS = 1 << 17;

const BY_ITSELF = { name: "the driver by itself", unit: "ns", lessIsBetter: true };
const UNDER_A_DISK = { name: "under a disk", unit: "ns", lessIsBetter: true };
const ALLOCATED = { name: "under a disk, heap", unit: "B", lessIsBetter: true };

/** @type {Section} */
export const block = {
  id: "block",
  title: "Block layer: a request, of 32 random reads of 4 KiB at a time",
  notes: [
    "The driver puts, publishes, serves and reaps in one thread, the device's end included.",
    "Reference: a driver that does nothing, and completes each request in `queueRq`.",
    "Heap: how much it grows, with a collection before and none between.",
  ],
  subjects: ["wasm", "typescript", "reference"],
  rows: [BY_ITSELF, UNDER_A_DISK, ALLOCATED],
  open(buses) {
    const places = { wasm: openPlace(buses.wasm), typescript: openPlace(buses.typescript) };
    const drivers = {
      wasm: queueDriver(places.wasm),
      typescript: queueDriver(places.typescript),
      reference: nullDriver(),
    };
    const collect = openCollector();
    return {
      measure({ name }, subject, milliseconds) {
        if (subject === "limit") throw new Error("nothing limits the block layer");
        const { byItself, underADisk } = drivers[subject];
        if (name === ALLOCATED.name) return heapBytes(underADisk, collect);
        const run = name === BY_ITSELF.name ? byItself : underADisk;
        return 1e9 / perSecond({ run, amount: BATCH }, milliseconds);
      },
      close() {
        for (const { close } of Object.values(drivers)) close();
        for (const { close } of Object.values(places)) close();
      },
    };
  },
  remarks(rows) {
    const [byItself, underADisk] = [BY_ITSELF, UNDER_A_DISK].map(({ name }) =>
      rows.find((row) => row.name === name),
    );
    if (byItself === undefined || underADisk === undefined) return [];
    const cost = (/** @type {Subject} */ subject) => {
      const { rounds } = byItself.figures[subject];
      const costs = underADisk.figures[subject].rounds.map((value, round) => value - rounds[round]);
      return median(costs).toFixed(0);
    };
    return [
      `The layer costs ${cost("wasm")} ns a request on wasm, ${cost("typescript")} ns on typescript, ` +
        `and ${cost("reference")} ns where nothing is done.`,
    ];
  },
};

/** @returns {() => void} */
function openCollector() {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc");
}

/**
 * What a request allocates. Where nothing is collected the heap grows by just that.
 *
 * @param {RunBatch} run
 * @param {() => void} collect
 */
function heapBytes(run, collect) {
  run();
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let batch = 0; batch < HEAP_BATCHES; batch++) run();
  return (process.memoryUsage().heapUsed - before) / (HEAP_BATCHES * BATCH);
}

/**
 * The engine's queue, driven by hand, and by a disk.
 *
 * @param {Place} place
 */
function queueDriver({ buffer, disc, target, driver, device }) {
  const sectors = randomSectors(READ_BYTES);
  const tags = new TagSet(1, BATCH);
  let next = 0;

  /** The device serves, and what it has done goes to `end`. */
  const finish = (/** @type {(tag: number, status: number) => void} */ end) => {
    if (device.serve(disc, false, 1, BATCH) !== BATCH || driver.reap() !== BATCH) {
      throw new Error("a queue lost requests");
    }
    for (let record = 0; record < 2 * BATCH; record += 2) {
      end(driver.completions[record], driver.completions[record + 1]);
    }
  };
  const check = (/** @type {number} */ _tag, /** @type {number} */ status) => {
    if (status !== BlkStatus.OK) throw new Error(`a request ended with ${status}`);
  };
  const complete = (/** @type {number} */ tag, /** @type {number} */ status) => {
    tags.find(0, tag)?.complete(status);
  };

  const operations = {
    queueRq(/** @type {Request} */ request, /** @type {boolean} */ isLast) {
      const { opf, flags, tag, startSector, lenBytes } = request;
      const address = request.segments[0].bio.buffer?.byteOffset ?? 0;
      driver.put(startSector, address, lenBytes, opf, flags, tag);
      if (isLast) driver.publish();
      return BlkStatus.OK;
    },
    commitRqs: () => driver.publish(),
    complete() {},
    timeout: () => true,
    poll: () => 0,
    mayMerge: () => false,
  };
  const disk = makeDisk(tags, operations);
  const bios = Array.from({ length: BATCH }, (_, index) =>
    makeBio(new Uint8Array(buffer, target + index * READ_BYTES, READ_BYTES)),
  );
  return {
    byItself() {
      for (let index = 0; index < BATCH; index++) {
        const sector = sectors[next++ & 16383];
        driver.put(sector, target + index * READ_BYTES, READ_BYTES, Operation.READ, 0, index);
      }
      driver.publish();
      finish(check);
    },
    underADisk() {
      submitAll(disk, bios, sectors, next);
      next += BATCH;
      finish(complete);
      checkEnds(disk, bios);
    },
    close: () => disk.remove(),
  };
}

/** A driver that does nothing, called by hand, and by a disk. */
function nullDriver() {
  const sectors = randomSectors(READ_BYTES);
  let next = 0;
  let ends = 0;
  const operations = {
    queueRq(/** @type {{ complete(status: number): boolean }} */ request) {
      request.complete(BlkStatus.OK);
      return BlkStatus.OK;
    },
    commitRqs() {},
    complete() {},
    timeout: () => true,
    poll: () => 0,
    mayMerge: () => false,
  };
  const requests = Array.from({ length: BATCH }, () => ({
    startSector: 0,
    complete: () => ++ends > 0,
  }));
  const disk = makeDisk(new TagSet(1, BATCH), operations);
  const bios = Array.from({ length: BATCH }, () => makeBio(new Uint8Array(READ_BYTES)));
  return {
    byItself() {
      for (const request of requests) {
        request.startSector = sectors[next++ & 16383];
        operations.queueRq(request);
      }
    },
    underADisk() {
      submitAll(disk, bios, sectors, next);
      next += BATCH;
      checkEnds(disk, bios);
    },
    close: () => disk.remove(),
  };
}

/**
 * @param {TagSet} tags
 * @param {import("blockpt").Operations} operations
 */
function makeDisk(tags, operations) {
  // Who submits unplugs, in the same turn.
  const options = { name: "bench", limits: { sectors: SECTORS }, unplugLater() {} };
  return new GenDisk(tags, operations, options).add();
}

/** @param {Uint8Array} buffer */
function makeBio(buffer) {
  const bio = new Bio();
  bio.opf = Operation.READ;
  bio.lenBytes = buffer.length;
  bio.buffer = buffer;
  return bio;
}

/**
 * @param {GenDisk<"added">} disk
 * @param {Bio[]} bios
 * @param {Float64Array} sectors - where they read
 * @param {number} next - from which of them on
 */
function submitAll(disk, bios, sectors, next) {
  for (let index = 0; index < bios.length; index++) {
    const bio = bios[index];
    bio.startSector = sectors[(next + index) & 16383];
    disk.submit(bio);
  }
  disk.unplug();
}

/**
 * @param {GenDisk<"added">} disk
 * @param {Bio[]} bios
 */
function checkEnds(disk, bios) {
  const [{ error }] = bios;
  if (disk.inFlight > 0 || error !== undefined) throw new Error(`a request was lost: ${error}`);
}
