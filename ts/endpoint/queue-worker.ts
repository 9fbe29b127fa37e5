// The worker thread that serves one queue: opens what it needs, serves by the loop that fits the disc, and reports.
//
// The other side is untrusted and no loop throws on its account: a malformed descriptor was answered inside the
// engine, and a queue that can go no further ends the loop with a report.

import { parentPort, workerData } from "node:worker_threads";
import { type BusHandle, openBusAs } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { type DiscHandle, isBlocking } from "../discs/disc.js";
import { openDisc } from "../discs/open-disc.js";
import type { DeviceLimits, DeviceQueue, QueueGeometry } from "../engine/engine.js";
import { openDeviceQueue, type TracedQueue } from "../trace/trace.js";
import { AsyncService } from "./async-service.js";
import { BlockingService } from "./blocking-service.js";

/** What a worker is started with. */
export interface QueueWorkerData {
  bus: BusHandle;
  /** Whose pages of the bus it takes: the endpoint gives them back, however the worker ends. */
  owner: number;
  msix: MsixLocation;
  disc: DiscHandle;
  geometry: QueueGeometry;
  limits: DeviceLimits;
  /** The doorbell block, if the root complex rings one. */
  doorbell: number | undefined;
  /** The endpoint's generation: with another one the bus is another endpoint's. */
  generation: number;
  /** Copy memory discs word by word. */
  pio: boolean;
  control: SharedArrayBuffer;
  /** Where what is done is recorded, if it is. */
  traced: TracedQueue | undefined;
}

/** How a worker ended. */
export interface QueueWorkerReport {
  /** What it could not go on with; undefined if it was stopped, and drained. */
  reason: string | undefined;
}

async function serveQueue(data: QueueWorkerData): Promise<QueueWorkerReport> {
  const bus = openBusAs(data.bus, data.owner);
  let queue: DeviceQueue | undefined;
  try {
    bus.msix.locate(data.msix, bus.bar.offset);
    queue = openDeviceQueue(bus, data.geometry, data.limits, data.traced);
    const disc = openDisc(bus, data.disc);
    const reason = isBlocking(disc)
      ? new BlockingService(bus, queue, disc, data).run()
      : await new AsyncService(bus, queue, disc, data).run();
    return { reason };
  } finally {
    queue?.close();
    bus.close();
  }
}

parentPort?.postMessage(await serveQueue(workerData as QueueWorkerData));
