// Runs the workload on the attached disk, tick by tick, until it is stopped.

import { type Loads, LoadThreads, openPageLoads } from "./machine/loads.js";
import type { Machine } from "./machine/machine.js";
import { KEPT_SAMPLES, NOTHING, sampleOf, withSample } from "./model/series.js";
import { objection, planOf } from "./model/workload.js";
import * as state from "./state.js";
import { fail, say } from "./state.js";

const TICK_MS = 250;
const TIMED_SHARE = 0.2;

let isWanted = false;
let running: Promise<void> = Promise.resolve();

export function startWorkload(): void {
  const machine = state.machine.value;
  const bounds = machine?.bounds;
  if (state.isWorking.value || machine === undefined || bounds === undefined) return;
  const why = objection(state.settings.value, bounds);
  if (why !== undefined) {
    fail(new Error(why));
    return;
  }
  isWanted = true;
  state.isWorking.value = true;
  state.failure.value = "";
  running = run(machine)
    .catch(fail)
    .finally(() => {
      state.isWorking.value = false;
    });
}

/** Resolves when every queue is given back. */
export async function stopWorkload(): Promise<void> {
  isWanted = false;
  await running;
}

async function run(machine: Machine): Promise<void> {
  const plan = planOf(state.settings.value);
  const threads = new LoadThreads(machine.bus);
  const { disk } = machine;
  if (disk === undefined) return;
  const isHere = state.settings.value.mode === "page";
  try {
    const loads = isHere ? openPageLoads(machine.bus, disk, plan) : await threads.open(disk, plan);
    try {
      await tick(loads, plan.blockBytes);
    } finally {
      await loads.close();
    }
  } finally {
    await threads.end();
  }
}

async function tick(loads: Loads, blockBytes: number): Promise<void> {
  state.samples.value = [];
  state.summary.value = NOTHING;
  let hasFailed = false;
  const startedAt = performance.now();
  while (isWanted) {
    const ticks = await loads.run(TICK_MS, TIMED_SHARE);
    const sample = sampleOf(ticks, blockBytes, (performance.now() - startedAt) / 1000);
    const requests = ticks.reduce((sum, each) => sum + each.requests + each.others, 0);
    state.samples.value = [...state.samples.value.slice(1 - KEPT_SAMPLES), sample];
    state.summary.value = withSample(state.summary.value, sample, requests);
    const first = ticks.find(({ firstError }) => firstError !== undefined)?.firstError;
    // Once: with a fault for every request there are thousands.
    if (first !== undefined && !hasFailed) {
      hasFailed = true;
      say("error", `A request of the workload failed: ${first}`);
    }
  }
}
