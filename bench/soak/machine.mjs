// A bus, and an endpoint with a memory disc, that live as long as the soak, and cycles of what else there is: link, file,
// root complex, disk, threads.

import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { createBus, Endpoint, FileDisc, MemoryDisc, RootComplex } from "../../dist/index.js";
import { checkSectors, EXTENT_BYTES, EXTENT_SECTORS, SECTOR_BYTES } from "./lane.mjs";
import { busResources, growth, settled } from "./resources.mjs";

/** @typedef {import("./plan.mjs").Cycle} Cycle */
/** @typedef {import("./lane.mjs").Tally} Tally */

const DESCRIPTORS = 128;
/** One more than threads: the first is the root complex's own. */
const MOST_QUEUES = 4;
/** Of 1024 requests: a file's flushes take their time, and it has no discards. */
const SHARES = { memory: { flushes: 12, discards: 8 }, file: { flushes: 1, discards: 0 } };

export class Machine {
  #bus;
  #endpoint;
  #path;
  #sizeBytes;
  /** Of each sector of each disc: what it holds. */
  #versions;
  #cycles = 0;

  /**
   * @param {{ bus: import("../../ts/index.js").Bus, endpoint: Endpoint, path: string, sizeBytes: number }} parts
   */
  constructor({ bus, endpoint, path, sizeBytes }) {
    this.#bus = bus;
    this.#endpoint = endpoint;
    this.#path = path;
    this.#sizeBytes = sizeBytes;
    const versions = () => new Int32Array(new SharedArrayBuffer((sizeBytes / SECTOR_BYTES) * 4));
    this.#versions = { memory: versions(), file: versions() };
  }

  /** @param {Pick<Cycle, "engine" | "iommu">} kind @param {string} folder @param {number} sizeBytes */
  static async create({ engine, iommu }, folder, sizeBytes) {
    const bus = await createBus({
      engine,
      iommu,
      hostMemoryBytes: 64 * 1024 * 1024,
      endpointMemoryBytes: sizeBytes,
    });
    const endpoint = await Endpoint.create(bus, {
      controller: "44100000.pcie",
      onQueueStopped: ({ discName, queue, reason }) => {
        throw new Error(`queue ${queue} of ${discName} was stopped: ${reason}`);
      },
    });
    await endpoint.exportDisc("memory", MemoryDisc.create(bus, sizeBytes), { queues: MOST_QUEUES });
    const path = join(folder, `${engine}${iommu ? "-iommu" : ""}.img`);
    writeFileSync(path, "");
    truncateSync(path, sizeBytes);
    return new Machine({ bus, endpoint, path, sizeBytes });
  }

  /**
   * Does a cycle, and gives what its threads did.
   *
   * @param {Cycle} cycle
   * @param {Int32Array} progress
   * @returns {Promise<Tally[]>}
   */
  async run(cycle, progress) {
    const before = busResources(this.#bus);
    const number = this.#cycles++;
    const rc = await this.#begin(cycle.disc);
    const { threads } = cycle;
    const disk = await rc.attach(cycle.disc, { queues: threads + 1, numDescriptors: DESCRIPTORS });
    const workers = Array.from({ length: threads }, (_, thread) =>
      startThread({
        ...this.#shareOf(cycle, thread, number),
        bus: this.#bus.handle,
        queue: disk.openQueue(),
        progress,
      }),
    );
    const done = Promise.all(workers);
    // What goes wrong meanwhile is heard of below.
    done.catch(() => {});
    if (cycle.restart) {
      await someWork(progress, cycle.requests / 3, done);
      await this.#endpoint.stop();
      await this.#endpoint.start();
    }
    const tallies = await done;
    await rc.detach(cycle.disc);
    await this.#end(rc, cycle.disc);
    const after = await settled(() => busResources(this.#bus), before);
    const left = growth(before, after);
    if (left.length > 0) throw new Error(`a cycle left something on the bus: ${left.join("; ")}`);
    return tallies;
  }

  /** Reads both discs from the first sector to the last, and checks each; gives how many. */
  async sweep() {
    let sectors = 0;
    for (const disc of /** @type {const} */ (["memory", "file"])) {
      const rc = await this.#begin(disc);
      const disk = await rc.attach(disc);
      const buffer = disk.allocate(EXTENT_BYTES);
      const words = new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4);
      for (let offset = 0; offset < this.#sizeBytes; offset += EXTENT_BYTES) {
        await disk.read(buffer, offset);
        checkSectors(this.#versions[disc], words, 0, offset / SECTOR_BYTES, EXTENT_SECTORS);
        sectors += EXTENT_SECTORS;
      }
      await this.#end(rc, disc);
    }
    return sectors;
  }

  async close() {
    await this.#endpoint.close();
    rmSync(this.#path, { force: true });
    this.#bus.close();
  }

  /** @param {"memory" | "file"} disc */
  async #begin(disc) {
    if (disc === "file") {
      const file = await FileDisc.open(this.#path);
      await this.#endpoint.exportDisc("file", file, { queues: MOST_QUEUES });
    }
    await this.#endpoint.start();
    return RootComplex.probe(this.#bus);
  }

  /** @param {RootComplex} rc @param {"memory" | "file"} disc */
  async #end(rc, disc) {
    await rc.close();
    await this.#endpoint.stop();
    if (disc === "file") await this.#endpoint.unexportDisc("file");
  }

  /**
   * The extents of a thread, others in each cycle: it reads what others wrote.
   *
   * @param {Cycle} cycle
   * @param {number} thread
   * @param {number} number
   */
  #shareOf({ api, depth, disc, threads, requests }, thread, number) {
    const extents = Math.floor(this.#sizeBytes / EXTENT_BYTES / threads);
    return {
      api,
      depth,
      requests: Math.ceil(requests / threads),
      versions: this.#versions[disc],
      firstExtent: ((thread + number) % threads) * extents,
      extents,
      ...SHARES[disc],
      seed: 1 + number * 8 + thread,
    };
  }
}

/** @param {import("./worker.mjs").ThreadData} workerData @returns {Promise<Tally>} */
function startThread(workerData) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.mjs", import.meta.url), { workerData });
    /** @type {Tally | undefined} */
    let tally;
    worker.once("message", (message) => {
      tally = message;
    });
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (tally === undefined) reject(new Error(`a thread ended with ${code}`));
      else resolve(tally);
    });
  });
}

/** Waits until so much more is done, or all. @param {Int32Array} progress @param {number} requests @param {Promise<unknown>} done */
async function someWork(progress, requests, done) {
  const until = (Atomics.load(progress, 0) + requests) | 0;
  let isDone = false;
  void done.then(
    () => {
      isDone = true;
    },
    () => {
      isDone = true;
    },
  );
  while (!isDone && ((Atomics.load(progress, 0) - until) | 0) < 0) await sleep(2);
}
