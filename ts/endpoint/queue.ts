// One queue of an exported disc, as the endpoint keeps it: its geometry and vector
// as the root complex set them, and the worker that serves it.

import { Worker } from "node:worker_threads";
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
}

export class EndpointQueue {
  /** Where SET_QUEUE put the queue; undefined before. */
  place: QueuePlace | undefined;
  readonly #control: Int32Array;
  readonly #totals: QueueTotals;
  #ended: Promise<void> | undefined;
  #running = false;
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
    disc: Disc,
    readOnly: boolean,
    pio: boolean,
    traced: TracedQueue | undefined,
    onFailure: (reason: string) => void,
  ): void {
    if (this.place === undefined) return;
    const { bus, msix, generation } = surroundings;
    const { geometry, doorbell, features } = this.place;
    Atomics.store(this.#control, QueueControl.state, QueueState.serve);
    // The disc's size is in the limits.
    const resizes = Atomics.load(this.#control, QueueControl.resizes);
    Atomics.store(this.#control, QueueControl.resizesTaken, resizes);
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
      pio,
      control: this.#control.buffer as SharedArrayBuffer,
      traced,
    };
    const owner = bus.owners.claim();
    const worker = new Worker(new URL("./queue-worker.js", import.meta.url), {
      workerData: { ...data, owner },
      // Not the process's own flags: some, as --input-type, are no flags of a worker.
      execArgv: [],
    });
    this.#running = true;
    this.#ended = new Promise((resolve) => {
      // Its last event may come when the next worker serves the queue.
      let hasEnded = false;
      const end = (reason: string | undefined): void => {
        if (hasEnded) return;
        hasEnded = true;
        this.#running = false;
        if (reason !== undefined) {
          // The reference driver would take the idx for so many entries.
          if (features !== 0) this.leave(surroundings);
          onFailure(reason);
        }
        resolve();
      };
      worker.on("message", (report: QueueWorkerReport) => end(report.reason));
      worker.on("exit", () => bus.reclaim(owner));
      worker.on("error", (error) => {
        end(`its worker failed: ${error instanceof Error ? error.message : String(error)}`);
      });
      worker.on("exit", (code) => end(`its worker ended with code ${code}`));
    });
  }

  /** The disc has another size; done once the worker checks against it. */
  async resize(sectors: number): Promise<void> {
    if (!this.#running) return;
    Atomics.store(new BigInt64Array(this.#control.buffer), CONTROL_SECTORS, BigInt(sectors));
    const count = Atomics.add(this.#control, QueueControl.resizes, 1) + 1;
    this.#poke();
    while (this.#running && Atomics.load(this.#control, QueueControl.resizesTaken) < count) {
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

  /** Tells whoever drives the queue that nobody will answer any more, unless another endpoint does. */
  leave({ bus, generation }: QueueSurroundings): void {
    if (this.place === undefined || bus.owners.generation !== generation) return;
    const { deviceRing } = this.place.geometry;
    Atomics.store(new Uint16Array(bus.buffer, deviceRing, 1), 0, RING_GONE);
    if (this.irq === 0) return;
    bus.msix.raise(this.irq - 1);
    this.#totals.countInterrupt();
  }

  /** Wakes the worker, wherever it sleeps. */
  #poke(): void {
    Atomics.notify(this.#control, QueueControl.state);
    this.#doorbell?.wake();
  }
}
