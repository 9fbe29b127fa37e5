// A tick of a load: for the most part as it is, and for a share of it with every request timed, as that costs time, too.

import type { Load } from "../../workload/load.js";
import { messageOf } from "../model/message.js";
import type { Tick } from "../model/series.js";

/** Requests of a tick whose time is kept. */
const MOST_TIMED = 8192;

/** Requests of a load that failed: an endpoint that is gone has thousands in a tick, so only the first error is kept. */
export class Failures {
  #count = 0;
  #first: unknown;

  readonly add = (error: unknown): void => {
    if (this.#count++ === 0) this.#first = error;
  };

  /** How many since the last time, and what the first one said. */
  take(): { count: number; first: string | undefined } {
    const count = this.#count;
    this.#count = 0;
    return { count, first: count === 0 ? undefined : messageOf(this.#first) };
  }
}

export async function tickOf(
  load: Load,
  milliseconds: number,
  timedShare: number,
  failures: Failures,
): Promise<Tick> {
  const work = await load.run(milliseconds * (1 - timedShare));
  const failed = failures.take();
  const latencies = new Float64Array(timedShare > 0 ? MOST_TIMED : 0);
  let timed = 0;
  let others = 0;
  if (timedShare > 0) {
    const extra = await load.run(milliseconds * timedShare, (nanoseconds) => {
      if (timed < MOST_TIMED) latencies[timed++] = nanoseconds / 1000;
    });
    others = extra.requests;
  }
  const failedOthers = failures.take();
  return {
    requests: work.requests - failed.count,
    others: others - failedOthers.count,
    milliseconds: work.milliseconds,
    latencies: latencies.slice(0, timed),
    errors: failed.count + failedOthers.count,
    firstError: failed.first ?? failedOthers.first,
  };
}
