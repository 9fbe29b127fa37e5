// A load in a thread of its own: it keeps one queue of the disk busy, a tick at a time.

import { type Bus, type BusHandle, openBus, type QueueHandle } from "blockpt";
import { type Load, openLoad } from "../../workload/load.js";
import { placesOf } from "../../workload/places.js";
import type { Tick } from "../model/series.js";
import type { LoadPlan } from "../model/workload.js";
import { Failures, tickOf } from "./tick.js";

export interface LoadOrder {
  readonly queue: QueueHandle;
  readonly plan: LoadPlan;
  readonly sizeBytes: number;
  /** Which of the plan's queues it is, from 0. */
  readonly index: number;
}

export class LoadSide {
  #bus: Bus | undefined;
  #load: Load | undefined;
  readonly #failures = new Failures();

  open(bus: BusHandle): void {
    this.#bus = openBus(bus);
  }

  /** Opens a queue; any other one is closed before. */
  begin({ queue, plan, sizeBytes, index }: LoadOrder): void {
    if (this.#bus === undefined) throw new Error("the load has no bus");
    const places = placesOf(plan, sizeBytes, index);
    const onError = this.#failures.add;
    this.#load = openLoad(this.#bus, undefined, queue, { ...plan, places, onError });
  }

  /** Goes on for a while. */
  run(milliseconds: number, timedShare: number): Promise<Tick> {
    if (this.#load === undefined) throw new Error("the load has no queue");
    return tickOf(this.#load, milliseconds, timedShare, this.#failures);
  }

  /** Gives the queue back. */
  finish(): void {
    this.#load?.close();
    this.#load = undefined;
  }

  close(): void {
    this.finish();
    this.#bus?.close();
  }
}
