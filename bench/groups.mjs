// The jobs of the benchmark, in groups that are measured in the same rounds, each with what it is there to show.

import { jobsOf } from "../dist/bench.js";

/** @typedef {import("../ts/cli/bench/job.js").Job} Job */
/** @typedef {import("../ts/cli/bench/job.js").JobLists} JobLists */

/**
 * @typedef {object} Group
 * @property {string} id - what filters name
 * @property {string} title
 * @property {keyof Job} [axis] - what grows, where it is how cost grows that is measured
 * @property {Job[]} jobs
 */

/** @type {JobLists} */
const BASE = {
  disc: ["memory:64M"],
  discs: [1],
  pattern: ["randread"],
  readPercent: [70],
  blockBytes: [4096],
  depth: [32],
  queues: [1],
  api: ["promise"],
  dma: [true],
  engine: ["wasm", "typescript"],
};

/** @param {Partial<JobLists>[]} lists */
export const jobs = (...lists) => lists.flatMap((list) => jobsOf({ ...BASE, ...list }));

/** @type {Group[]} */
export const GROUPS = [
  {
    id: "memory",
    title: "Memory disc: 4 KiB random reads, a promise each",
    jobs: jobs({ depth: [1, 8, 32, 128] }),
  },
  {
    id: "apis",
    title: "Memory disc: 4 KiB random reads and writes, in each API",
    jobs: jobs({
      pattern: ["randread", "randwrite"],
      api: ["batch", "callback", "promise", "sync"],
      engine: ["wasm"],
    }),
  },
  {
    id: "protocol",
    title: "Null disc: what the protocol does alone",
    jobs: jobs({
      disc: ["null:64M"],
      depth: [1, 32, 128],
      api: ["batch", "callback", "promise", "sync"],
      engine: ["wasm"],
    }),
  },
  {
    id: "engines",
    title: "Memory disc: the engines side by side, in batches",
    jobs: jobs({ blockBytes: [512, 4096], api: ["batch"] }),
  },
  {
    id: "large",
    title: "Memory disc: large reads, in batches",
    jobs: jobs({ blockBytes: [131072, 1048576], depth: [8], api: ["batch"], engine: ["wasm"] }),
  },
  {
    id: "dma",
    title: "Memory disc: 128 KiB reads with DMA, and word by word",
    jobs: jobs({ blockBytes: [131072], depth: [8], dma: [true, false], engine: ["wasm"] }),
  },
  {
    id: "file",
    title: "File disc, page-cached: 4 KiB reads",
    jobs: jobs(
      { disc: ["file:64M"], depth: [1, 8, 32, 128] },
      { disc: ["file:64M"], pattern: ["read"], engine: ["wasm"] },
      { disc: ["file:64M"], queues: [2], engine: ["wasm"] },
    ),
  },
  {
    id: "queues",
    title: "Memory disc: queues of a disk, each with a thread on either side",
    jobs: jobs({ queues: [1, 2], api: ["batch", "promise", "sync"], engine: ["wasm"] }),
  },
];
