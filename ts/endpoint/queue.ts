// One queue of an exported disc, as the endpoint keeps it: its geometry and vector
// as the root complex set them, and the worker that serves it.

import { MAX_LEN_BYTES, RING_GONE, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { Doorbell } from "../bus/doorbell.js";
import type { Disc } from "../discs/disc.js";
import type { BusRange, QueueGeometry } from "../engine/engine.js";
import type { TracedQueue, TraceHandle } from "../trace/trace.js";
import {
  CONTROL_SECTORS,
  CONTROL_TOTALS,
  QUEUE_CONTROL_BYTES,
  QueueControl,
  QueueState,
} from "./queue-control.js";
import { QueueThread, type QueueWorkerSource } from "./queue-thread.js";
import { type QueueStatistics, QueueTotals } from "./queue-totals.js";
import type { QueueWorkerData, QueueWorkerReport } from "./queue-worker.js";

/** Where a queue is, and what was agreed on for it. */
export interface QueuePlace {
  readonly geometry: QueueGeometry;
  /** The descriptor space that it takes. */
  readonly range: BusRange;
  /** The doorbell block, in the bus, if the root complex rings one. */
  readonly doorbell: number | undefined;
  /** What the root complex has enabled: bits of `Feature`. */
  readonly features: number;
}

/** What an endpoint's queues have in common. */
export interface QueueSurroundings {
  readonly bus: Bus;
  readonly msix: MsixLocation;
  /** The endpoint's generation. */
  readonly generation: number;
  readonly trace: TraceHandle | undefined;
  /** The faults of the link. */
  readonly linkFaults: SharedArrayBuffer;
  /** What the threads are made of. */
  readonly queueWorker: QueueWorkerSource | undefined;
}

/** What a queue is started with. */
export interface ServedDisc {
  readonly disc: Disc;
  readonly readOnly: boolean;
  /** Copy memory discs word by word. */
  readonly pio: boolean;
  /** The faults of the export. */
  readonly faults: SharedArrayBuffer;
  /** Where what is done is recorded, if it is. */
  readonly traced: TracedQueue | undefined;
}

export class EndpointQueue {
  /** Where SET_QUEUE put the queue; undefined before. */
  place: QueuePlace | undefined;
  readonly #control: Int32Array;
  readonly #totals: QueueTotals;
  #ended: Promise<void> | undefined;
  #running = false;
  /** Undefined also of one that was killed. */
  #thread: QueueThread | undefined;
  #doorbell: Doorbell | undefined;

  constructor() {
    const control = new SharedArrayBuffer(QUEUE_CONTROL_BYTES);
    this.#control = new Int32Array(control);
    this.#totals = new QueueTotals(control, CONTROL_TOTALS);
  }

  /** The vector that is raised, counted from 1; 0 is none. */
  get irq(): number {
    return Atomics.load(this.#control, QueueControl.irq);
  }

  /** What was done, to the worker's last round. */
  get statistics(): QueueStatistics {
    return this.#totals.read();
  }

  /** SET_IRQ: the vector to raise, counted from 1. Takes effect at once. */
  setIrq(irq: number): void {
    Atomics.store(this.#control, QueueControl.irq, irq);
  }

  /** Starts the worker. `onFailure` hears of a queue that ended before it was stopped, and why. */
  start(
    surroundings: QueueSurroundings,
    { disc, readOnly, ...served }: ServedDisc,
    onFailure: (reason: string) => void,
  ): void {
    if (this.place === undefined) return;
    const { bus, msix, generation, linkFaults, queueWorker } = surroundings;
    const { geometry, doorbell, features } = this.place;
    Atomics.store(this.#control, QueueControl.state, QueueState.serve);
    // The worker starts with all that was changed before.
    const changes = Atomics.load(this.#control, QueueControl.changes);
    Atomics.store(this.#control, QueueControl.changesTaken, changes);
    this.#setSectors(disc.sizeBytes / SECTOR_BYTES);
    this.#doorbell = doorbell === undefined ? undefined : Doorbell.ofQueue(bus.buffer, doorbell);
    const data: Omit<QueueWorkerData, "owner"> = {
      bus: bus.handle,
      msix,
      disc: disc.handle,
      geometry,
      limits: {
        numSectors: disc.sizeBytes / SECTOR_BYTES,
        maxLenBytes: MAX_LEN_BYTES,
        readOnly,
        features,
        hostMemory: bus.hostMemory,
        iommuTable: bus.handle.layout.iommuTable,
      },
      doorbell,
      generation,
      control: this.#control.buffer as SharedArrayBuffer,
      linkFaults,
      ...served,
    };
    const owner = bus.owners.claim();
    let resolve = (): void => {};
    const ended = new Promise<void>((done) => {
      resolve = done;
    });
    // Its last event may come when the next worker serves the queue.
    let hasEnded = false;
    const end = (reason: string | undefined): void => {
      if (hasEnded) return;
      hasEnded = true;
      this.#running = false;
      if (reason !== undefined && this.#thread === thread) {
        // The reference driver would take the idx for so many entries.
        if (features !== 0) this.leave(surroundings);
        onFailure(reason);
      }
      resolve();
    };
    const onExit = (): void => {
      bus.reclaim(owner);
      end(undefined);
    };
    const onReport = (report: unknown): void => end((report as QueueWorkerReport).reason);
    let thread: QueueThread;
    try {
      const events = { onReport, onFailure: end, onExit };
      thread = new QueueThread({ ...data, owner }, queueWorker, events);
    } catch (error) {
      // As where Node runs without the permission for threads.
      bus.reclaim(owner);
      throw error;
    }
    this.#thread = thread;
    this.#ended = ended;
    this.#running = true;
  }

  /** The disc has another size; done once the worker checks against it. */
  async resize(sectors: number): Promise<void> {
    this.#setSectors(sectors);
    await this.changed();
  }

  /** The disc's faults, or the link's, are others; done once the worker goes by them. */
  async changed(): Promise<void> {
    if (!this.#running) return;
    const count = Atomics.add(this.#control, QueueControl.changes, 1) + 1;
    this.#poke();
    while (this.#running && Atomics.load(this.#control, QueueControl.changesTaken) < count) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Lets the worker finish what is outstanding; done once it touches the bus no more. */
  async stop(): Promise<void> {
    Atomics.store(this.#control, QueueControl.state, QueueState.stop);
    this.#poke();
    await this.#ended;
    this.#ended = undefined;
  }

  /** Ends the worker wherever it is, and tells nobody. */
  async kill(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
    await this.#ended;
  }

  /** Raises the vector, if the root complex has set one. */
  raise(bus: Bus): boolean {
    if (this.irq === 0) return false;
    bus.msix.raise(this.irq - 1);
    return true;
  }

  /** Tells whoever drives the queue that nobody will answer any more, unless another endpoint does. */
  leave({ bus, generation }: QueueSurroundings): void {
    if (this.place === undefined || bus.owners.generation !== generation) return;
    const { deviceRing } = this.place.geometry;
    Atomics.store(new Uint16Array(bus.buffer, deviceRing, 1), 0, RING_GONE);
    if (this.raise(bus)) this.#totals.countInterrupt();
  }

  #setSectors(sectors: number): void {
    Atomics.store(new BigInt64Array(this.#control.buffer), CONTROL_SECTORS, BigInt(sectors));
  }

  /** Wakes the worker, wherever it sleeps. */
  #poke(): void {
    Atomics.notify(this.#control, QueueControl.state);
    this.#doorbell?.wake();
  }
}
