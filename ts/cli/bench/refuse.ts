// Which jobs are refused: those that would do harm, and those that make no sense.

import { readShare } from "../../workload/pattern.js";
import { CliError } from "../failure.js";
import { discOf } from "./discs.js";
import type { Job } from "./job.js";

/**
 * Throws for a job that cannot be, with what to do about it.
 *
 * @param mayWrite - whether a file or block device of the user's may be overwritten
 */
export function refuse(job: Job, mayWrite: boolean): void {
  const { disc, discs, queues, api } = job;
  const isYours = discOf(disc).kind === "path";
  if (isYours && !mayWrite && readShare(job) < 1) {
    const message = `${disc} would be overwritten with ${job.pattern}: say --write if it may be`;
    throw new CliError({ code: "ERR_BENCH_WRITE", message });
  }
  if (discs === 1) return;
  const no = (why: string): never => {
    throw new CliError({ code: "ERR_BENCH_DISCS", message: `--discs ${discs}: ${why}` });
  };
  if (isYours) no(`${disc} is one disc; memory:64M, null:1G or file:64M can be had several times`);
  if (api === "batch" || api === "sync") {
    no(
      `one thread drives all discs, and would wait for one of them with --api ${api}; take promise or callback`,
    );
  }
  if (queues > 1) {
    no(
      `one thread drives all discs, and --queues ${queues} has a thread for each queue; take --queues 1`,
    );
  }
}
