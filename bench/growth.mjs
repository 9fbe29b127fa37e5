// How cost grows: groups of jobs in which one thing grows and all else stays, which the report draws as lines. Measured
// in rounds as the other groups are, which are fewer and shorter, as there are many jobs and it is the shape that counts.

import { jobs } from "./groups.mjs";

/** @typedef {import("../ts/cli/bench/job.js").JobLists} JobLists */

const MIB = 1024 * 1024;
/** From 512 B to 4 MiB. */
const BLOCK_BYTES = Array.from({ length: 14 }, (_, power) => 512 * 2 ** power);

/** @type {import("./groups.mjs").Group[]} */
export const GROWTH = [
  {
    id: "growth-depth",
    title: "Growth with the depth: 4 KiB random reads",
    axis: "depth",
    jobs: grown(
      { depth: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1023] },
      { api: ["batch", "promise"], engine: ["wasm"] },
      { engine: ["typescript"] },
      { disc: ["file:64M", "null:64M"], engine: ["wasm"] },
    ),
  },
  {
    id: "growth-block",
    title: "Growth with the block size: random reads at depth 8",
    axis: "blockBytes",
    jobs: grown(
      { blockBytes: BLOCK_BYTES, depth: [8] },
      // A request of a batch is one descriptor; the other APIs split what is larger.
      { api: ["batch"], engine: ["wasm"], blockBytes: BLOCK_BYTES.filter((bytes) => bytes <= MIB) },
      {},
      { disc: ["file:64M"], engine: ["wasm"] },
    ),
  },
  {
    id: "growth-discs",
    title: "Growth with the number of discs, all driven by one thread: 4 KiB random reads",
    axis: "discs",
    jobs: grown(
      { discs: [1, 2, 4, 8, 16], disc: ["memory:4M"], engine: ["wasm"] },
      { depth: [1, 32], api: ["promise", "callback"] },
    ),
  },
  {
    id: "growth-queues",
    title: "Growth with the number of queues, a thread each on either side: 4 KiB random reads",
    axis: "queues",
    jobs: grown(
      { queues: [1, 2, 4, 8], engine: ["wasm"] },
      { api: ["batch", "promise", "sync"] },
      { disc: ["file:64M"] },
    ),
  },
  {
    id: "growth-size",
    title: "Growth with the size of the disc: 4 KiB random reads; files above 1 GiB are sparse",
    axis: "disc",
    jobs: grown(
      { engine: ["wasm"] },
      { disc: ["memory:1M", "memory:4M", "memory:16M", "memory:64M", "memory:256M"] },
      { disc: ["file:1M", "file:16M", "file:256M", "file:4G", "file:64G"] },
      { disc: ["null:1M", "null:16M", "null:256M", "null:4G", "null:64G"] },
    ),
  },
];

/**
 * @param {Partial<JobLists>} growing - what each of the lines goes through
 * @param {Partial<JobLists>[]} lines
 */
function grown(growing, ...lines) {
  return jobs(...lines.map((line) => ({ ...growing, ...line })));
}
