// A thread that uses queues of two disks on one view of the bus, until it is told to go on.

import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, openBus, openQueue, type QueueHandle } from "blockpt";

/** What it is started with. */
export interface QueuePairData {
  bus: BusHandle;
  queues: readonly [QueueHandle, QueueHandle];
}

const data = workerData as QueuePairData;
const bus = openBus(data.bus);
const queues = data.queues.map((handle) => openQueue(bus, handle));
const buffers = queues.map((queue) => queue.allocate(4096));
const use = (): void => {
  for (const [index, queue] of queues.entries()) {
    queue.writeSync(buffers[index] as Uint8Array, 4096);
    queue.readSync(new Uint8Array(512), 4096);
  }
};

use();
parentPort?.postMessage("used");
if (parentPort !== null) await once(parentPort, "message");
use();
for (const queue of queues) queue.close();
bus.close();
parentPort?.postMessage("closed");
parentPort?.close();
