// The driver's end of one queue in the thread that uses it, whoever drives it: opens the rings, shows the
// device what was put, waits for its interrupt, and knows when the rings are not what they were: cleared for
// an endpoint that is back, or left by one that is gone.

import type { Bus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { Doorbell } from "../bus/doorbell.js";
import { isEndpointHere } from "../bus/local-endpoints.js";
import { Patience } from "../bus/patience.js";
import type { DriverQueue, QueueGeometry } from "../engine/engine.js";
import { QueueFault } from "../engine/records.js";
import { BlockptError } from "../errors.js";
import { openDriverQueue, type TraceHandle } from "../trace/trace.js";
import { LOST_INTERRUPT_MS } from "./completion.js";
import { DiskState, offline } from "./disk-state.js";
import { EndpointWatch } from "./endpoint-watch.js";
import type { KeepAlive } from "./keep-alive.js";

/**
 * How long completions are looked for where nobody can wake the queue's worker. Longer than it sleeps and takes to
 * wake (0.1 ms and timer slack): else each of the two falls asleep just before the other answers, again and again,
 * and every request costs two sleeps.
 */
const POLLED_LOOK_MS = 0.4;

/** What a queue is made from, in whatever thread. */
export interface QueueParts {
  /** Which bus it is on. */
  readonly busId: number;
  /** What the endpoint calls the disc. */
  readonly device: string;
  /** What the disk is called here. */
  readonly diskName: string;
  /** Which of its queues. */
  readonly index: number;
  readonly geometry: QueueGeometry;
  /** The doorbell block, in the bus, if the endpoint has one. */
  readonly doorbell: number | undefined;
  /** The MSI-X vector, counted from 0; undefined if the function has none. */
  readonly vector: number | undefined;
  /** Where the vector writes. */
  readonly interruptAddress: number;
  readonly msix: MsixLocation;
  /** The words of `DiskState`. */
  readonly state: SharedArrayBuffer;
  readonly readOnly: boolean;
  readonly features: number;
  readonly logicalBlockBytes: number;
  readonly maxLenBytes: number;
  readonly requestTimeoutMs: number;
  /** Where what is done is recorded, if it is. */
  readonly trace: TraceHandle | undefined;
}

/** Who drives it. */
export interface QueueOwner {
  /** Why everything is refused, if it is. */
  readonly failure: BlockptError | undefined;
  /** Ends everything that is outstanding with an error, and refuses what comes. */
  fail(error: BlockptError): void;
  /** Takes what has changed of the disk. */
  refresh(): void;
}

export class QueueEnd {
  /** What the threads of the disk share. */
  readonly state: DiskState;
  /** How long completions are looked for before the interrupt is waited for. */
  readonly patience: Patience;
  readonly #bus: Bus;
  readonly #parts: QueueParts;
  readonly #owner: QueueOwner;
  readonly #doorbell: Doorbell | undefined;
  /** Whether another thread than this one clears the rings. */
  readonly #isShared: boolean;
  readonly #onSuspect: () => void;
  readonly #words: Int32Array;
  #driver: DriverQueue | undefined;
  #watch: EndpointWatch;
  #version: number;
  #epoch: number;
  #isClosed = false;

  /** @param onSuspect - hears, in the thread that attached the disk, that the endpoint has left the queue */
  constructor(bus: Bus, parts: QueueParts, owner: QueueOwner, onSuspect?: () => void) {
    const { doorbell } = parts;
    this.#bus = bus;
    this.#parts = parts;
    this.#owner = owner;
    this.#isShared = onSuspect === undefined;
    this.#onSuspect = onSuspect ?? (() => {});
    this.state = new DiskState(parts.state);
    this.#words = new Int32Array(bus.buffer);
    this.patience = new Patience(doorbell === undefined ? POLLED_LOOK_MS : undefined);
    if (doorbell !== undefined) this.#doorbell = Doorbell.ofQueue(bus.buffer, doorbell);
    bus.msix.locate(parts.msix, bus.bar.offset);
    // Its rings are not written while the disk is offline, nor while they are being cleared.
    do {
      this.#version = this.state.version;
      this.#epoch = this.state.epoch;
    } while (!this.state.enter(parts.index, this.#epoch));
    try {
      if (this.state.isOnline) {
        const position = this.state.position(parts.index, this.#epoch);
        this.#driver = this.#open(position);
      }
    } finally {
      this.state.leave(parts.index);
    }
    this.#watch = new EndpointWatch(bus);
  }

  /** The rings; undefined before the disk was online. */
  get driver(): DriverQueue | undefined {
    return this.#driver;
  }

  /** Counts the clearings of the rings. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether something has changed that `refresh` would take. */
  get isStale(): boolean {
    return this.state.version !== this.#version && !this.#isClosed;
  }

  /** Takes what has changed; true if nothing that was put before is on the rings any more. */
  refresh(): boolean {
    if (this.#isClosed) return false;
    this.#version = this.state.version;
    const { epoch } = this.state;
    if (epoch === this.#epoch) return false;
    this.#epoch = epoch;
    return true;
  }

  /** The disk is online again: its rings from their start. */
  reopen(): void {
    this.#driver?.close();
    this.#driver = this.#open(0);
    this.#watch = new EndpointWatch(this.#bus);
  }

  #open(position: number): DriverQueue {
    const { geometry, trace, device, index } = this.#parts;
    const traced = trace && { trace, disc: device, queue: index };
    return openDriverQueue(this.#bus, geometry, position, traced);
  }

  /** Shows the device all that was put; false if the rings are being cleared. */
  publish(): boolean {
    if (!this.#isShared) {
      this.#driver?.publish();
    } else if (this.state.enter(this.#parts.index, this.#epoch)) {
      this.#driver?.publish();
      this.state.leave(this.#parts.index);
    } else {
      return false;
    }
    this.#doorbell?.ring();
    return true;
  }

  /** The device ring is not as it should be, as `DriverQueue.reap` says. */
  fault(fault: number): void {
    // The rings may have been cleared since: then this was no fault.
    if (this.isStale) {
      this.#owner.refresh();
    } else if (!this.#watch.lives()) {
      // A BAR that was reset has rings that make no sense.
      this.suspect("the endpoint is gone");
    } else if (fault === QueueFault.GONE) {
      this.suspect("the endpoint has left the queue");
    } else {
      const why = `the endpoint broke the protocol on the device ring (fault ${fault})`;
      this.#owner.fail(new BlockptError("ERR_BLOCKPT_PROTOCOL", why));
    }
  }

  /** The endpoint is gone, as far as can be seen from here: the thread that attached the disk sees to it. */
  suspect(why: string): void {
    this.#owner.fail(offline(this.#parts.diskName, why));
    this.state.suspect();
    this.#onSuspect();
  }

  /** Blocks until the interrupt, as the completion ladder does; `look` says how many completions there are. */
  block(waitMs: number, look: () => number): number {
    if (!isEndpointHere(this.#bus.buffer) && !this.#watch.lives()) {
      this.suspect("the endpoint is gone");
      return 0;
    }
    const { vector, interruptAddress } = this.#parts;
    const word = interruptAddress / 4;
    Atomics.store(this.#words, word, 0);
    if (vector !== undefined) this.#bus.msix.unmask(vector);
    let count = look();
    if (count === 0 && this.#owner.failure === undefined) {
      Atomics.wait(this.#words, word, 0, Math.min(waitMs, LOST_INTERRUPT_MS));
      count = look();
    }
    if (vector !== undefined) this.#bus.msix.mask(vector);
    return count;
  }

  /** Resolves once the disk is online. */
  async whenOnline(keepAlive: KeepAlive): Promise<void> {
    keepAlive.ref();
    try {
      for (;;) {
        const { version } = this.state;
        this.#owner.refresh();
        // It may be gone, and nobody have noticed.
        if (this.#owner.failure === undefined && !this.#watch.lives()) {
          this.suspect("the endpoint is gone");
        }
        const { failure } = this.#owner;
        if (failure === undefined) return;
        if (failure.code !== "ERR_BLOCKPT_OFFLINE") throw failure;
        await this.state.versionChange(version, 1000);
      }
    } finally {
      keepAlive.unref();
    }
  }

  /** Ends it. What the device has still, if anything, stays its own: `isAbandoned`. */
  close(isAbandoned: boolean): void {
    this.#isClosed = true;
    const { index } = this.#parts;
    if (isAbandoned) this.state.abandon(index);
    else this.state.release(index, this.#driver?.position ?? 0, this.#epoch);
    this.#driver?.close();
  }
}
