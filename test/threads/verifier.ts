// A root complex's thread that writes and reads a disk at random, on a queue of its own, and
// checks every sector: it says which one it is, and in which version. The versions are shared by
// all such threads, so that each reads what the others wrote; extents are locked, as a file system
// does, so that no two requests that overlap are in flight.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, openBus, openQueue, type QueueHandle } from "blockpt";

/** What a verifier is started with. */
export interface VerifierData {
  bus: BusHandle;
  queue: QueueHandle;
  /** Of each sector: its version; 0 is zeros. */
  versions: Int32Array;
  /** Of each extent: whether a request is in flight. */
  locks: Int32Array;
  operations: number;
  /** Requests in flight; 0 uses the calls that block. */
  depth: number;
  seed: number;
}

/** Sectors of an extent. */
export const EXTENT = 8;
const SECTOR = 512;
const WORDS = SECTOR / 4;

const data = workerData as VerifierData;
let state = data.seed;

function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function fill(words: Uint32Array, sector: number, version: number): void {
  words.fill(Math.imul(sector, 2654435761) ^ version);
  words[0] = sector;
  words[1] = version;
}

function check(words: Uint32Array, sector: number, version: number): void {
  const due = new Uint32Array(WORDS);
  if (version !== 0) fill(due, sector, version);
  for (let word = 0; word < WORDS; word++) {
    if (words[word] === due[word]) continue;
    const what = `word ${word} is ${words[word]}; the sector says ${words[0]}, version ${words[1]}`;
    throw new Error(`sector ${sector} in version ${version}: ${what}`);
  }
}

function lockSomeExtent(): number {
  for (;;) {
    const extent = random(data.locks.length);
    if (Atomics.compareExchange(data.locks, extent, 0, 1) === 0) return extent;
  }
}

async function run(): Promise<void> {
  const bus = openBus(data.bus);
  const queue = openQueue(bus, data.queue);
  let left = data.operations;
  const isSync = data.depth === 0;
  const worker = async (): Promise<void> => {
    const buffer = queue.allocate(EXTENT * SECTOR);
    while (left-- > 0) {
      const extent = lockSomeExtent();
      const count = 1 + random(EXTENT);
      const sector = extent * EXTENT + random(EXTENT - count + 1);
      const bytes = buffer.subarray(0, count * SECTOR);
      const at = (index: number): Uint32Array =>
        new Uint32Array(bytes.buffer, bytes.byteOffset + index * SECTOR, WORDS);
      const what = random(32);
      if (what === 0) {
        if (isSync) queue.writeZeroesSync(sector * SECTOR, bytes.length);
        else await queue.writeZeroes(sector * SECTOR, bytes.length);
        for (let index = 0; index < count; index++) data.versions[sector + index] = 0;
      } else if (what < 16) {
        const version = 1 + random(2 ** 31 - 1);
        for (let index = 0; index < count; index++) fill(at(index), sector + index, version);
        if (isSync) queue.writeSync(bytes, sector * SECTOR);
        else await queue.write(bytes, sector * SECTOR);
        for (let index = 0; index < count; index++) data.versions[sector + index] = version;
      } else {
        if (isSync) queue.readSync(bytes, sector * SECTOR);
        else await queue.read(bytes, sector * SECTOR);
        for (let index = 0; index < count; index++) {
          check(at(index), sector + index, data.versions[sector + index] as number);
        }
      }
      Atomics.store(data.locks, extent, 0);
    }
    queue.free(buffer);
  };
  await Promise.all(Array.from({ length: Math.max(1, data.depth) }, worker));
  queue.close();
  bus.close();
}

await run();
parentPort?.postMessage("verified");
