// What the person can do, and what becomes of the state by it: one thing at a time, and what goes wrong is said.

import { batch } from "@preact/signals";
import { type LinkFaults, parseFault } from "blockpt";
import { Machine } from "./machine/machine.js";
import { Stepper } from "./machine/stepper.js";
import {
  attachCommand,
  detachCommand,
  exportCommands,
  faultCommand,
  PROBE_COMMAND,
  STOP_COMMAND,
  UNPROBE_COMMAND,
} from "./model/log.js";
import { discNameOf, sourceOf } from "./model/source.js";
import { STAGE_WORDS } from "./model/step.js";
import { startWorkload, stopWorkload } from "./run-workload.js";
import * as state from "./state.js";
import { fail, say } from "./state.js";
import { watch } from "./watch.js";

const SECTOR_BYTES = 512;
let stopWatching = (): void => {};
let stepper: Stepper | undefined;

/** What is done one after the other. */
interface Lane {
  last: Promise<void>;
}

const machineLane: Lane = { last: Promise.resolve() };
/** Requests may take as long as the disc likes: the machine does not wait for them. */
const diskLane: Lane = { last: Promise.resolve() };
/** Longer than this nobody waits for a disc that is stopped. */
const STOP_GRACE_MS = 5000;

function inLane(lane: Lane, task: () => Promise<void>): Promise<void> {
  lane.last = lane.last.then(task);
  return lane.last;
}

/** Makes a request of the disk. */
function request(task: () => Promise<void>): Promise<void> {
  return inLane(diskLane, async () => {
    state.failure.value = "";
    await task().catch(fail);
  });
}

/** Resolves when nothing of this page's is in flight on the disk. */
async function quiet(): Promise<void> {
  await stopWorkload();
  await diskLane.last;
}

/** Does something that takes a while, when what was asked for before is done; unless that has made it void. */
function act(
  what: string,
  task: () => Promise<void>,
  isDue: () => boolean = () => true,
): Promise<void> {
  return inLane(machineLane, async () => {
    if (!isDue()) return;
    state.busy.value = what;
    state.failure.value = "";
    try {
      await task();
    } catch (error) {
      fail(error);
    } finally {
      state.busy.value = "";
    }
  });
}

const isIn = (phase: state.Phase) => (): boolean => state.phase.value === phase;

export function exportDisc(): Promise<void> {
  return act(
    "exporting",
    async () => {
      const source = sourceOf(state.sourceForm.value, document.baseURI);
      if (typeof source === "string") throw new Error(source);
      const name = discNameOf(source);
      const readOnly = state.readOnly.value;
      const workerQueues = state.workerQueues.value;
      for (const command of exportCommands(name, readOnly, workerQueues + 1))
        say("command", command);
      const machine = await Machine.export({
        ...{ source, name, readOnly, workerQueues },
        engine: state.engine.value,
        log: (line) => say("driver", line),
      });
      batch(() => {
        state.machine.value = machine;
        state.phase.value = "exported";
      });
      say("note", `The link is up, engine ${machine.bus.engine.kind}.`);
      stopWatching = watch(machine, (error) => void lose(error));
    },
    isIn("empty"),
  );
}

export function attach(): Promise<void> {
  return act(
    "attaching",
    async () => {
      const machine = theMachine();
      say("command", PROBE_COMMAND);
      say("command", attachCommand(machine.options.name));
      await machine.attach(state.numDescriptors.value);
      state.phase.value = "attached";
    },
    isIn("exported"),
  );
}

export function detach(): Promise<void> {
  return act(
    "detaching",
    async () => {
      const machine = theMachine();
      await quiet();
      say("command", detachCommand(machine.options.name));
      await machine.detach();
      await machine.leave();
      say("command", UNPROBE_COMMAND);
      state.phase.value = "exported";
      state.sector.value = undefined;
    },
    isIn("attached"),
  );
}

/** Takes the link down and everything away, also from a disc that does not answer. */
export function stop(): Promise<void> {
  const timer = setTimeout(() => void killEndpointNow(), STOP_GRACE_MS);
  return act(
    "stopping",
    async () => {
      const machine = theMachine();
      await quiet();
      if (state.phase.value === "stepping") await endSteps();
      if (state.phase.value === "attached") say("command", detachCommand(machine.options.name));
      say("command", STOP_COMMAND);
      try {
        await machine.close();
      } finally {
        forget();
      }
    },
    () => state.machine.value !== undefined,
  ).finally(() => clearTimeout(timer));
}

/** What waits for it fails, in two seconds. */
async function killEndpointNow(): Promise<void> {
  if (state.machine.value === undefined || state.isKilled.value) return;
  await state.machine.value.kill().catch(fail);
  state.isKilled.value = true;
  say("note", "The endpoint was killed: no answer, no heartbeat, and the bus as it was.");
}

export function work(): Promise<void> {
  return act("starting the workload", async () => startWorkload(), isIn("attached"));
}

export function readSector(number: number): Promise<void> {
  return request(async () => {
    const disk = theDisk();
    const bytes = new Uint8Array(SECTOR_BYTES);
    state.sector.value = undefined;
    await disk.read(bytes, number * SECTOR_BYTES);
    state.sector.value = { number, bytes };
  });
}

export function writeSector(number: number, text: string): Promise<void> {
  return request(async () => {
    const bytes = new Uint8Array(SECTOR_BYTES);
    bytes.set(new TextEncoder().encode(text).subarray(0, SECTOR_BYTES));
    const disk = theDisk();
    await disk.write(bytes, number * SECTOR_BYTES);
    await disk.flush();
    state.sector.value = { number, bytes };
  });
}

/** Rules as they are typed, one a line. */
export function setFaults(text: string): Promise<void> {
  return act("setting faults", async () => {
    const rules = rulesOf(text);
    for (const rule of rules) parseFault(rule);
    const machine = theMachine();
    say("command", faultCommand(machine.options.name, rules));
    await machine.setFaults(rules);
  });
}

export function rulesOf(text: string): string[] {
  return text.split(/\s+/).filter((rule) => rule !== "");
}

export function setLinkFaults(faults: LinkFaults): Promise<void> {
  return act("setting the link's faults", async () => {
    await theMachine().setLinkFaults(faults);
    const names = Object.keys(faults).join(", ");
    say("note", names === "" ? "The link works as it should." : `The link misbehaves: ${names}.`);
  });
}

export function killEndpoint(): Promise<void> {
  return act("killing", killEndpointNow, () => !state.isKilled.value);
}

export function reviveEndpoint(): Promise<void> {
  return act(
    "reviving",
    async () => {
      say("note", "Another endpoint comes up, and takes the link over.");
      await theMachine().revive();
      state.linkSwitches.value = [];
      state.isKilled.value = false;
    },
    () => state.isKilled.value,
  );
}

export function beginSteps(): Promise<void> {
  return act(
    "starting single steps",
    async () => {
      const machine = theMachine();
      await quiet();
      await machine.leave();
      state.phase.value = "exported";
      say("note", "Single steps: the page writes the driver's bytes itself.");
      stepper = await Stepper.begin(machine.bus);
      state.phase.value = "stepping";
      state.stepView.value = stepper.view;
    },
    () => stepper === undefined && !state.isKilled.value,
  );
}

export function step(): Promise<void> {
  return act("stepping", async () => {
    if (stepper === undefined) return;
    const { stage } = stepper.view;
    say("note", `${STAGE_WORDS[stage].next}.`);
    try {
      await stepper.step(state.stepRequest.value);
    } finally {
      state.stepView.value = stepper.view;
    }
  });
}

export function leaveSteps(): Promise<void> {
  return act("ending single steps", endSteps);
}

async function endSteps(): Promise<void> {
  await stepper?.end();
  stepper = undefined;
  batch(() => {
    state.stepView.value = undefined;
    state.phase.value = "exported";
  });
}

/** The endpoint's thread has died. */
async function lose(error: unknown): Promise<void> {
  fail(error);
  forget();
}

function forget(): void {
  stopWatching();
  stopWatching = () => {};
  stepper = undefined;
  batch(() => {
    state.machine.value = undefined;
    state.phase.value = "empty";
    state.isKilled.value = false;
    state.linkSwitches.value = [];
    state.sector.value = undefined;
    state.stepView.value = undefined;
  });
}

function theMachine(): Machine {
  const machine = state.machine.value;
  if (machine === undefined) throw new Error("Export a disc first.");
  return machine;
}

function theDisk(): NonNullable<Machine["disk"]> {
  const { disk } = theMachine();
  if (disk === undefined) throw new Error("Attach the disc first.");
  return disk;
}
