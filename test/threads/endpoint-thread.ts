// An endpoint in a thread of its own, which exports a file, and ends as it is told to.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, Endpoint, FileDisc, openBus } from "blockpt";

/** What it is started with. */
export interface EndpointThreadData {
  bus: BusHandle;
  path: string;
  queues: number;
}

/** How it is told to end. */
export type Ending = "process.exit" | "exception" | "stop";

const data = workerData as EndpointThreadData;
const endpoint = await Endpoint.create(openBus(data.bus), { controller: "44100000.pcie" });
await endpoint.exportDisc("a", await FileDisc.open(data.path), { queues: data.queues });
await endpoint.start();

parentPort?.on("message", (ending: Ending) => {
  if (ending === "process.exit") process.exit(1);
  if (ending === "exception") throw new Error("thrown on purpose");
  void endpoint.close().then(() => parentPort?.close());
});
parentPort?.postMessage("started");
