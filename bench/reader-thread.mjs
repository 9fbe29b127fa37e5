// A thread of the benchmark that reads a disk at random on a queue of its own, for as long as it is
// asked to, in calls that block or with so many promises at once.

import { parentPort, workerData } from "node:worker_threads";
import { openBus, openQueue } from "blockpt";

const READ_BYTES = 4096;
/** Reads between two looks at the clock. */
const READS_PER_LOOK = 16;

const bus = openBus(workerData.bus);
const queue = openQueue(bus, workerData.queue);
const places = queue.sizeBytes / READ_BYTES;
const buffers = Array.from({ length: workerData.most }, () => queue.allocate(READ_BYTES));

const somewhere = () => Math.floor(Math.random() * places) * READ_BYTES;

/** @param {number} milliseconds */
function readSync(milliseconds) {
  const end = performance.now() + milliseconds;
  let reads = 0;
  for (; reads % READS_PER_LOOK !== 0 || performance.now() < end; reads++) {
    queue.readSync(buffers[0], somewhere());
  }
  return reads;
}

/**
 * @param {number} milliseconds
 * @param {number} depth
 */
async function readAtOnce(milliseconds, depth) {
  const end = performance.now() + milliseconds;
  let reads = 0;
  /** @param {Uint8Array} buffer */
  const lane = async (buffer) => {
    for (; reads % READS_PER_LOOK !== 0 || performance.now() < end; reads++) {
      await queue.read(buffer, somewhere());
    }
  };
  await Promise.all(buffers.slice(0, depth).map(lane));
  return reads;
}

parentPort?.on("message", async ({ milliseconds, depth }) => {
  const start = performance.now();
  const reads = depth === 0 ? readSync(milliseconds) : await readAtOnce(milliseconds, depth);
  parentPort?.postMessage(reads / ((performance.now() - start) / 1000));
});
