// What is done, by ours and by its peers alike; and how large the discs are that it is done on.

const MIB = 1024 * 1024;

export const DISC_BYTES = { memory: 64 * MIB, file: 256 * MIB, null: 64 * MIB };

/**
 * @typedef {object} PeerJob
 * @property {string} id - what filters name
 * @property {string} name
 * @property {"memory" | "file" | "null"} disc
 * @property {"randread" | "randwrite"} pattern
 * @property {number} blockBytes
 * @property {number} depth
 */

/** @type {[PeerJob["disc"], string][]} */
const DISCS = [
  ["memory", "memory disc"],
  ["file", "page-cached file of 256 MiB"],
];

/** @type {[string, string, Omit<PeerJob, "id" | "name" | "disc">][]} */
const LOADS = [
  ["read-1", "4 KiB reads", { pattern: "randread", blockBytes: 4096, depth: 1 }],
  ["read-32", "4 KiB reads", { pattern: "randread", blockBytes: 4096, depth: 32 }],
  ["write-1", "4 KiB writes", { pattern: "randwrite", blockBytes: 4096, depth: 1 }],
  ["write-32", "4 KiB writes", { pattern: "randwrite", blockBytes: 4096, depth: 32 }],
  ["large-8", "128 KiB reads", { pattern: "randread", blockBytes: 131072, depth: 8 }],
];

/**
 * @param {PeerJob["disc"]} disc
 * @param {string} title
 * @param {typeof LOADS} loads
 */
const jobsOn = (disc, title, loads) =>
  loads.map(([id, what, load]) => ({
    id: `${disc}-${id}`,
    name: `${what} at random places, depth ${load.depth}, ${title}`,
    disc,
    ...load,
  }));

/** @type {PeerJob[]} */
export const JOBS = [
  ...DISCS.flatMap(([disc, title]) => jobsOn(disc, title, LOADS)),
  ...jobsOn("null", "null disc: the protocol alone", LOADS.slice(0, 2)),
];
