// What a soak does, cycle by cycle: everything in turn, the fast ones with most of the requests.

/**
 * A cycle: an endpoint starts, a disk is attached, threads work, all of it is closed.
 *
 * @typedef {object} Cycle
 * @property {"wasm" | "typescript"} engine
 * @property {boolean} iommu
 * @property {"memory" | "file"} disc
 * @property {"batch" | "sync" | "promise"} api
 * @property {number} threads
 * @property {number} depth
 * @property {boolean} restart - another endpoint comes in the middle of it
 * @property {number} requests - of all threads
 */

/** @typedef {readonly [engine: "wasm" | "typescript", iommu: boolean, api: "batch" | "sync" | "promise", threads: number, depth: number, restart: boolean, share: number]} Row - the share is of 1000 requests */

/** @type {readonly Row[]} */
const MEMORY = [
  ["wasm", false, "batch", 1, 64, false, 400],
  ["typescript", false, "batch", 1, 32, false, 200],
  ["wasm", true, "batch", 2, 16, false, 150],
  ["typescript", false, "batch", 3, 8, true, 25],
  ["wasm", false, "batch", 2, 64, true, 200],
  ["wasm", false, "sync", 1, 1, false, 5],
  ["typescript", false, "sync", 2, 1, true, 3],
  ["wasm", true, "promise", 1, 16, true, 7],
  ["typescript", false, "promise", 2, 64, false, 6],
  ["wasm", false, "batch", 1, 1, false, 4],
];

/** @type {readonly Row[]} */
const FILE = [
  ["wasm", false, "batch", 2, 32, false, 600],
  ["typescript", false, "batch", 1, 4, true, 300],
  ["typescript", false, "sync", 1, 1, false, 70],
  ["wasm", true, "promise", 1, 16, true, 30],
];

/** @param {Row} row @param {"memory" | "file"} disc @param {number} requests @returns {Cycle} */
function cycleOf([engine, iommu, api, threads, depth, restart, share], disc, requests) {
  return {
    engine,
    iommu,
    disc,
    api,
    threads,
    depth,
    restart,
    requests: Math.ceil((requests * share) / 1000),
  };
}

/**
 * @param {number} memoryRequests
 * @param {number} fileRequests
 * @param {number} roundRequests - about so many are done before everything is done again
 * @returns {{ cycles: Cycle[], inRound: number }}
 */
export function plan(memoryRequests, fileRequests, roundRequests) {
  const rounds = Math.max(1, Math.round(memoryRequests / roundRequests));
  const memory = MEMORY.map((row) => cycleOf(row, "memory", memoryRequests / rounds));
  const file = FILE.map((row) => cycleOf(row, "file", fileRequests / rounds));
  const round = [...memory, ...file];
  return { cycles: Array.from({ length: rounds }, () => round).flat(), inRound: round.length };
}
