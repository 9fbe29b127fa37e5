// One round of the service of a queue, as both loops have it: the one that blocks, over discs that answer at
// once, and the one that does not. What is common is when it ends, that a stop and changes are heard
// of, and that what was answered is counted and told by the vector.

import type { Bus } from "../bus/bus.js";
import { Doorbell } from "../bus/doorbell.js";
import type { DeviceQueue } from "../engine/engine.js";
import { QueueFault } from "../engine/records.js";
import { LinkFaultWords } from "./link-faults.js";
import { CONTROL_SECTORS, QueueControl, QueueState } from "./queue-control.js";
import type { QueueTotals } from "./queue-totals.js";
import type { QueueWorkerData } from "./queue-worker.js";

/** Looks at an empty ring before a call returns. */
export const POLLS = 200;
/** Without a doorbell: how long a loop looks before it sleeps; longer than the other side takes to go on after an interrupt. */
export const POLLED_LOOK_MS = 0.2;
/** With a doorbell: a stop is heard of after this even if the root complex meddles with the bell. */
export const DEEP_SLEEP_MS = 1000;
/** How long a stop waits for the disc: less than a root complex waits for its command. */
export const DRAIN_MS = 2500;

const FAULTS: Readonly<Record<number, string>> = {
  [QueueFault.RING_INDEX]: "the driver ring's idx is out of range",
  [QueueFault.DESCRIPTOR_INDEX]: "the driver ring holds the index of no descriptor",
  [QueueFault.DESCRIPTOR_STATE]: "the driver ring holds a descriptor that is still in service",
};

/** A worker's queue, as one loop over it takes it over from another. */
export interface QueueWork {
  readonly bus: Bus;
  readonly queue: DeviceQueue;
  readonly data: QueueWorkerData;
  readonly totals: QueueTotals;
  /** Whether the disc is still to be served so, asked when something was changed. */
  readonly fits: () => boolean;
}

/** What both loops over a queue are made of. */
export abstract class QueueService {
  protected readonly bus: Bus;
  protected readonly queue: DeviceQueue;
  protected readonly control: Int32Array;
  protected readonly doorbell: Doorbell | undefined;
  protected stopping = false;
  protected hasEnded = false;
  /** The disc is to be served in another way; nothing more is taken before. */
  protected replacing = false;
  /**
   * A driver that goes on submitting cannot hold up a stop: what was outstanding when it came is
   * at most one queue full.
   */
  protected mayAnswer = Number.POSITIVE_INFINITY;
  /** Requests that the disc has, and will answer later. */
  protected inFlight = 0;
  readonly #data: QueueWorkerData;
  readonly #totals: QueueTotals;
  readonly #fits: () => boolean;
  readonly #linkFaults: LinkFaultWords;
  #losesInterrupts = false;
  #queueDelayMs = 0;
  #answered: number;
  #changes: number;
  #reason: string | undefined;

  constructor({ bus, queue, data, totals, fits }: QueueWork) {
    this.bus = bus;
    this.queue = queue;
    this.#data = data;
    this.control = new Int32Array(data.control);
    this.#totals = totals;
    this.#fits = fits;
    this.#linkFaults = new LinkFaultWords(data.linkFaults);
    this.#takeLinkFaults();
    this.#answered = queue.completed;
    this.#changes = Atomics.load(this.control, QueueControl.changesTaken);
    const { doorbell } = data;
    if (doorbell !== undefined) this.doorbell = Doorbell.ofQueue(bus.buffer, doorbell);
  }

  /** What it could not go on with; undefined if it was stopped, and drained. */
  protected get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether it ended as the disc is to be served in another way. */
  get isReplaced(): boolean {
    return this.hasEnded && this.replacing && this.#reason === undefined;
  }

  /** Whether the bus is still the endpoint's that it was started by. */
  protected get isCurrent(): boolean {
    return this.bus.owners.generation === this.#data.generation;
  }

  /** Takes what is new; gives how many requests that were, or a fault as a negative number. */
  protected abstract readonly step: () => number;

  /** True if there was something to do, or the service has ended. */
  protected readonly round = (): boolean => {
    if (!this.isCurrent) return this.#end("another endpoint has taken the bus over");
    // Plain loads: an atomic one is a call in V8. What comes meanwhile is seen in the next round.
    const stopping = this.control[QueueControl.state] === QueueState.stop;
    if (stopping) {
      this.stopping = true;
      this.mayAnswer = Math.min(this.mayAnswer, this.#data.geometry.numDescriptors);
    }
    if (this.control[QueueControl.changes] !== this.#changes) this.#change();
    if (this.replacing) {
      const progress = this.tell();
      return this.inFlight === 0 ? this.#end(undefined) : progress > 0;
    }
    if (this.#queueDelayMs > 0) this.#dawdle();
    const count = this.step();
    const progress = this.tell();
    if (count < 0) return this.#end(FAULTS[-count] ?? `fault ${-count}`);
    const isIdle = this.inFlight === 0 && (progress === 0 || this.mayAnswer <= 0);
    if (stopping && isIdle) return this.#end(undefined);
    if (progress > 0) return true;
    this.bus.msix.sendPending(this.#vector);
    return count > 0;
  };

  /** Has it known what was answered since; gives how many that were. */
  protected tell(): number {
    const { completed } = this.queue;
    const progress = (completed - this.#answered) >>> 0;
    if (progress === 0) return 0;
    this.#answered = completed;
    this.mayAnswer -= progress;
    const vector = this.#vector;
    if (vector >= 0 && !(this.#losesInterrupts && this.#linkFaults.losesNext())) {
      this.bus.msix.raise(vector);
      this.#totals.countInterrupt();
    }
    this.#totals.take(this.queue.counters);
    return progress;
  }

  get #vector(): number {
    return (this.control[QueueControl.irq] as number) - 1;
  }

  #end(reason: string | undefined): true {
    this.hasEnded = true;
    this.#reason = reason;
    return true;
  }

  #change(): void {
    // The count first: a change that comes later is taken twice rather than not at all.
    const changes = Atomics.load(this.control, QueueControl.changes);
    this.replacing ||= !this.#fits();
    // Who comes after it takes the rest.
    if (this.replacing) return;
    this.#changes = changes;
    this.#takeLinkFaults();
    const sectors = new BigInt64Array(this.#data.control);
    this.queue.resize(Number(Atomics.load(sectors, CONTROL_SECTORS)));
    Atomics.store(this.control, QueueControl.changesTaken, changes);
  }

  #takeLinkFaults(): void {
    this.#losesInterrupts = this.#linkFaults.loses;
    this.#queueDelayMs = this.#linkFaults.queueDelayMs;
  }

  /** As a slow processor: a stop ends it, and so does a change. */
  #dawdle(): void {
    Atomics.wait(this.control, QueueControl.state, QueueState.serve, this.#queueDelayMs);
  }
}
