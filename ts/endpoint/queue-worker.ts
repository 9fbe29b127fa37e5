// The worker thread that serves one queue: opens what it needs, serves by the loop that fits the disc, and reports.
//
// The other side is untrusted and no loop throws on its account: a malformed descriptor was answered inside the
// engine, and a queue that can go no further ends the loop with a report.

import { type Bus, type BusHandle, openBusAs } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { type Disc, type DiscHandle, isBlocking } from "../discs/disc.js";
import { FaultTable } from "../discs/faults/table.js";
import { FaultyDisc } from "../discs/faulty-disc.js";
import { openDisc } from "../discs/open-disc.js";
import type { DeviceLimits, DeviceQueue, QueueGeometry } from "../engine/engine.js";
import { report, startedWith } from "../platform/thread.js";
import { unref } from "../platform/turns.js";
import { openDeviceQueue, type TracedQueue } from "../trace/trace.js";
import { AsyncService } from "./async-service.js";
import { BlockingService } from "./blocking-service.js";
import { CONTROL_TOTALS, QueueControl, QueueState } from "./queue-control.js";
import { DRAIN_MS } from "./queue-service.js";
import { QueueTotals } from "./queue-totals.js";

/** While the disc is being opened: how often it looks whether it is to stop. */
const LOOK_MS = 100;

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
  /** The faults of the export. */
  faults: SharedArrayBuffer;
  /** Those of the link. */
  linkFaults: SharedArrayBuffer;
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
    const disc = await openInTime(bus, data);
    if (disc === undefined) return { reason: "its disc was not open yet when it was stopped" };
    return { reason: await serve(bus, queue, disc, data) };
  } finally {
    queue?.close();
    bus.close();
  }
}

/** Opens the disc; gives undefined if a stop has waited for that as long as it waits for answers. */
async function openInTime(bus: Bus, { disc, control }: QueueWorkerData): Promise<Disc | undefined> {
  const words = new Int32Array(control);
  let waitedMs = 0;
  let looking: ReturnType<typeof setInterval> | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    looking = setInterval(() => {
      if (Atomics.load(words, QueueControl.state) !== QueueState.stop) return;
      waitedMs += LOOK_MS;
      if (waitedMs >= DRAIN_MS) resolve(undefined);
    }, LOOK_MS);
    // An opening that nothing goes on with ends the thread.
    unref(looking);
  });
  try {
    return await Promise.race([openDisc(bus, disc), tooLate]);
  } finally {
    clearInterval(looking);
  }
}

/** Serves the disc itself while it has no faults, so that they cost nothing then, and else the faulty one in front of it. */
async function serve(
  bus: Bus,
  queue: DeviceQueue,
  plain: Disc,
  data: QueueWorkerData,
): Promise<string | undefined> {
  const table = new FaultTable(data.faults);
  const totals = new QueueTotals(data.control, CONTROL_TOTALS);
  for (;;) {
    const isFaulty = table.faults.length > 0;
    const disc = isFaulty ? FaultyDisc.adopt(plain, data.faults) : plain;
    const fits = (): boolean => table.faults.length > 0 === isFaulty;
    const work = { bus, queue, data, totals, fits };
    const service = isBlocking(disc)
      ? new BlockingService(work, disc)
      : new AsyncService(work, disc);
    const reason = await service.run();
    if (service.isReplaced) continue;
    // The other loop has left its disc by itself, as it needs the event loop for that.
    if (isBlocking(disc)) await disc.leave?.();
    return reason;
  }
}

void startedWith<QueueWorkerData>().then(serveQueue).then(report);
