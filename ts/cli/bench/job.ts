// What a job is: how a disk is read and written for a while, as fio's jobs say it; and the lists of
// settings that jobs are made of.

import type { EngineKind } from "blockpt";
import { formatSize } from "../../view/size.js";
import type { Api, Pattern } from "../../workload/pattern.js";

/** One thing to measure. */
export interface Job {
  readonly pattern: Pattern;
  /** Share of reads in percent, of the mixed patterns. */
  readonly readPercent: number;
  /** Bytes of a request. */
  readonly blockBytes: number;
  /** Requests in flight on each queue of each disc; calls that block have one. */
  readonly depth: number;
  /** Queues, each driven by a thread of its own if there is more than one. */
  readonly queues: number;
  readonly engine: EngineKind;
  /** `memory:SIZE`, `null:SIZE`, `file:SIZE` or a path. */
  readonly disc: string;
  /** How many such discs share the load, all of them driven by one thread. */
  readonly discs: number;
  readonly api: Api;
  /** Whether the endpoint copies in bulk; else word by word. */
  readonly dma: boolean;
}

/** What there may be several of. */
export type JobLists = { readonly [Key in keyof Job]: readonly Job[Key][] };

/** Every combination. Calls that block are there once, and not for every depth. */
export function jobsOf(lists: JobLists): Job[] {
  const keys = Object.keys(lists) as (keyof Job)[];
  let jobs: Partial<Job>[] = [{}];
  for (const key of keys) {
    jobs = jobs.flatMap((job) => lists[key].map((value) => ({ ...job, [key]: value })));
  }
  const all = (jobs as Job[]).map((job) => (job.api === "sync" ? { ...job, depth: 1 } : job));
  return all.filter((job, index) => all.findIndex((each) => isSame(each, job)) === index);
}

/** A job in a line: what is said of all jobs alike is left out. */
export function nameOf(job: Job, others: readonly Job[] = []): string {
  const differs = (...keys: readonly (keyof Job)[]): boolean =>
    others.length < 2 || keys.some((key) => others.some((other) => other[key] !== job[key]));
  const isMixed = job.pattern === "randrw" || job.pattern === "rw";
  const parts: [boolean, string][] = [
    [differs("disc", "discs"), job.discs > 1 ? `${job.discs} × ${job.disc}` : job.disc],
    [differs("pattern"), `${job.pattern}${isMixed ? ` ${job.readPercent} %` : ""}`],
    [differs("blockBytes"), formatSize(job.blockBytes)],
    [differs("depth"), `depth ${job.depth}`],
    [differs("queues"), `${job.queues} queue${job.queues === 1 ? "" : "s"}`],
    [differs("api"), job.api],
    [differs("dma"), job.dma ? "DMA" : "PIO"],
    [differs("engine"), job.engine],
  ];
  const shown = parts.filter(([isShown]) => isShown).map(([, text]) => text);
  return shown.join(", ");
}

function isSame(one: Job, other: Job): boolean {
  return (Object.keys(one) as (keyof Job)[]).every((key) => one[key] === other[key]);
}
