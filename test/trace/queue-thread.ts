// A thread that reads through a queue of its own: which its records name.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, openBus, openQueue, type QueueHandle } from "blockpt";

/** What it is started with. */
export interface QueueThreadData {
  bus: BusHandle;
  queue: QueueHandle;
  reads: number;
}

const data = workerData as QueueThreadData;
const bus = openBus(data.bus);
const queue = openQueue(bus, data.queue);
const buffer = queue.allocate(512);
for (let read = 0; read < data.reads; read++) queue.readSync(buffer, read * 512);
queue.close();
bus.close();
parentPort?.postMessage("done");
