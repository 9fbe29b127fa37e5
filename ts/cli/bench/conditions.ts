// What a figure was measured in: the machine, the versions, and how much of the processor others took.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";

/** What the figures were measured on. */
export interface Environment {
  readonly date: string;
  readonly version: string;
  readonly node: string;
  readonly v8: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
}

export function describeEnvironment(version: string): Environment {
  return {
    date: new Date().toISOString(),
    version,
    node: process.version,
    v8: process.versions.v8,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${process.arch}`,
  };
}

/** Processor time between two moments. */
export interface Usage {
  /** Processors that other processes kept busy. */
  readonly others: number;
  /** Seconds of this thread; undefined where the system does not tell. */
  readonly ownSeconds: number | undefined;
  /** Seconds of this process's other threads, or of all where the system does not tell. */
  readonly restSeconds: number;
}

/** Watches the processors until the result is called. */
export function watchProcessors(): () => Usage {
  const busy = busyMilliseconds();
  const all = process.cpuUsage();
  const own = mainThreadSeconds();
  const startedAt = performance.now();
  return () => {
    const elapsed = performance.now() - startedAt;
    const { user, system } = process.cpuUsage(all);
    const seconds = (user + system) / 1e6;
    const ownAfter = mainThreadSeconds();
    const ownSeconds = own === undefined || ownAfter === undefined ? undefined : ownAfter - own;
    return {
      // The machine counts in ticks of 10 ms, so a short time can come out below 0.
      others: Math.max(0, (busyMilliseconds() - busy - seconds * 1000) / elapsed),
      ownSeconds,
      restSeconds: Math.max(0, seconds - (ownSeconds ?? 0)),
    };
  };
}

function busyMilliseconds(): number {
  let sum = 0;
  for (const { times } of cpus()) sum += times.user + times.nice + times.sys + times.irq;
  return sum;
}

/** Processor time of the main thread, by Linux's scheduler. */
function mainThreadSeconds(): number | undefined {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(
      " ",
    );
    return Number(nanoseconds) / 1e9;
  } catch {
    return undefined;
  }
}
