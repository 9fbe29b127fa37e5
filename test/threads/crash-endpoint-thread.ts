// An endpoint in a thread of its own, on a crash disc that outlives it.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, CrashDisc, type CrashDiscHandle, Endpoint, openBus } from "blockpt";

/** What it is started with. */
export interface CrashEndpointData {
  readonly bus: BusHandle;
  readonly disc: CrashDiscHandle;
  readonly queues: number;
}

const { bus, disc, queues } = workerData as CrashEndpointData;
const endpoint = await Endpoint.create(openBus(bus), { controller: "44100000.pcie" });
await endpoint.exportDisc("crash0", CrashDisc.open(disc), { queues });
await endpoint.start();
parentPort?.postMessage("started");
