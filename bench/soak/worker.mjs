// A thread of the soak: a queue of the disk of its own, kept busy through one of its APIs, in lanes. An endpoint that goes
// meanwhile is waited for, and what it did not answer is asked again.

import { parentPort, workerData } from "node:worker_threads";
import { Operation } from "../../dist/abi.js";
import { openBatchQueue, openBus, openQueue } from "../../dist/index.js";
import { EXTENT_BYTES, emptyTally, Lane } from "./lane.mjs";

/** @typedef {import("../../ts/index.js").BatchQueue} BatchQueue */
/** @typedef {import("../../ts/index.js").DiskQueue} DiskQueue */
/**
 * @typedef {object} ThreadData
 * @property {import("../../ts/index.js").BusHandle} bus
 * @property {import("../../ts/index.js").QueueHandle} queue
 * @property {"batch" | "sync" | "promise"} api
 * @property {number} depth
 * @property {number} requests
 * @property {Int32Array} versions - of all sectors
 * @property {Int32Array} progress - requests that were done, of all threads
 * @property {number} firstExtent - of those that are this thread's
 * @property {number} extents
 * @property {number} flushes - of 1024 requests
 * @property {number} discards - of 1024 requests
 * @property {number} seed
 */

/** Requests between two times that progress is told. */
const TELL_EVERY = 4096;
const data = /** @type {ThreadData} */ (workerData);
const tally = emptyTally();
let told = 0;

const lanes = Array.from(
  { length: data.depth },
  (_, index) =>
    new Lane({
      versions: data.versions,
      firstExtent: data.firstExtent + index,
      stride: data.depth,
      extents: Math.floor((data.extents - index - 1) / data.depth) + 1,
      flushes: data.flushes,
      discards: data.discards,
      seed: data.seed * 64 + index,
      tally,
    }),
);

const bus = openBus(data.bus);
if (data.api === "batch") await runBatch(openBatchQueue(bus, data.queue));
else await runDisk(openQueue(bus, data.queue));
bus.close();
tell();
parentPort?.postMessage(tally);

async function runBatch(/** @type {BatchQueue} */ queue) {
  const buffer = queue.allocate(data.depth * EXTENT_BYTES);
  const words = new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4);
  const at = (/** @type {number} */ lane) => lane * (EXTENT_BYTES / 4);
  /** Whether a lane's request was drawn and not answered. */
  const isBusy = new Uint8Array(data.depth);
  for (;;) {
    try {
      driveBatch(queue, words, at, isBusy);
      break;
    } catch (error) {
      await comeBack(queue, error);
    }
  }
  queue.free(buffer);
  queue.close();
}

/**
 * @param {BatchQueue} queue
 * @param {Int32Array} words
 * @param {(lane: number) => number} at
 * @param {Uint8Array} isBusy
 */
function driveBatch(queue, words, at, isBusy) {
  const address = words.byteOffset;
  const put = (/** @type {number} */ index) => {
    const lane = lanes[index];
    queue.put(lane.opf, lane.offsetBytes, lane.lenBytes, address + index * EXTENT_BYTES, index);
  };
  const start = (/** @type {number} */ index) => {
    lanes[index].next(words, at(index));
    isBusy[index] = 1;
    put(index);
  };
  // Those that an endpoint left unanswered are put again as they were.
  for (let index = 0; index < data.depth; index++) {
    if (isBusy[index] !== 0) put(index);
    else if (mayStart(index)) start(index);
  }
  queue.submit();
  while (queue.inFlight > 0) {
    const count = queue.wait();
    for (let each = 0; each < count; each++) {
      const index = queue.tag(each);
      if (queue.status(each) !== 0) throw new Error(`a request ended with ${queue.status(each)}`);
      lanes[index].end(words, at(index));
      isBusy[index] = 0;
      if (mayStart(index)) start(index);
    }
    queue.submit();
    if (tally.requests - told >= TELL_EVERY) tell();
  }
}

async function runDisk(/** @type {DiskQueue} */ queue) {
  const isSync = data.api === "sync";
  // Every second lane's buffer is its own, and bounced; the others' lie in the bus.
  const buffers = lanes.map((_, index) =>
    index % 2 === 1 ? new Uint8Array(EXTENT_BYTES) : queue.allocate(EXTENT_BYTES),
  );
  await Promise.all(
    lanes.map(async (lane, index) => {
      const buffer = buffers[index];
      const words = new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4);
      while (mayStart(index)) {
        lane.next(words, 0);
        const part = buffer.subarray(0, lane.lenBytes);
        if (isSync)
          for (;;) {
            try {
              callSync(queue, lane, part);
              break;
            } catch (error) {
              await comeBack(queue, error);
            }
          }
        else await callUntilDone(queue, lane, part);
        lane.end(words, 0);
        if (tally.requests - told >= TELL_EVERY) tell();
      }
    }),
  );
  for (const buffer of buffers) if (buffer.buffer === bus.buffer) queue.free(buffer);
  queue.close();
}

/** @param {DiskQueue} queue @param {Lane} lane @param {Uint8Array} part */
async function callUntilDone(queue, lane, part) {
  for (;;) {
    try {
      await call(queue, lane, part);
      return;
    } catch (error) {
      await comeBack(queue, error);
    }
  }
}

/** @param {DiskQueue} queue @param {Lane} lane @param {Uint8Array} part */
function call(queue, lane, part) {
  switch (lane.opf) {
    case Operation.READ:
      return queue.read(part, lane.offsetBytes);
    case Operation.WRITE:
      return queue.write(part, lane.offsetBytes);
    case Operation.WRITE_ZEROES:
      return queue.writeZeroes(lane.offsetBytes, lane.lenBytes);
    case Operation.DISCARD:
      return queue.discard(lane.offsetBytes, lane.lenBytes);
    default:
      return queue.flush();
  }
}

/** @param {DiskQueue} queue @param {Lane} lane @param {Uint8Array} part */
function callSync(queue, lane, part) {
  switch (lane.opf) {
    case Operation.READ:
      return queue.readSync(part, lane.offsetBytes);
    case Operation.WRITE:
      return queue.writeSync(part, lane.offsetBytes);
    case Operation.WRITE_ZEROES:
      return queue.writeZeroesSync(lane.offsetBytes, lane.lenBytes);
    case Operation.DISCARD:
      return queue.discardSync(lane.offsetBytes, lane.lenBytes);
    default:
      return queue.flushSync();
  }
}

/** Waits for an endpoint that is gone; any other error is what the soak looks for. */
async function comeBack(/** @type {BatchQueue | DiskQueue} */ queue, /** @type {unknown} */ error) {
  const isOffline =
    error instanceof Error && "code" in error && error.code === "ERR_BLOCKPT_OFFLINE";
  if (!isOffline) throw error;
  tally.again++;
  await queue.whenOnline();
}

/** A lane goes on while there is something to do, and does not leave a discard behind. */
function mayStart(/** @type {number} */ index) {
  return tally.requests < data.requests || lanes[index].isOpen;
}

function tell() {
  Atomics.add(data.progress, 0, tally.requests - told);
  told = tally.requests;
}
