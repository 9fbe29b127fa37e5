// A thread of the benchmark that keeps one queue busy, for as long and in whatever way it is asked to.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, openBus, type QueueHandle } from "blockpt";
import { type LoadOptions, openLoad } from "../../workload/load.js";
import { failureOf } from "../failure.js";

/** What it is started with. */
export interface LoadWorkerData {
  readonly bus: BusHandle;
}

/** What it is asked for. */
export interface LoadOrder {
  readonly handle: QueueHandle;
  readonly options: LoadOptions;
  readonly milliseconds: number;
}

const bus = openBus((workerData as LoadWorkerData).bus);

async function obey({ handle, options, milliseconds }: LoadOrder): Promise<unknown> {
  try {
    const load = openLoad(bus, undefined, handle, options);
    try {
      return { work: await load.run(milliseconds) };
    } finally {
      load.close();
    }
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

parentPort?.on("message", async (order: LoadOrder) => parentPort?.postMessage(await obey(order)));
