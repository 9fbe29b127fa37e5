// A disc as an endpoint exports it: under a name, with queues that the root complex
// sets up, starts and stops.

import { Feature, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { Disc } from "../discs/disc.js";
import { nameComplaint } from "../discs/disc-name.js";
import { BlockptError } from "../errors.js";
import { EndpointQueue, type QueueSurroundings } from "./queue.js";

/** Where an endpoint tells what it does, and what went wrong on a queue. */
export type ReportQueueStopped = (report: QueueStopped) => void;

/** A queue that was stopped because it could go no further. */
export interface QueueStopped {
  /** The name the disc is exported under. */
  readonly discName: string;
  /** Which of its queues. */
  readonly queue: number;
  /** Why. */
  readonly reason: string;
}

/** How a disc is exported, in full. */
export interface ExportedDiscOptions {
  readonly discName: string;
  readonly queues: number;
  readonly readOnly: boolean;
  readonly dma: boolean;
}

export class ExportedDisc {
  readonly disc: Disc;
  readonly options: ExportedDiscOptions;
  readonly readOnly: boolean;
  readonly queues: readonly EndpointQueue[];
  /** SET_IRQ for the disc's events: the vector to raise, counted from 1; 0 is none. */
  eventsIrq = 0;
  #started = false;

  constructor(disc: Disc, options: ExportedDiscOptions) {
    this.disc = disc;
    this.options = options;
    this.readOnly = options.readOnly || disc.readOnly;
    this.queues = Array.from({ length: options.queues }, () => new EndpointQueue());
  }

  /** What the root complex sees. */
  get discName(): string {
    return this.options.discName;
  }

  /** Whether a root complex is attached. */
  get started(): boolean {
    return this.#started;
  }

  /** What the extension block offers for it: bits of `Feature`. */
  get features(): number {
    return Feature.DOORBELL | this.disc.features;
  }

  /** Size in sectors. */
  get sectors(): number {
    return this.disc.sizeBytes / SECTOR_BYTES;
  }

  /** START: serves every queue that was set. False if there is none, or it is started. */
  start(surroundings: QueueSurroundings, report: ReportQueueStopped): boolean {
    if (this.#started || !this.queues.some((queue) => queue.place !== undefined)) return false;
    this.#started = true;
    for (const [index, queue] of this.queues.entries()) {
      const failed = (reason: string): void =>
        report({ discName: this.discName, queue: index, reason });
      try {
        const { trace } = surroundings;
        const traced = trace && { trace, disc: this.discName, queue: index };
        queue.start(surroundings, this.disc, this.readOnly, !this.options.dma, traced, failed);
      } catch (error) {
        failed(`its worker cannot be started: ${String(error)}`);
        void this.stop();
        return false;
      }
    }
    return true;
  }

  /** STOP: drains every queue, and forgets where they were. False if it was not started; it forgets then, too. */
  async stop(): Promise<boolean> {
    const wasStarted = this.#started;
    await this.drain();
    for (const queue of this.queues) queue.place = undefined;
    this.#started = false;
    return wasStarted;
  }

  /** For an endpoint that goes: finishes what is outstanding. */
  async drain(): Promise<void> {
    await Promise.all(this.queues.map((queue) => queue.stop()));
  }

  /** For an endpoint that has drained it: whoever is attached learns that nobody will answer. */
  leave(surroundings: QueueSurroundings): void {
    for (const queue of this.queues) {
      queue.leave(surroundings);
      queue.place = undefined;
      queue.setIrq(0);
    }
    this.eventsIrq = 0;
    this.#started = false;
  }

  /** Gives the disc another size, in bytes, or takes the one that it has become; then raises the events' vector. */
  async resize(bus: Bus, sizeBytes: number | undefined): Promise<void> {
    const before = this.sectors;
    // A write behind a new end would make the file long again: first the limit, then the file.
    if (sizeBytes !== undefined && sizeBytes < this.disc.sizeBytes) {
      await this.#limit(sizeBytes / SECTOR_BYTES);
    }
    try {
      await this.disc.resize(sizeBytes);
    } finally {
      await this.#limit(this.sectors);
    }
    if (this.sectors !== before) bus.msix.raise(this.eventsIrq - 1);
  }

  async #limit(sectors: number): Promise<void> {
    await Promise.all(this.queues.map((queue) => queue.resize(sectors)));
  }
}

/** Throws unless a name can stand in the register. */
export function checkDiscName(discName: string): void {
  const complaint = nameComplaint(discName);
  if (complaint === undefined) return;
  throw new BlockptError(
    "ERR_BLOCKPT_NAME",
    `the disc name ${JSON.stringify(discName)} ${complaint}`,
  );
}
