// One queue of an exported disc, as the endpoint keeps it: its geometry and vector
// as the root complex set them, and the worker that serves it.

import { Worker } from "node:worker_threads";
import { MAX_LEN_BYTES, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import type { Disc } from "../discs/disc.js";
import type { BusRange, QueueGeometry } from "../engine/engine.js";
import { QueueFault } from "../engine/records.js";
import { QUEUE_CONTROL_BYTES, QueueControl, QueueState } from "./queue-control.js";
import type { QueueWorkerData, QueueWorkerReport } from "./queue-worker.js";

/** Where a queue is: its parts, and the descriptor space that it takes. */
export interface QueuePlace {
  readonly geometry: QueueGeometry;
  readonly range: BusRange;
}

const FAULTS: Readonly<Record<number, string>> = {
  [QueueFault.RING_INDEX]: "the driver ring's idx is out of range",
  [QueueFault.DESCRIPTOR_INDEX]: "the driver ring holds the index of no descriptor",
  [QueueFault.DESCRIPTOR_STATE]: "the driver ring holds a descriptor that is still in service",
};

export class EndpointQueue {
  /** Where SET_QUEUE put the queue; undefined before. */
  place: QueuePlace | undefined;
  readonly #control = new Int32Array(new SharedArrayBuffer(QUEUE_CONTROL_BYTES));
  #ended: Promise<void> | undefined;

  /** SET_IRQ: the vector to raise, counted from 1. Takes effect at once. */
  setIrq(irq: number): void {
    Atomics.store(this.#control, QueueControl.irq, irq);
  }

  /** Starts the worker. `onFailure` hears of a queue that ended before it was stopped, and why. */
  start(
    bus: Bus,
    msix: MsixLocation,
    disc: Disc,
    readOnly: boolean,
    pio: boolean,
    onFailure: (reason: string) => void,
  ): void {
    if (this.place === undefined) return;
    Atomics.store(this.#control, QueueControl.state, QueueState.serve);
    const data: QueueWorkerData = {
      bus: bus.handle,
      msix,
      disc: disc.handle,
      geometry: this.place.geometry,
      limits: {
        numSectors: disc.sizeBytes / SECTOR_BYTES,
        maxLenBytes: MAX_LEN_BYTES,
        readOnly,
        hostMemory: bus.hostMemory,
        iommuTable: bus.handle.layout.iommuTable,
      },
      pio,
      control: this.#control.buffer as SharedArrayBuffer,
    };
    const worker = new Worker(new URL("./queue-worker.js", import.meta.url), {
      workerData: data,
      // Not the process's own flags: some, as --input-type, are no flags of a worker.
      execArgv: [],
    });
    this.#ended = new Promise((resolve) => {
      let reported = false;
      worker.on("message", (report: QueueWorkerReport) => {
        reported = true;
        if (report.fault !== 0) onFailure(FAULTS[report.fault] ?? `fault ${report.fault}`);
        resolve();
      });
      worker.on("error", (error) => {
        reported = true;
        onFailure(`its worker failed: ${error instanceof Error ? error.message : String(error)}`);
        resolve();
      });
      worker.on("exit", (code) => {
        if (!reported) onFailure(`its worker ended with code ${code}`);
        resolve();
      });
    });
  }

  /** Lets the worker finish what is outstanding; done once it touches the bus no more. */
  async stop(): Promise<void> {
    Atomics.store(this.#control, QueueControl.state, QueueState.stop);
    Atomics.notify(this.#control, QueueControl.state);
    await this.#ended;
    this.#ended = undefined;
    this.place = undefined;
  }
}
