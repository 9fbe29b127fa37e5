// SQLite's run on a crash disc. It has several lives: each begins with what a crash of the one before has left, so that
// recovery is part of what is written down, and crashed, too.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { compileThread } from "../threads/compile-thread.js";
import { bounds, type Recording, randomFrom, type Step, startMachine } from "./recording.js";
import { SqliteExaminer } from "./sqlite-examiner.js";
import type { SqliteWriterData, SqliteWriterReport } from "./sqlite-writer.js";

const SIZE_BYTES = 4 * 1024 * 1024;

export const JOURNAL_MODES = ["delete", "truncate", "persist", "wal"] as const;

export interface SqliteRun {
  readonly journalMode: (typeof JOURNAL_MODES)[number];
  readonly seed: number;
  /** How many transactions each life has. */
  readonly transactions: number;
  readonly lives: number;
  /** SQLite's pragma; "full" waits for the disk. */
  readonly synchronous?: "full" | "off" | undefined;
  /** Cut the power once the disc of the only life has this position, instead of having it end. */
  readonly cutAt?: number | undefined;
}

/** Runs SQLite, and gives each of its lives. */
export async function recordSqlite(run: SqliteRun): Promise<Recording[]> {
  const random = randomFrom(run.seed);
  const examiner = await SqliteExaminer.create();
  const recordings: Recording[] = [];
  let contents: number | Uint8Array = SIZE_BYTES;
  let done = 0;
  for (let life = 1; life <= run.lives; life++) {
    const { disc, steps } = await live(run, contents, done);
    const before = done;
    const examine = async (image: Uint8Array, at: number): Promise<string[]> => {
      const { least, most } = bounds(steps, at);
      const found = examiner.examine(image, run.journalMode, before + most);
      if (found.complaint !== undefined) return [found.complaint];
      const there = found.steps as number;
      if (there >= before + least && there <= before + most) return [];
      return [
        `${there} steps are there: ${before + least} were acknowledged, ${before + most} begun`,
      ];
    };
    recordings.push({ name: `sqlite ${run.journalMode}, life ${life}`, disc, examine });
    if (life === run.lives) break;

    const at = Math.floor((0.5 + random() / 2) * disc.position);
    const seed = Math.floor(random() * 2 ** 32);
    contents = disc.crash({ at, seed });
    // What is in it is found out on a copy: the next life recovers it by itself.
    const found = examiner.examine(contents.slice(), run.journalMode, before + steps.length);
    if (found.steps === undefined) {
      throw new Error(
        `life ${life} cannot go on after ${JSON.stringify({ at, seed })}: ${found.complaint}`,
      );
    }
    done = found.steps;
  }
  return recordings;
}

async function live(run: SqliteRun, contents: number | Uint8Array, done: number) {
  const machine = await startMachine(contents, 2);
  const { disc } = machine;
  const data: SqliteWriterData = {
    bus: machine.bus.handle,
    queue: machine.disk.openQueue(),
    disc: disc.handle,
    journalMode: run.journalMode,
    synchronous: run.synchronous ?? "full",
    done: done === 0 ? undefined : done - 1,
    transactions: Math.max(0, done - 1) + run.transactions,
  };
  const worker = new Worker(await compileThread("../crash/sqlite-writer.ts"), { workerData: data });
  try {
    const message = once(worker, "message") as Promise<[SqliteWriterReport]>;
    if (run.cutAt !== undefined) {
      while (disc.position < run.cutAt) await new Promise((resolve) => setImmediate(resolve));
      disc.cut();
    }
    const [report] = await message;
    // Without power the disk's error is the end that it should have.
    const expected = run.cutAt === undefined ? undefined : "ERR_BLOCKPT_IO";
    if (report.error !== expected) throw new Error(`SQLite ends with ${report.error}`);
    return { disc, steps: report.steps as readonly Step[] };
  } finally {
    await worker.terminate();
    await machine.close();
  }
}
