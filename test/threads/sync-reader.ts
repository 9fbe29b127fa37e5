// A thread that reads a disk in calls that block, over and over, also when its endpoint was gone.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, openBus, openQueue, type QueueHandle } from "blockpt";

/** What it is started with. */
export interface SyncReaderData {
  bus: BusHandle;
  queue: QueueHandle;
}

const data = workerData as SyncReaderData;
const bus = openBus(data.bus);
const queue = openQueue(bus, data.queue);
const target = queue.allocate(4096);
const say = (what: string): void => parentPort?.postMessage(what);

queue.readSync(target, 0);
say("reading");
try {
  for (;;) queue.readSync(target, 4096);
} catch (error) {
  say((error as { code: string }).code);
}
// It need not ask whether the disk is back: it may as well try.
for (let isBack = false; !isBack; ) {
  try {
    queue.readSync(target, 8192);
    isBack = true;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
queue.free(target);
queue.close();
bus.close();
say("read again");
