// Many crashes of many runs: so many of each run, then another run. Used by `npm run crash`.

import { crashOften, type Finding } from "./recording.js";
import type { Workload } from "./workloads.js";

/** Crashes of a workload before it is run anew, with another seed. */
const ROUNDS_OF_A_RUN = 30;

/** What came of one workload. */
export interface Tally {
  readonly name: string;
  runs: number;
  crashes: number;
  /** Of the recorded runs. */
  changes: number;
  flushes: number;
  readonly findings: Finding[];
}

/**
 * Crashes a workload so often.
 *
 * @param seed - of the first run; each other one has the next
 * @param onRound - after each crash
 * @param isEnough - whether to end before
 */
export async function crashWorkload(
  workload: Workload,
  rounds: number,
  seed: number,
  onRound: () => void,
  isEnough: () => boolean,
): Promise<Tally> {
  const { name } = workload;
  const tally: Tally = { name, runs: 0, crashes: 0, changes: 0, flushes: 0, findings: [] };
  const step = (): void => {
    tally.crashes++;
    onRound();
  };
  while (tally.crashes < rounds && !isEnough()) {
    const { recordings, close } = await workload.record(seed + tally.runs);
    try {
      const each = Math.ceil(ROUNDS_OF_A_RUN / recordings.length);
      for (const recording of recordings) {
        const operations = recording.disc.operations();
        const flushes = operations.filter(({ operation }) => operation === "flush").length;
        tally.flushes += flushes;
        tally.changes += operations.length - flushes;
        const count = Math.min(each, rounds - tally.crashes);
        const found = await crashOften(recording, count, seed + tally.runs, {}, step);
        tally.findings.push(...found);
      }
    } finally {
      await close();
    }
    tally.runs++;
  }
  return tally;
}
