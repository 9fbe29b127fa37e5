// The state of the page, all of it: whoever shows it reads it here, and `actions.ts` changes it.

import { computed, signal } from "@preact/signals";
import type { DiscFacts, EngineChoice, FaultReport, LinkFaultsReport, QueueReport } from "blockpt";
import type { Machine } from "./machine/machine.js";
import type { StepView } from "./machine/stepper.js";
import type { ComparisonRow } from "./model/comparison.js";
import { type Environment, environmentHere, lacksOf } from "./model/environment.js";
import { type LogEntry, type LogKind, withEntry } from "./model/log.js";
import { messageOf } from "./model/message.js";
import type { RegisterRow } from "./model/registers.js";
import type { QueuePlace, Trail } from "./model/rings.js";
import { NOTHING, type Sample, type Summary } from "./model/series.js";
import type { SourceForm } from "./model/source.js";
import { FIRST_REQUEST, type StepRequest } from "./model/step.js";
import type { WorkloadSettings } from "./model/workload.js";

/** What there is: nothing, a disc that is exported, a disk that is attached, or single steps on the disc. */
export type Phase = "empty" | "exported" | "attached" | "stepping";

/** A queue as it is drawn. */
export interface QueueView {
  readonly index: number;
  readonly place: QueuePlace;
  readonly report: QueueReport | undefined;
}

export const environment = signal<Environment>(environmentHere());
export const lacks = computed(() => lacksOf(environment.value));
export const isUsable = computed(() => !lacks.value.some(({ isFatal }) => isFatal));

export const sourceForm = signal<SourceForm>({
  kind: "memory",
  sizeMib: 64,
  file: undefined,
  path: "disk.img",
  url: "sample.img",
});
export const engine = signal<EngineChoice>("auto");
export const readOnly = signal(false);
export const workerQueues = signal(1);
export const numDescriptors = signal(64);

export const phase = signal<Phase>("empty");
export const machine = signal<Machine | undefined>(undefined);
/** What is being done, in a few words; empty when nothing is. */
export const busy = signal("");
/** The last thing that went wrong, until something else is done. */
export const failure = signal("");

export const log = signal<readonly LogEntry[]>([]);
export const registers = signal<readonly RegisterRow[]>([]);
export const disc = signal<DiscFacts | undefined>(undefined);
export const queues = signal<readonly QueueView[]>([]);
/** Of each queue, by its index. */
export const trails = signal<readonly Trail[]>([]);

export const settings = signal<WorkloadSettings>({
  mode: "promises",
  isRandom: true,
  readPercent: 70,
  blockBytes: 4096,
  depth: 32,
  queues: 1,
});
export const isWorking = signal(false);
export const samples = signal<readonly Sample[]>([]);
export const summary = signal<Summary>(NOTHING);

export const comparison = signal<readonly ComparisonRow[]>([]);
/** What the comparison measures now; empty when it does not run. */
export const comparing = signal("");

export const stepRequest = signal<StepRequest>(FIRST_REQUEST);
export const stepView = signal<StepView | undefined>(undefined);

export const faultText = signal("");
export const faults = signal<readonly FaultReport[]>([]);
export const linkFaults = signal<LinkFaultsReport>({ lost: 0, spurious: 0 });

/** The switches of the link that are on, by their names: another endpoint has none. */
export const linkSwitches = signal<readonly string[]>([]);

/** Whether the endpoint was killed, and no other one is there yet. */
export const isKilled = signal(false);

/** What was read of the disk last. */
export const sector = signal<{ readonly number: number; readonly bytes: Uint8Array } | undefined>(
  undefined,
);

const startedAt = performance.now();

/** Adds a line to the log. */
export function say(kind: LogKind, text: string): void {
  log.value = withEntry(log.value, kind, text, (performance.now() - startedAt) / 1000);
}

/** Says what went wrong, where it is seen and in the log. */
export function fail(error: unknown): void {
  const message = messageOf(error);
  failure.value = message;
  say("error", message);
}
