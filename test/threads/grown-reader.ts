// A thread that reads behind the end of a disk, and again once it is told that the disk has grown.

import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { openBus, openQueue } from "blockpt";
import type { SyncReaderData } from "./sync-reader.js";

const data = workerData as SyncReaderData;
const bus = openBus(data.bus);
const queue = openQueue(bus, data.queue);
const target = new Uint8Array(512);
const behind = queue.sizeBytes;
try {
  queue.readSync(target, behind);
} catch (error) {
  parentPort?.postMessage((error as { code: string }).code);
}
if (parentPort !== null) await once(parentPort, "message");
queue.readSync(target, behind);
const found = `${queue.sizeBytes} bytes`;
queue.close();
bus.close();
parentPort?.postMessage(found);
parentPort?.close();
