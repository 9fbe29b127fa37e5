// The loads of a workload: a worker for each queue, or the page itself.

import type { Bus, RemoteDisk } from "blockpt";
import { openLoad } from "../../workload/load.js";
import { placesOf } from "../../workload/places.js";
import type { Tick } from "../model/series.js";
import type { LoadPlan } from "../model/workload.js";
import type { LoadSide } from "./load-side.js";
import { type RemoteObject, startRemote } from "./remote.js";
import { Failures, tickOf } from "./tick.js";

/** All loads of a workload. */
export interface Loads {
  /** What each queue did in a while. */
  run(milliseconds: number, timedShare: number): Promise<readonly Tick[]>;
  close(): Promise<void>;
}

/** Longer, and the page does not draw. */
const PAGE_SLICE_MS = 30;

/** A thread for each queue, which stays for one workload after another. */
export class LoadThreads {
  readonly #bus: Bus;
  readonly #threads: RemoteObject<LoadSide>[] = [];

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async open(disk: RemoteDisk, plan: LoadPlan): Promise<Loads> {
    while (this.#threads.length < plan.queues) {
      const thread = startRemote<LoadSide>("./load-worker.js", `load ${this.#threads.length}`);
      this.#threads.push(thread);
      await Promise.race([thread.object.open(this.#bus.handle), thread.failure]);
    }
    const used = this.#threads.slice(0, plan.queues);
    const each = <T>(act: (thread: RemoteObject<LoadSide>, index: number) => Promise<T>) =>
      Promise.all(used.map((thread, index) => Promise.race([act(thread, index), thread.failure])));
    const close = async (): Promise<void> => {
      await each(({ object }) => object.finish());
    };
    try {
      await each(({ object }, index) =>
        object.begin({ queue: disk.openQueue(), plan, sizeBytes: disk.sizeBytes, index }),
      );
    } catch (error) {
      await close();
      throw error;
    }
    return {
      run: (milliseconds, timedShare) => each(({ object }) => object.run(milliseconds, timedShare)),
      close,
    };
  }

  async end(): Promise<void> {
    for (const { object, failure, end } of this.#threads.splice(0)) {
      await Promise.race([object.close(), failure]).finally(end);
    }
  }
}

/** The page itself drives the disk's own queue, and draws in between. */
export function openPageLoads(bus: Bus, disk: RemoteDisk, plan: LoadPlan): Loads {
  const failures = new Failures();
  const places = placesOf(plan, disk.sizeBytes, 0);
  const load = openLoad(bus, disk, undefined, { ...plan, places, onError: failures.add });
  return {
    async run(milliseconds, timedShare) {
      const slices: Tick[] = [];
      const endAt = performance.now() + milliseconds;
      do {
        slices.push(await tickOf(load, PAGE_SLICE_MS, timedShare, failures));
        await new Promise((resolve) => setTimeout(resolve));
      } while (performance.now() < endAt);
      return [sumOf(slices)];
    },
    async close() {
      load.close();
    },
  };
}

function sumOf(ticks: readonly Tick[]): Tick {
  const sum = (value: (tick: Tick) => number): number =>
    ticks.reduce((total, tick) => total + value(tick), 0);
  return {
    requests: sum(({ requests }) => requests),
    others: sum(({ others }) => others),
    milliseconds: sum(({ milliseconds }) => milliseconds),
    errors: sum(({ errors }) => errors),
    firstError: ticks.find(({ firstError }) => firstError !== undefined)?.firstError,
    latencies: Float64Array.from(ticks.flatMap(({ latencies }) => [...latencies])),
  };
}
