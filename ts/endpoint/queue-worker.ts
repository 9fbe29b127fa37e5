// The worker thread that serves one queue: take what is new on the driver ring, have
// it done, answer, raise the vector; when nothing is new, spin, then sleep.
//
// The other side is untrusted and this loop never throws on its account: a
// malformed descriptor was answered inside the engine, and a queue that can go no
// further ends the loop with a report.

import { availableParallelism } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { BlkStatus, Operation, SECTOR_BYTES } from "../abi/layout.js";
import { type Bus, type BusHandle, openBus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import type { Disc, DiscHandle } from "../discs/disc.js";
import { openDisc } from "../discs/open-disc.js";
import type { DeviceLimits, DeviceQueue, QueueGeometry } from "../engine/engine.js";
import {
  COMPLETION_WORDS,
  CompletionWord,
  LIST_PUBLISH_EVERY,
  REQUEST_WORDS,
  RequestWord,
} from "../engine/records.js";
import { QueueControl, QueueState } from "./queue-control.js";

/** What a worker is started with. */
export interface QueueWorkerData {
  bus: BusHandle;
  msix: MsixLocation;
  disc: DiscHandle;
  geometry: QueueGeometry;
  limits: DeviceLimits;
  /** Copy memory discs word by word. */
  pio: boolean;
  control: SharedArrayBuffer;
}

/** How a worker ended: it was stopped and drained, or it met a fault. */
export interface QueueWorkerReport {
  /** One of `QueueFault`, or 0. */
  fault: number;
}

/** Looks at an empty ring before a call returns. */
const POLLS = 200;
/**
 * Idle time spent looking: longer than the other side takes to go on after an interrupt. On one
 * core the other side does not run while this one looks.
 */
const SPIN_MS = availableParallelism() > 1 ? 0.2 : 0.05;
/** Idle time after which sleeps become longer: the other side is not in the middle of something. */
const DOZE_MS = 10;
const SHORT_SLEEP_MS = 0.1;
const LONG_SLEEP_MS = 1;

function serveQueue(data: QueueWorkerData): QueueWorkerReport {
  const bus = openBus(data.bus);
  let queue: DeviceQueue | undefined;
  try {
    bus.msix.locate(data.msix, bus.bar.offset);
    queue = bus.engine.openDeviceQueue(data.geometry, data.limits);
    const step = stepOf(bus, queue, openDisc(bus, data.disc), data.pio);
    return { fault: serveUntilStopped(bus, queue, step, data) };
  } finally {
    queue?.close();
    bus.close();
  }
}

/** Serves until it is stopped and drained, or meets a fault; gives the fault, or 0. */
function serveUntilStopped(
  bus: Bus,
  queue: DeviceQueue,
  step: () => number,
  data: QueueWorkerData,
): number {
  const control = new Int32Array(data.control);
  // A driver that goes on submitting cannot hold up a stop: what was outstanding
  // when it came is at most one queue full.
  let mayAnswer = Number.POSITIVE_INFINITY;
  let answered = 0;
  let idleSince = 0;
  while (mayAnswer > 0) {
    const stopping = Atomics.load(control, QueueControl.state) === QueueState.stop;
    if (stopping) mayAnswer = Math.min(mayAnswer, data.geometry.numDescriptors);
    const count = step();
    const vector = Atomics.load(control, QueueControl.irq) - 1;
    const progress = (queue.completed - answered) >>> 0;
    if (progress > 0) {
      answered = queue.completed;
      mayAnswer -= progress;
      idleSince = 0;
      bus.msix.raise(vector);
    }
    if (count < 0) return -count;
    if (progress > 0) continue;
    if (stopping) break;
    bus.msix.sendPending(vector);
    idleSince = idle(control, idleSince);
  }
  return 0;
}

/** Waits a little; gives since when nothing was new. */
function idle(control: Int32Array, idleSince: number): number {
  const now = performance.now();
  if (idleSince === 0) return now;
  const idleMs = now - idleSince;
  if (idleMs > SPIN_MS) {
    const sleepMs = idleMs < DOZE_MS ? SHORT_SLEEP_MS : LONG_SLEEP_MS;
    Atomics.wait(control, QueueControl.state, QueueState.serve, sleepMs);
  }
  return idleSince;
}

/** One round of service: gives how many requests it took, or a fault as a negative number. */
function stepOf(bus: Bus, queue: DeviceQueue, disc: Disc, pio: boolean): () => number {
  const { busRange } = disc;
  if (busRange !== undefined) {
    // A bound, so that a stop is seen while the driver keeps the ring full.
    const most = 1024;
    return () => queue.serve(busRange, pio, POLLS, most);
  }
  return () => {
    const count = queue.fetch(POLLS);
    let waiting = 0;
    for (let index = 0; index < count; index++) {
      const record = waiting++ * COMPLETION_WORDS;
      const request = index * REQUEST_WORDS;
      queue.completions[record + CompletionWord.tag] = queue.requests[
        request + RequestWord.tag
      ] as number;
      queue.completions[record + CompletionWord.status] = perform(bus, disc, queue, request);
      // A few at a time: the driver works on the first while the disc works on the next.
      if (waiting === LIST_PUBLISH_EVERY || index === count - 1) {
        queue.complete(waiting);
        waiting = 0;
      }
    }
    return count;
  };
}

/** Does one request that the engine checked; gives its status. */
function perform(bus: Bus, disc: Disc, queue: DeviceQueue, request: number): number {
  const words = queue.requests;
  const high = words[request + RequestWord.startSectorHigh] as number;
  const low = words[request + RequestWord.startSectorLow] as number;
  const offsetBytes = (high * 0x1_0000_0000 + low) * SECTOR_BYTES;
  const address = words[request + RequestWord.address] as number;
  const lenBytes = words[request + RequestWord.lenBytes] as number;
  const write = words[request + RequestWord.opf] === Operation.WRITE;
  try {
    return write
      ? disc.writeFrom(bus, address, lenBytes, offsetBytes)
      : disc.readInto(bus, address, lenBytes, offsetBytes);
  } catch (error) {
    // A disc gives a status and does not throw; this one has a bug, and the
    // others of the queue shall not suffer for it.
    console.error("blockpt: a disc threw", error);
    return BlkStatus.IOERR;
  }
}

parentPort?.postMessage(serveQueue(workerData as QueueWorkerData));
