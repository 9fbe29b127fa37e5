// Whole reads: a disk of the root complex in this thread, a disc of an endpoint whose
// queue is served by a worker thread, and a promise for each read.

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileDisc } from "blockpt";
import {
  attachDiscs,
  markedBytes,
  markedMemoryDisc,
  medianLatency,
  randomOffsets,
  readsPerSecond,
  timesPerSecond,
} from "./attached-disks.mjs";
import { ratioOf } from "./statistics.mjs";

/** @typedef {import("./attached-disks.mjs").AttachedDisk} AttachedDisk */
/** @typedef {import("./attached-disks.mjs").DiscPlan} DiscPlan */
/** @typedef {import("./rounds.mjs").Buses} Buses */
/** @typedef {import("./rounds.mjs").OpenSection} OpenSection */
/** @typedef {import("./rounds.mjs").Section} Section */

/**
 * What a row reads: the disk of that number, at that depth; `perSecond` of its unit is
 * one read a second.
 *
 * @typedef {import("./rounds.mjs").Row & { disk: number, depth: number, perSecond: number }} ReadRow
 */

const SMALL = 4096;
const LARGE = 128 * 1024;
const MIB = 1024 * 1024;

/** @type {ReadRow[]} */
const SMALL_READS = [
  ...[1, 8, 32, 128].map((depth) => ({
    name: `depth ${depth}`,
    unit: "k/s",
    disk: 0,
    depth,
    perSecond: 1 / 1000,
  })),
  {
    name: "depth 1, latency (p50)",
    unit: "µs",
    lessIsBetter: true,
    disk: 0,
    depth: 1,
    perSecond: 1,
  },
];

/** @type {ReadRow[]} */
const LARGE_READS = ["with DMA", "without DMA"].map((name, disk) => ({
  name,
  unit: "MiB/s",
  disk,
  depth: 8,
  perSecond: LARGE / MIB,
}));

const COPY_LIMIT =
  "Limit: the wasm engine's bulk copy of as much from the same places, in a tight loop.";

/** @type {Section} */
export const memory = {
  id: "memory",
  title: "Whole reads of a memory disc: 4 KiB at random places of 64 MiB",
  notes: [COPY_LIMIT],
  subjects: ["limit", "wasm", "typescript"],
  acrossCores: true,
  rows: SMALL_READS,
  open(buses) {
    const plan = { name: "memory", dma: true, create: markedMemoryDisc };
    return openReads(buses, [plan], 128, SMALL, (wasm) => copyLimit(buses, wasm));
  },
};

/** @type {Section} */
export const file = {
  id: "file",
  title: "Whole reads of a file disc: 4 KiB at random places of 64 MiB in the page cache",
  notes: ["Limit: fs.readSync of as much from the same places, in a tight loop."],
  subjects: ["limit", "wasm", "typescript"],
  acrossCores: true,
  rows: SMALL_READS,
  async open(buses) {
    const temporary = temporaryFile();
    try {
      const create = () => FileDisc.open(temporary.path, { readOnly: true });
      const plan = { name: "file", dma: true, create };
      const open = await openReads(buses, [plan], 128, SMALL, () => readLimit(temporary.fd));
      const close = async () => {
        await open.close();
        temporary.remove();
      };
      return { measure: open.measure, close };
    } catch (error) {
      temporary.remove();
      throw error;
    }
  },
};

/** @type {Section} */
export const dma = {
  id: "dma",
  title: "DMA against none: 128 KiB reads of a memory disc at depth 8",
  notes: ["Without DMA the endpoint's processor copies word by word.", COPY_LIMIT],
  subjects: ["limit", "wasm", "typescript"],
  acrossCores: true,
  rows: LARGE_READS,
  open(buses) {
    const plans = LARGE_READS.map(({ name }, index) => ({
      name: name.replace(" ", "-"),
      dma: index === 0,
      create: markedMemoryDisc,
    }));
    return openReads(buses, plans, 8, LARGE, (wasm) => copyLimit(buses, wasm));
  },
  remarks(rows) {
    const [fast, slow] = LARGE_READS.map(({ name }) => rows.find((row) => row.name === name));
    if (fast === undefined || slow === undefined) return [];
    const gain = (/** @type {"wasm" | "typescript"} */ engine) =>
      ratioOf(fast.figures[engine], slow.figures[engine]).toFixed(1);
    return [
      `DMA gains ${gain("wasm")}× on wasm and ${gain("typescript")}× on typescript; ` +
        "in the original series 6.7×, from 13 % of the local rate to 87 %.",
    ];
  },
};

/**
 * @param {Buses} buses
 * @param {DiscPlan[]} plans
 * @param {number} mostDepth
 * @param {number} bytes - of a read
 * @param {(wasm: AttachedDisk[]) => (depth: number, milliseconds: number) => number} limitOf
 * @returns {Promise<OpenSection>}
 */
async function openReads(buses, plans, mostDepth, bytes, limitOf) {
  const wasm = await attachDiscs(buses.wasm, plans, mostDepth, bytes);
  let typescript;
  try {
    typescript = await attachDiscs(buses.typescript, plans, mostDepth, bytes);
  } catch (error) {
    await wasm.close();
    throw error;
  }
  const disks = { wasm: wasm.disks, typescript: typescript.disks };
  const limit = limitOf(wasm.disks);
  return {
    async measure(row, subject, milliseconds) {
      const { disk: index, depth, perSecond } = /** @type {ReadRow} */ (row);
      if (subject === "limit") {
        const rate = limit(depth, milliseconds);
        return row.lessIsBetter ? 1e6 / rate : rate * perSecond;
      }
      const attached = disks[subject === "wasm" ? "wasm" : "typescript"][index];
      return row.lessIsBetter
        ? await medianLatency(attached, milliseconds)
        : (await readsPerSecond(attached, depth, milliseconds)) * perSecond;
    },
    async close() {
      await wasm.close();
      await typescript.close();
    },
  };
}

/**
 * Copies a second, from the first disc into its disk's buffers.
 *
 * @param {Buses} buses
 * @param {AttachedDisk[]} disks
 */
function copyLimit(buses, [{ disc, buffers, offsets }]) {
  const { engine } = buses.wasm;
  const source = disc.busRange?.offset ?? 0;
  const targets = buffers.map((buffer) => buffer.byteOffset);
  const bytes = buffers[0].length;
  return (/** @type {number} */ depth, /** @type {number} */ milliseconds) =>
    timesPerSecond(milliseconds, (index) => {
      engine.copy(targets[index & (depth - 1)], source + offsets[index & 16383], bytes);
    });
}

/**
 * Reads a second, into buffers of this thread.
 *
 * @param {number} fd
 */
function readLimit(fd) {
  const buffers = Array.from({ length: 128 }, () => new Uint8Array(SMALL));
  const offsets = randomOffsets(SMALL);
  return (/** @type {number} */ depth, /** @type {number} */ milliseconds) =>
    timesPerSecond(milliseconds, (index) => {
      readSync(fd, buffers[index & (depth - 1)], 0, SMALL, offsets[index & 16383]);
    });
}

/** A disc's content in a file that goes at the latest when the process does. */
function temporaryFile() {
  const directory = mkdtempSync(join(tmpdir(), "blockpt-bench-"));
  const removeDirectory = () => rmSync(directory, { recursive: true, force: true });
  process.once("exit", removeDirectory);
  const path = join(directory, "disc");
  // Writing it puts it into the page cache.
  writeFileSync(path, markedBytes());
  const fd = openSync(path, "r");
  return {
    path,
    fd,
    remove() {
      closeSync(fd);
      removeDirectory();
      process.off("exit", removeDirectory);
    },
  };
}
