// What a process and a bus hold: counted before and after, it shows what was not given back.

import { readdirSync } from "node:fs";

/** @typedef {import("../../ts/index.js").Bus} Bus */

/** Numbers of threads that a bus has; behind them its table has other words. */
const MOST_OWNERS = 2048;

/** Of the process; on a system without /proc what Node knows alone. */
export function processResources() {
  return {
    fileDescriptors: entriesOf("/proc/self/fd"),
    threads: entriesOf("/proc/self/task"),
    ...activeResources(),
  };
}

/** Of a bus, as its tables say: pages of host memory, of the endpoint's memory and of the workspace, threads, mappings. */
export function busResources(/** @type {Bus} */ { buffer, handle }) {
  const { layout } = handle;
  const taken = (/** @type {number} */ from, /** @type {number} */ to) => {
    let count = 0;
    for (const word of new Int32Array(buffer, from, (to - from) / 4)) if (word !== 0) count++;
    return count;
  };
  const pages = (
    /** @type {number} */ table,
    /** @type {number} */ bytes,
    /** @type {number} */ pageBytes,
  ) => taken(table, table + (bytes / pageBytes) * 4);
  return {
    hostPages: pages(layout.hostTable, layout.hostMemory.length, 4096),
    endpointPages: pages(layout.endpointTable, layout.endpointMemory.length, 65536),
    workspacePages: pages(layout.workspaceTable, layout.workspace.length, 16384),
    owners: taken(layout.ownersTable, layout.ownersTable + MOST_OWNERS * 4),
    mappings:
      layout.iommuTable === 0 ? 0 : pages(layout.iommuTable, layout.hostMemory.length, 4096),
  };
}

/**
 * Says of what there is more than before.
 *
 * @param {Record<string, number>} before
 * @param {Record<string, number>} after
 * @returns {string[]}
 */
export function growth(before, after) {
  return Object.keys(after)
    .filter((name) => after[name] > (before[name] ?? 0))
    .map((name) => `${name}: ${before[name] ?? 0} before, ${after[name]} after`);
}

/**
 * Counts once what is about to end has ended.
 *
 * @param {() => Record<string, number>} count
 */
export async function atRest(count) {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return count();
}

/**
 * Counts until there is no more than before, for two seconds at most: the system takes its time to end a thread.
 *
 * @param {() => Record<string, number>} count
 * @param {Record<string, number>} before
 */
export async function settled(count, before) {
  let counted = count();
  for (let turn = 0; turn < 200 && growth(before, counted).length > 0; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    counted = count();
  }
  return counted;
}

/** What keeps the event loop alive, by kind: timers, sockets, ports, workers. */
function activeResources() {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** @param {string} folder */
function entriesOf(folder) {
  return process.platform === "linux" ? readdirSync(folder).length : 0;
}
