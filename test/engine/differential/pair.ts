// Runs a script on machines of all engines at once, and compares after each step: result or error, counters, positions, and
// every byte of the bus that both engines write. At the end the whole bus, but the workspace, which is the engines' own.

import { type EngineKind, LIST_CAPACITY, REQUEST_WORDS, RequestWord } from "blockpt";
import { Machine, type Outcome } from "./machine.js";
import { DISC_BYTES, HOST_BYTES, PATTERN } from "./places.js";
import { Reach } from "./reach.js";
import type { Script, Shape, Step } from "./script.js";

const ENGINES: readonly EngineKind[] = ["wasm", "typescript"];
/** What the first of `facts` are; counters follow. */
const POSITION = 1;
const COUNTERS_FROM = 3;
const TAG = RequestWord.tag;

/** Engines that do not agree; says where, and how to keep the script. */
export class Difference extends Error {
  override readonly name = "Difference";
  readonly script: Script;
  constructor(what: string, script: Script, index: number) {
    const step = script.steps[index];
    super(
      `${what}\nat step ${index}, ${JSON.stringify(step)}\n` +
        `keep it in test/engine/corpus:\n${JSON.stringify({ story: "", ...script })}`,
    );
    this.script = script;
  }
}

/** What a script has come to. */
interface Course {
  script: Script;
  index: number;
  /** Descriptors that were fetched and not answered. */
  outstanding: number[];
  /** Requests that were put and not shown to the device. */
  held: number;
  /** Whether nobody but the two ends wrote into the queue. */
  isClean: boolean;
  /** Whether somebody wrote who may write anywhere. */
  isTouched: boolean;
  /** The most sectors that the disc had. */
  sectors: number;
  facts: number[];
}

export class Machines {
  readonly reach = new Reach();
  readonly #small: readonly Machine[];
  readonly #large: readonly Machine[];

  private constructor(small: readonly Machine[], large: readonly Machine[]) {
    this.#small = small;
    this.#large = large;
  }

  static async create(shape: Shape): Promise<Machines> {
    const of = (isLarge: boolean) =>
      Promise.all(ENGINES.map((kind) => Machine.create(kind, shape, isLarge)));
    return new Machines(await of(false), await of(true));
  }

  /** @throws {@link Difference} where the engines do not agree */
  run(script: Script): void {
    const machines = Machine.isLarge(script.shape) ? this.#large : this.#small;
    for (const machine of machines) machine.reset(script.shape);
    this.reach.begin();
    const [first] = machines as [Machine];
    const course: Course = {
      script,
      index: 0,
      outstanding: [],
      held: 0,
      isClean: true,
      isTouched: false,
      sectors: script.shape.numSectors,
      facts: first.facts(),
    };
    let isEnded = false;
    for (; course.index < script.steps.length && !isEnded; course.index++) {
      isEnded = this.#step(machines, course);
    }
    course.index--;
    publishHeld(machines, course);
    compareWhole(machines, course);
    if (!course.isTouched) compareToPattern(first, course);
    if (isEnded) for (const machine of machines) machine.renew();
    this.reach.end();
  }

  /** Does a step everywhere; says whether it was the last one that can be done. */
  #step(machines: readonly Machine[], course: Course): boolean {
    const step = course.script.steps[course.index] as Step;
    const [first] = machines as [Machine];
    if (course.held > 0 && mustPublish(step, course)) publishHeld(machines, course);
    const chosen = choose(step, course);
    if (step.do === "assert" && chosen.includes(step.wrong)) return false;
    const available = first.driverAvailable;
    const outcomes = machines.map((machine) => machine.perform(step, chosen));
    if (step.do === "submit") {
      course.held += Math.min(step.puts.length, available);
      if (!step.hold || course.held >= LIST_CAPACITY) publishHeld(machines, course);
    } else if (step.do === "publish") course.held = 0;
    compareOutcomes(outcomes, course);
    const facts = machines.map((machine) => machine.facts());
    compareText("counters and positions", facts, course);
    compareParts(machines, course);
    this.#note(step, outcomes[0] as Outcome, facts[0] as number[], course);
    follow(step, outcomes[0] as Outcome, facts[0] as number[], course);
    return step.do === "assert";
  }

  #note(step: Step, outcome: Outcome, facts: readonly number[], course: Course): void {
    const { reach } = this;
    reach.step(step.do);
    reach.answered(course.facts.slice(COUNTERS_FROM), facts.slice(COUNTERS_FROM));
    reach.position(course.facts[POSITION] as number, facts[POSITION] as number);
    if ("throws" in outcome) {
      reach.threw(step.do, outcome.throws);
      return;
    }
    const { gives } = outcome;
    if (typeof gives === "number" && gives < 0) reach.fault(step.do, gives);
    if (!Array.isArray(gives) || !["fetch", "reap", "pop"].includes(step.do)) return;
    const [count = 0, ...records] = gives as number[];
    if (count < 0) reach.fault(step.do, count);
    for (let record = 0; record < count; record++) {
      if (step.do === "reap") reach.status(records[record * 2 + 1] as number);
      if (step.do === "fetch") {
        reach.fetched(records[record * REQUEST_WORDS + RequestWord.opf] as number);
      }
    }
  }
}

/**
 * Engines may write what was put at any time until it is published, and take it back when it is reaped: so it is published
 * before anybody looks at it, or sees the difference otherwise.
 */
function mustPublish(step: Step, course: Course): boolean {
  switch (step.do) {
    case "submit":
      return course.held + step.puts.length >= LIST_CAPACITY;
    case "publish":
    case "resize":
      return false;
    case "fetch":
    case "serve":
    case "answer":
    case "complete":
      return !course.isClean;
    default:
      return true;
  }
}

function publishHeld(machines: readonly Machine[], course: Course): void {
  if (course.held === 0) return;
  course.held = 0;
  for (const machine of machines) machine.perform({ do: "publish" }, []);
}

/** The descriptors that a step answers, which are in service no more then. */
function choose(step: Step, course: Course): number[] {
  if (step.do !== "complete" && step.do !== "assert") return [];
  const chosen: number[] = [];
  for (const pick of step.picks) {
    if (course.outstanding.length === 0) break;
    chosen.push(...course.outstanding.splice(pick % course.outstanding.length, 1));
  }
  // The one that is wrong is in service, and so is none.
  if (step.do === "assert" && course.outstanding.includes(step.wrong)) return [step.wrong];
  return chosen;
}

/** What follows from a step for those to come. */
function follow(step: Step, outcome: Outcome, facts: number[], course: Course): void {
  course.facts = facts;
  switch (step.do) {
    case "fetch": {
      if (!("gives" in outcome)) return;
      const [count = 0, ...records] = outcome.gives as number[];
      for (let record = 0; record < count; record++) {
        course.outstanding.push(records[record * REQUEST_WORDS + TAG] as number);
      }
      return;
    }
    case "resize":
      if ("gives" in outcome) course.sectors = Math.max(course.sectors, step.sectors);
      return;
    case "restart":
      course.outstanding = [];
      course.isClean = step.position === 0;
      return;
    case "field":
    case "flip":
    case "idx":
    case "entry":
    case "lie":
      course.isClean = false;
      return;
    case "copy":
    case "fill":
    case "encode":
    case "push":
    case "open":
      course.isClean = false;
      course.isTouched = true;
      return;
  }
}

function compareOutcomes(outcomes: readonly Outcome[], course: Course): void {
  compareText("results", outcomes, course);
}

function compareText(what: string, values: readonly unknown[], { script, index }: Course): void {
  const [one, ...others] = values.map((value) => JSON.stringify(value));
  for (const [at, other] of others.entries()) {
    if (other === one) continue;
    const both = `${ENGINES[0]}: ${one}\n${ENGINES[at + 1]}: ${other}`;
    throw new Difference(`the engines' ${what} differ\n${both}`, script, index);
  }
}

/** The queue and all memory, after each step; without what the driver has not published. */
function compareParts(machines: readonly Machine[], course: Course): void {
  const [one] = machines as [Machine];
  const { hostMemory, endpointMemory } = one.bus;
  const ranges: [number, number][] = [
    [hostMemory.offset, hostMemory.offset + HOST_BYTES],
    [endpointMemory.offset, endpointMemory.offset + DISC_BYTES],
  ];
  const queueEnd = one.queueStart + one.queueBytes;
  if (course.held === 0) ranges.push([one.queueStart, queueEnd]);
  else {
    const left = one.driverParts().sort(([a], [b]) => a - b);
    let start = one.queueStart;
    for (const [from, to] of left) {
      ranges.push([start, from]);
      start = to;
    }
    ranges.push([start, queueEnd]);
  }
  for (const range of ranges) compareRange(machines, range, course);
}

/** Every byte but the engines' workspace. */
function compareWhole(machines: readonly Machine[], course: Course): void {
  const [one] = machines as [Machine];
  const { layout } = one.bus.handle;
  compareRange(machines, [0, layout.workspaceTable], course);
  compareRange(machines, [layout.hostTable, layout.workspace.offset], course);
  const workspaceEnd = layout.workspace.offset + layout.workspace.length;
  compareRange(machines, [workspaceEnd, one.bus.buffer.byteLength], course);
}

function compareRange(
  machines: readonly Machine[],
  [from, to]: [number, number],
  { script, index }: Course,
): void {
  const [one, ...others] = machines.map(({ bus }) => Buffer.from(bus.buffer, from, to - from));
  for (const [at, other] of others.entries()) {
    if (other.equals(one as Buffer)) continue;
    const where = other.findIndex((byte, offset) => byte !== one?.[offset]);
    const both = `${ENGINES[0]} has ${one?.[where]}, ${ENGINES[at + 1]} ${other[where]}`;
    const [queue] = machines as [Machine];
    const part = `byte ${from + where} of the bus (the queue starts at ${queue.queueStart})`;
    throw new Difference(`${part}: ${both}`, script, index);
  }
}

/** What nobody may write is as it was: that of which both engines might think otherwise. */
function compareToPattern({ bus, queueStart, queueBytes }: Machine, course: Course): void {
  const { window } = course.script.shape;
  const { bar, hostMemory, endpointMemory } = bus;
  const disc = endpointMemory.offset + Math.min(course.sectors * 512, DISC_BYTES);
  const untouched: [number, number][] = [
    [bar.offset, queueStart],
    [queueStart + queueBytes, hostMemory.offset + window[0]],
    [hostMemory.offset + window[0] + window[1], endpointMemory.offset],
    [disc, endpointMemory.offset + endpointMemory.length],
  ];
  for (const [from, to] of untouched) {
    for (let at = from; at < to; ) {
      const inPattern = (at - bar.offset) % PATTERN.length;
      const length = Math.min(to - at, PATTERN.length - inPattern);
      const is = Buffer.from(bus.buffer, at, length);
      if (!is.equals(PATTERN.subarray(inPattern, inPattern + length))) {
        const what = `something was written between ${at} and ${at + length}, where nobody may`;
        throw new Difference(what, course.script, course.index);
      }
      at += length;
    }
  }
}
