// Measures both engines on machines of their own, in turns, so that what disturbs the browser disturbs both.

import type { EngineKind } from "blockpt";
import { LoadThreads } from "./machine/loads.js";
import { Machine } from "./machine/machine.js";
import { COMPARISON_JOBS, type ComparisonJob, ENGINES, rowOf } from "./model/comparison.js";
import { describeJob } from "./model/describe-job.js";
import { planOf } from "./model/workload.js";
import * as state from "./state.js";
import { fail, say } from "./state.js";

const DISC_BYTES = 64 * 1024 * 1024;
const NUM_DESCRIPTORS = 64;
const ROUNDS = 3;
const ROUND_MS = 200;
const WARM_UP_MS = 150;

interface Contestant {
  readonly machine: Machine;
  readonly threads: LoadThreads;
}

let isWanted = false;

export function stopComparison(): void {
  isWanted = false;
}

export async function startComparison(): Promise<void> {
  if (state.comparing.value !== "") return;
  isWanted = true;
  state.comparing.value = "starting both engines";
  state.failure.value = "";
  state.comparison.value = [];
  const contestants = new Map<EngineKind, Contestant>();
  try {
    for (const engine of ENGINES) contestants.set(engine, await open(engine));
    for (const [index, job] of COMPARISON_JOBS.entries()) {
      if (!isWanted) break;
      state.comparing.value = `${index + 1} of ${COMPARISON_JOBS.length}: ${describeJob(job)}`;
      const row = rowOf(job, await measure(job, contestants));
      state.comparison.value = [...state.comparison.value, row];
    }
    say("note", isWanted ? "Both engines were compared." : "The comparison was stopped.");
  } catch (error) {
    fail(error);
  } finally {
    for (const { threads, machine } of contestants.values()) {
      await threads.end().catch(fail);
      await machine.close().catch(fail);
    }
    state.comparing.value = "";
  }
}

async function open(engine: EngineKind): Promise<Contestant> {
  const machine = await Machine.export({
    source: { kind: "memory", sizeBytes: DISC_BYTES },
    name: "ram0",
    engine,
    readOnly: false,
    workerQueues: 1,
    log: () => {},
  });
  await machine.attach(NUM_DESCRIPTORS);
  return { machine, threads: new LoadThreads(machine.bus) };
}

/** Requests a second of each engine, a figure a round. */
async function measure(
  job: ComparisonJob,
  contestants: ReadonlyMap<EngineKind, Contestant>,
): Promise<Record<EngineKind, number[]>> {
  const figures: Record<EngineKind, number[]> = { wasm: [], typescript: [] };
  const plan = planOf({ ...job, isRandom: true, readPercent: 100, queues: 1 });
  const opened = [];
  try {
    for (const [engine, { machine, threads }] of contestants) {
      const { disk } = machine;
      if (disk === undefined) throw new Error("the disk is not attached");
      opened.push({ engine, loads: await threads.open(disk, plan) });
    }
    for (const { loads } of opened) await loads.run(WARM_UP_MS, 0);
    for (let round = 0; round < ROUNDS; round++) {
      for (const { engine, loads } of opened) {
        const [tick] = await loads.run(ROUND_MS, 0);
        if (tick?.firstError !== undefined) throw new Error(tick.firstError);
        if (tick !== undefined) figures[engine].push((1000 * tick.requests) / tick.milliseconds);
      }
    }
  } finally {
    for (const { loads } of opened) await loads.close();
  }
  return figures;
}
