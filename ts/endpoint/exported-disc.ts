// A disc as an endpoint exports it: under a name, with queues that the root complex
// sets up, starts and stops.

import type { Bus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import type { Disc } from "../discs/disc.js";
import { EndpointQueue } from "./queue.js";

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

export class ExportedDisc {
  readonly discName: string;
  readonly disc: Disc;
  readonly readOnly: boolean;
  readonly queues: readonly EndpointQueue[];
  readonly #pio: boolean;
  #started = false;

  constructor(discName: string, disc: Disc, queues: number, readOnly: boolean, pio: boolean) {
    this.discName = discName;
    this.disc = disc;
    this.readOnly = readOnly || disc.readOnly;
    this.queues = Array.from({ length: queues }, () => new EndpointQueue());
    this.#pio = pio;
  }

  /** Whether a root complex is attached. */
  get started(): boolean {
    return this.#started;
  }

  /** The device rings of the queues that are set, in the bus. */
  get deviceRings(): number[] {
    return this.queues.flatMap(({ place }) =>
      place === undefined ? [] : place.geometry.deviceRing,
    );
  }

  /** START: serves every queue that was set. False if there is none, or it is started. */
  start(bus: Bus, msix: MsixLocation, report: ReportQueueStopped): boolean {
    if (this.#started || !this.queues.some((queue) => queue.place !== undefined)) return false;
    this.#started = true;
    for (const [index, queue] of this.queues.entries()) {
      const failed = (reason: string): void =>
        report({ discName: this.discName, queue: index, reason });
      try {
        queue.start(bus, msix, this.disc, this.readOnly, this.#pio, failed);
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
    await Promise.all(this.queues.map((queue) => queue.stop()));
    this.#started = false;
    return wasStarted;
  }
}
