// The worker thread that serves one queue: take what is new on the driver ring, have
// it done, answer, raise the vector; when nothing is new, spin, then sleep.
//
// The other side is untrusted and this loop never throws on its account: a
// malformed descriptor was answered inside the engine, and a queue that can go no
// further ends the loop with a report.

import { parentPort, workerData } from "node:worker_threads";
import { BlkStatus, DescriptorFlag, Operation, SECTOR_BYTES } from "../abi/layout.js";
import { type Bus, type BusHandle, openBusAs } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { Doorbell } from "../bus/doorbell.js";
import { Patience } from "../bus/patience.js";
import type { Disc, DiscHandle } from "../discs/disc.js";
import { NullDisc } from "../discs/null-disc.js";
import { openDisc } from "../discs/open-disc.js";
import type { DeviceLimits, DeviceQueue, QueueGeometry } from "../engine/engine.js";
import {
  COMPLETION_WORDS,
  CompletionWord,
  LIST_PUBLISH_BYTES,
  LIST_PUBLISH_EVERY,
  QueueFault,
  REQUEST_WORDS,
  RequestWord,
} from "../engine/records.js";
import { CONTROL_SECTORS, CONTROL_TOTALS, QueueControl, QueueState } from "./queue-control.js";
import { QueueTotals } from "./queue-totals.js";

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
}

/** How a worker ended. */
export interface QueueWorkerReport {
  /** What it could not go on with; undefined if it was stopped, and drained. */
  reason: string | undefined;
}

/** Looks at an empty ring before a call returns. */
const POLLS = 200;
/** Most requests of a round, so that a stop is seen while the driver keeps the ring full. */
const MOST = 1024;
/** Without a doorbell: how long it looks before it sleeps; longer than the other side takes to go on after an interrupt. */
const POLLED_LOOK_MS = 0.2;
/** Then so many short sleeps, and longer ones from there on, as nobody is in the middle of something. */
const SHORT_SLEEPS = 100;
const SHORT_SLEEP_MS = 0.1;
const LONG_SLEEP_MS = 1;
/** With a doorbell: a stop is heard of after this even if the root complex meddles with the bell. */
const DEEP_SLEEP_MS = 1000;

const FAULTS: Readonly<Record<number, string>> = {
  [QueueFault.RING_INDEX]: "the driver ring's idx is out of range",
  [QueueFault.DESCRIPTOR_INDEX]: "the driver ring holds the index of no descriptor",
  [QueueFault.DESCRIPTOR_STATE]: "the driver ring holds a descriptor that is still in service",
};

function serveQueue(data: QueueWorkerData): QueueWorkerReport {
  const bus = openBusAs(data.bus, data.owner);
  let queue: DeviceQueue | undefined;
  try {
    bus.msix.locate(data.msix, bus.bar.offset);
    queue = bus.engine.openDeviceQueue(data.geometry, data.limits);
    return { reason: new Service(bus, queue, data).run() };
  } finally {
    queue?.close();
    bus.close();
  }
}

/** The loop over one queue. */
class Service {
  readonly #bus: Bus;
  readonly #queue: DeviceQueue;
  readonly #data: QueueWorkerData;
  readonly #control: Int32Array;
  readonly #totals: QueueTotals;
  readonly #doorbell: Doorbell | undefined;
  readonly #step: () => number;
  /**
   * A driver that goes on submitting cannot hold up a stop: what was outstanding when it came is
   * at most one queue full.
   */
  #mayAnswer = Number.POSITIVE_INFINITY;
  #answered = 0;
  /** Since something was found, where nobody rings. */
  #sleeps = 0;
  #resizes: number;
  #hasEnded = false;
  #reason: string | undefined;

  constructor(bus: Bus, queue: DeviceQueue, data: QueueWorkerData) {
    this.#bus = bus;
    this.#queue = queue;
    this.#data = data;
    this.#control = new Int32Array(data.control);
    this.#totals = new QueueTotals(data.control, CONTROL_TOTALS);
    this.#resizes = Atomics.load(this.#control, QueueControl.resizesTaken);
    const { doorbell } = data;
    if (doorbell !== undefined) this.#doorbell = Doorbell.ofQueue(bus.buffer, doorbell);
    this.#step = stepOf(bus, queue, openDisc(bus, data.disc), data.pio);
  }

  /** Serves until it is stopped and drained, or can go no further; says why not. */
  run(): string | undefined {
    const patience = new Patience(this.#doorbell === undefined ? POLLED_LOOK_MS : undefined);
    while (!this.#hasEnded) {
      if (this.#round()) {
        patience.found();
        this.#sleeps = 0;
      } else if (this.#sleeps > 0 || !patience.mayLookOn()) {
        if (this.#doorbell === undefined) this.#doze();
        else this.#doorbell.sleep(this.#round, DEEP_SLEEP_MS);
      }
    }
    return this.#reason;
  }

  /** True if there was something to do, or the service has ended. */
  readonly #round = (): boolean => {
    if (this.#bus.owners.generation !== this.#data.generation) {
      return this.#end("another endpoint has taken the bus over");
    }
    // Plain loads: an atomic one is a call in V8. What comes meanwhile is seen in the next round.
    const stopping = this.#control[QueueControl.state] === QueueState.stop;
    if (stopping) {
      this.#mayAnswer = Math.min(this.#mayAnswer, this.#data.geometry.numDescriptors);
    }
    if (this.#control[QueueControl.resizes] !== this.#resizes) this.#resize();
    const count = this.#step();
    const vector = (this.#control[QueueControl.irq] as number) - 1;
    const { completed } = this.#queue;
    const progress = (completed - this.#answered) >>> 0;
    if (progress > 0) {
      this.#answered = completed;
      this.#mayAnswer -= progress;
      if (vector >= 0) {
        this.#bus.msix.raise(vector);
        this.#totals.countInterrupt();
      }
      this.#totals.take(this.#queue.counters);
    }
    if (count < 0) return this.#end(FAULTS[-count] ?? `fault ${-count}`);
    if (stopping && (progress === 0 || this.#mayAnswer <= 0)) return this.#end(undefined);
    if (progress === 0) this.#bus.msix.sendPending(vector);
    return progress > 0;
  };

  #end(reason: string | undefined): true {
    this.#hasEnded = true;
    this.#reason = reason;
    return true;
  }

  #resize(): void {
    // The count first: a size that comes later is taken twice rather than not at all.
    this.#resizes = Atomics.load(this.#control, QueueControl.resizes);
    const sectors = new BigInt64Array(this.#data.control);
    this.#queue.resize(Number(Atomics.load(sectors, CONTROL_SECTORS)));
    Atomics.store(this.#control, QueueControl.resizesTaken, this.#resizes);
  }

  /** A nap: nobody rings. */
  #doze(): void {
    const sleepMs = this.#sleeps++ < SHORT_SLEEPS ? SHORT_SLEEP_MS : LONG_SLEEP_MS;
    Atomics.wait(this.#control, QueueControl.state, QueueState.serve, sleepMs);
  }
}

/** One round of service: gives how many requests it took, or a fault as a negative number. */
function stepOf(bus: Bus, queue: DeviceQueue, disc: Disc, pio: boolean): () => number {
  if (disc instanceof NullDisc) return () => queue.answer(POLLS, MOST);
  const { busRange } = disc;
  if (busRange !== undefined) return () => queue.serve(busRange, pio, POLLS, MOST);
  return () => {
    const count = queue.fetch(POLLS);
    let waiting = 0;
    let waitingBytes = 0;
    for (let index = 0; index < count; index++) {
      const record = waiting++ * COMPLETION_WORDS;
      const request = index * REQUEST_WORDS;
      queue.completions[record + CompletionWord.tag] = queue.requests[
        request + RequestWord.tag
      ] as number;
      queue.completions[record + CompletionWord.status] = perform(bus, disc, queue, request);
      waitingBytes += queue.requests[request + RequestWord.lenBytes] as number;
      // A few at a time: the driver works on the first while the disc works on the next.
      const isDue = waiting === LIST_PUBLISH_EVERY || waitingBytes >= LIST_PUBLISH_BYTES;
      if (isDue || index === count - 1) {
        queue.complete(waiting);
        waiting = 0;
        waitingBytes = 0;
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
  try {
    switch (words[request + RequestWord.opf]) {
      case Operation.READ:
        return disc.readInto(bus, address, lenBytes, offsetBytes);
      case Operation.WRITE: {
        const status = disc.writeFrom(bus, address, lenBytes, offsetBytes);
        const fua = (words[request + RequestWord.flags] as number) & DescriptorFlag.FUA;
        return status === BlkStatus.OK && fua !== 0 ? disc.flush() : status;
      }
      case Operation.FLUSH:
        return disc.flush();
      case Operation.DISCARD:
      case Operation.WRITE_ZEROES:
        return disc.writeZeroes(lenBytes, offsetBytes);
      default:
        return BlkStatus.NOTSUPP;
    }
  } catch (error) {
    // A disc gives a status and does not throw; this one has a bug, and the
    // others of the queue shall not suffer for it.
    console.error("blockpt: a disc threw", error);
    return BlkStatus.IOERR;
  }
}

parentPort?.postMessage(serveQueue(workerData as QueueWorkerData));
