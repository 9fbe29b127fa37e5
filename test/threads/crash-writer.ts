// A thread that writes blocks of its own on a crash disc, and forces everybody's by its own flushes.

import { parentPort, workerData } from "node:worker_threads";
import {
  type BusHandle,
  CrashDisc,
  type CrashDiscHandle,
  openBus,
  openQueue,
  type QueueHandle,
} from "blockpt";

/** What it is started with. */
export interface CrashWriterData {
  readonly bus: BusHandle;
  readonly queue: QueueHandle;
  readonly disc: CrashDiscHandle;
  /** For each block of all threads the version that was answered last. */
  readonly answered: Int32Array;
  /** Which blocks are its own: from this one on, so many. */
  readonly firstBlock: number;
  readonly blocks: number;
  /** How many flushes it makes. */
  readonly flushes: number;
}

/** A flush that was answered. */
export interface AnsweredFlush {
  /** The disc's position then. */
  readonly position: number;
  /** The versions of all blocks that had been answered before the flush was sent. */
  readonly versions: readonly number[];
}

/** Of a block; the test's own number. */
const BLOCK_BYTES = 4096;

const data = workerData as CrashWriterData;
const bus = openBus(data.bus);
const queue = openQueue(bus, data.queue);
const disc = CrashDisc.open(data.disc);
const flushes: AnsweredFlush[] = [];
for (let version = 1; flushes.length < data.flushes; version++) {
  const block = data.firstBlock + (version % data.blocks);
  const words = new Uint32Array(BLOCK_BYTES / 4).fill(version);
  queue.writeSync(new Uint8Array(words.buffer), block * BLOCK_BYTES);
  Atomics.store(data.answered, block, version);
  if (version % 3 !== 0) continue;
  const versions = Array.from(data.answered, (_, each) => Atomics.load(data.answered, each));
  queue.flushSync();
  flushes.push({ position: disc.position, versions });
}
queue.close();
bus.close();
parentPort?.postMessage(flushes);
