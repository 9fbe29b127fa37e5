// A thread of the page allocator's test: claims, marks each page as its own, gives back.

import { parentPort, workerData } from "node:worker_threads";
import { PageAllocator } from "../../ts/engine/page-allocator.js";

const PAGE = 4096;
const ROUNDS = 20_000;

const pages = new PageAllocator(
  workerData.buffer,
  0,
  workerData.range,
  PAGE,
  workerData.owner ?? 1,
);
const marks = new Int32Array(workerData.marks);
let claimed = 0;
for (let round = 0; round < ROUNDS; round++) {
  const count = 1 + (round % 9);
  const offset = pages.claim(count * PAGE);
  if (offset === undefined) continue;
  claimed++;
  const first = (offset - workerData.range.offset) / PAGE;
  for (let page = first; page < first + count; page++) {
    if (Atomics.compareExchange(marks, page, 0, workerData.mark) !== 0)
      throw new Error("two owners");
  }
  for (let page = first; page < first + count; page++) Atomics.store(marks, page, 0);
  pages.release(offset);
}
parentPort?.postMessage(claimed);
