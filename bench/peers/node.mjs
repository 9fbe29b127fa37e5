// What Node has by itself: a worker that is asked by messages, and asynchronous reads and writes of a file. As many
// requests are in flight as the job has depth; each one's end starts the next, without a promise where there need be none.

import { once } from "node:events";
import { read as readFile, write as writeFile } from "node:fs";
import { open } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { DISC_BYTES } from "./jobs.mjs";

/** @typedef {import("./jobs.mjs").PeerJob} PeerJob */
/** @typedef {import("../../ts/cli/cleanup.js").Cleanup} Cleanup */
/** @typedef {import("../../ts/workload/places.js").Places} Places */
/** @typedef {import("../../ts/workload/load.js").Work} Work */
/** @typedef {import("../../ts/workload/load.js").Latencies} Latencies */

/**
 * @typedef {object} Request
 * @property {number} slot - below the depth: one request is in flight in each
 * @property {number} offset
 * @property {boolean} isWrite
 *
 * @typedef {(milliseconds: number, latencies?: Latencies) => Promise<Work>} Run
 *
 * @typedef {object} NodeKind
 * @property {string} peer
 * @property {string} what
 * @property {PeerJob["disc"]} disc
 * @property {(job: PeerJob, places: Places, path: string, cleanup: Cleanup) => Promise<Run>} open
 */

const NANOSECONDS = 1e6;
const PATIENCE_MS = 60_000;

/**
 * @param {"clone" | "transfer" | "slot"} way
 * @param {string} what
 * @returns {NodeKind}
 */
const messages = (way, what) => ({
  peer: `Node worker, ${way}`,
  what: `postMessage to a worker with the disc's bytes, which answers by one: ${what}`,
  disc: "memory",
  open: (job, places, _path, cleanup) => openMessages(way, job, places, cleanup),
});

/** @type {NodeKind[]} */
export const NODE_PEERS = [
  messages("clone", "the data is cloned"),
  messages("transfer", "the data's ArrayBuffer is transferred"),
  messages("slot", "the data is in a slot of a SharedArrayBuffer"),
  {
    peer: "Node FileHandle",
    what: "FileHandle.read or write, a promise a request",
    disc: "file",
    open: openFileHandle,
  },
  {
    peer: "Node fs, callbacks",
    what: "fs.read or fs.write, a callback a request",
    disc: "file",
    open: openCallbacks,
  },
];

/**
 * Keeps requests in flight for a while.
 *
 * @param {number} depth
 * @param {Places} places
 * @param {(request: Request) => void} start
 */
function openLanes(depth, { offsets, writes }, start) {
  const begun = new Float64Array(depth);
  /** @type {((slot: number) => void) | undefined} */
  let onEnd;
  /** @type {((error: Error) => void) | undefined} */
  let onError;
  let next = 0;
  /** @type {Run} */
  const run = (milliseconds, latencies) =>
    new Promise((resolve, reject) => {
      const first = next;
      const startedAt = performance.now();
      const endAt = startedAt + milliseconds;
      let running = depth;
      const begin = (/** @type {number} */ slot) => {
        const index = next++ % offsets.length;
        if (latencies !== undefined) begun[slot] = performance.now();
        start({ slot, offset: offsets[index], isWrite: writes[index] === 1 });
      };
      const giveUp = setTimeout(
        () => onError?.(new Error(`no answer within ${PATIENCE_MS / 1000} s`)),
        milliseconds + PATIENCE_MS,
      );
      onError = (error) => {
        clearTimeout(giveUp);
        reject(error);
      };
      onEnd = (slot) => {
        const now = performance.now();
        latencies?.((now - begun[slot]) * NANOSECONDS);
        if (now < endAt) begin(slot);
        else if (--running === 0) {
          clearTimeout(giveUp);
          resolve({ requests: next - first, milliseconds: now - startedAt });
        }
      };
      for (let slot = 0; slot < depth; slot++) begin(slot);
    });
  return {
    run,
    ended: (/** @type {number} */ slot) => onEnd?.(slot),
    failed: (/** @type {Error} */ error) => onError?.(error),
  };
}

/**
 * @param {"clone" | "transfer" | "slot"} way
 * @param {PeerJob} job
 * @param {Places} places
 * @param {Cleanup} cleanup
 */
async function openMessages(way, { depth, blockBytes }, places, cleanup) {
  const slots = new Uint8Array(new SharedArrayBuffer(depth * blockBytes));
  const worker = new Worker(new URL("./message-worker.mjs", import.meta.url), {
    workerData: { way, sizeBytes: DISC_BYTES.memory, blockBytes, slots },
    execArgv: [],
  });
  cleanup.add(() => worker.terminate());
  // What is written; of those that are transferred, what came back.
  const blocks = Array.from({ length: depth }, () => new Uint8Array(blockBytes).fill(0x5a));
  const lanes = openLanes(depth, places, ({ slot, offset, isWrite }) => {
    if (way === "slot" || !isWrite) worker.postMessage({ slot, offset, isWrite });
    else {
      const data = blocks[slot];
      const moved = way === "transfer" ? [data.buffer] : [];
      worker.postMessage({ slot, offset, isWrite, data }, moved);
    }
  });
  await once(worker, "message");
  worker.on("message", ({ slot, data }) => {
    if (data !== undefined) blocks[slot] = data;
    lanes.ended(slot);
  });
  worker.on("error", lanes.failed);
  return lanes.run;
}

/**
 * @param {PeerJob} job
 * @param {Places} places
 * @param {string} path
 * @param {Cleanup} cleanup
 */
async function openFileHandle({ depth, blockBytes }, places, path, cleanup) {
  const file = await open(path, "r+");
  cleanup.add(() => file.close());
  const blocks = Array.from({ length: depth }, () => new Uint8Array(blockBytes).fill(0x5a));
  const lanes = openLanes(depth, places, async ({ slot, offset, isWrite }) => {
    const block = blocks[slot];
    try {
      if (isWrite) await file.write(block, 0, blockBytes, offset);
      else await file.read(block, 0, blockBytes, offset);
      lanes.ended(slot);
    } catch (error) {
      lanes.failed(/** @type {Error} */ (error));
    }
  });
  return lanes.run;
}

/**
 * @param {PeerJob} job
 * @param {Places} places
 * @param {string} path
 * @param {Cleanup} cleanup
 */
async function openCallbacks({ depth, blockBytes }, places, path, cleanup) {
  const file = await open(path, "r+");
  cleanup.add(() => file.close());
  const blocks = Array.from({ length: depth }, () => new Uint8Array(blockBytes).fill(0x5a));
  const lanes = openLanes(depth, places, ({ slot, offset, isWrite }) => {
    const act = isWrite ? writeFile : readFile;
    act(file.fd, blocks[slot], 0, blockBytes, offset, (error) => {
      if (error) lanes.failed(error);
      else lanes.ended(slot);
    });
  });
  return lanes.run;
}
