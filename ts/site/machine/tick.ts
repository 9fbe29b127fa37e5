// A tick of a load: for the most part as it is, and for a share of it with every request timed, as that costs time, too.

import type { Load } from "../../workload/load.js";
import type { Tick } from "../model/series.js";

/** Requests of a tick whose time is kept. */
const MOST_TIMED = 8192;

export async function tickOf(
  load: Load,
  milliseconds: number,
  timedShare: number,
  takeErrors: () => readonly unknown[],
): Promise<Tick> {
  const work = await load.run(milliseconds * (1 - timedShare));
  const latencies = new Float64Array(timedShare > 0 ? MOST_TIMED : 0);
  let timed = 0;
  let others = 0;
  if (timedShare > 0) {
    const extra = await load.run(milliseconds * timedShare, (nanoseconds) => {
      if (timed < MOST_TIMED) latencies[timed++] = nanoseconds / 1000;
    });
    others = extra.requests;
  }
  const errors = takeErrors();
  return {
    requests: work.requests,
    others,
    milliseconds: work.milliseconds,
    latencies: latencies.slice(0, timed),
    errors: errors.length,
    firstError: errors[0] === undefined ? undefined : messageOf(errors[0]),
  };
}

/** What went wrong, in a line, with its code where it has one. */
export function messageOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const text = typeof message === "string" ? message : String(error);
  return typeof code === "string" ? `${code}: ${text}` : text;
}
