// What queues did between two looks.

import type { DiscReport, QueueStatistics } from "blockpt";
import type { MachineReport } from "../control/protocol.js";

/** The sum over the queues of a disc. */
export function totalsOf({ queues }: DiscReport): QueueStatistics {
  const sum = (name: keyof QueueStatistics): number =>
    queues.reduce((total, { statistics }) => total + statistics[name], 0);
  return {
    reads: sum("reads"),
    writes: sum("writes"),
    flushes: sum("flushes"),
    discards: sum("discards"),
    bytesRead: sum("bytesRead"),
    bytesWritten: sum("bytesWritten"),
    errors: sum("errors"),
    interrupts: sum("interrupts"),
  };
}

/** Of each second between two reports, by the disc's name; of a disc that is in both, and was not made anew. */
export function ratesOf(
  before: MachineReport,
  after: MachineReport,
): ReadonlyMap<string, QueueStatistics> {
  const seconds = (after.atMs - before.atMs) / 1000;
  const found = new Map<string, QueueStatistics>();
  for (const disc of after.endpoint?.discs ?? []) {
    const earlier = before.endpoint?.discs.find(({ name }) => name === disc.name);
    if (earlier === undefined || before.pid !== after.pid || seconds <= 0) continue;
    const from = totalsOf(earlier);
    const to = totalsOf(disc);
    const names = Object.keys(to) as (keyof QueueStatistics)[];
    if (names.some((name) => to[name] < from[name])) continue;
    const rates = names.map((name) => [name, (to[name] - from[name]) / seconds] as const);
    found.set(disc.name, Object.fromEntries(rates) as unknown as QueueStatistics);
  }
  return found;
}
