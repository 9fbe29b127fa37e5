// What an attack is, and how one is run: on a stage that is made ready before it and looked over after it.
// Attacks are data; what they do to a driver's or a device's side is in the folders beside this file.

import { BlockptError } from "../errors.js";
import type { Patch, Tamperer } from "./tamperer.js";

/** How an attack went. */
export interface AttackResult {
  /** The attack's name. */
  readonly attack: string;
  /** The section of the protocol that says what is due. */
  readonly section: string;
  /** Whether another thread rewrote bytes between good and bad while they were read. */
  readonly rewriting: boolean;
  /** What is due: outcomes, any of which is right. */
  readonly due: readonly string[];
  /** What came of it: outcomes in the order of their names, and what was harmed. */
  readonly got: readonly string[];
  /** Whether everything is as it must be; undefined if the attack was not made. */
  readonly passed: boolean | undefined;
  /** Why it was not made, if it was not: the other side has nothing that could be attacked so. */
  readonly skipped: string | undefined;
}

/** How an attack is to be run. */
export interface AttackOptions {
  /** Have another thread rewrite what is attacked between good and bad while the other side reads it. Default false. */
  rewriting?: boolean | undefined;
}

/** An attack on one side of a bus; `Attacker` is the side that makes it. */
export interface Attack<Attacker> {
  /** What it does, in a few words; no other attack has this name. */
  readonly name: string;
  /** The section of the protocol that says what is due. */
  readonly section: string;
  /** What is due: outcomes, any of which is right. */
  readonly due: readonly string[];
  /** What is due of each request or command while its bytes are rewritten; undefined if nothing can be. */
  readonly dueWhileRewritten: readonly string[] | undefined;
  /**
   * Makes it, and looks over what must not be harmed.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for `rewriting`, where `dueWhileRewritten` is undefined
   */
  run(attacker: Attacker, options?: AttackOptions): Promise<AttackResult>;
}

/** What of an attack is rewritten, and what is done meanwhile. */
export interface Rewriting<Stage> {
  readonly due: readonly string[];
  /** Of so many of the stage's rounds `act` is called in one, as it takes long; at least once. Default 1. */
  readonly oneIn?: number;
  /** Without it `act` starts and stops the tamperer itself. */
  patches?(stage: Stage): readonly Patch[];
  act(stage: Stage): Promise<string>;
  /** Once nothing is rewritten any more. */
  after?(stage: Stage): Promise<void>;
}

/** An attack as it is written down. */
export interface Plan<Stage> {
  readonly name: string;
  readonly section: string;
  readonly due: readonly string[];
  /** Whether what it asks for may change the first sectors of the attacked disc. */
  readonly writes?: boolean;
  /** Whether it ends the link, for other disks, too. */
  readonly endsLink?: boolean;
  /** Why it cannot be made here, if it cannot. */
  lacks?(stage: Stage): string | undefined;
  act(stage: Stage): Promise<string>;
  readonly rewriting?: Rewriting<Stage>;
}

/** Where attacks are made. */
export interface Stage {
  readonly tamperer: Tamperer;
  /** How often something is tried while it is rewritten. */
  readonly rounds: number;
  prepare(): Promise<void>;
  /** What was harmed, a line each. */
  lookOver(plan: Pick<Plan<never>, "writes" | "endsLink">): Promise<string[]>;
}

/** An attack as its users have it. */
export function attackOf<Attacker, S extends Stage>(
  plan: Plan<S>,
  stageOf: (attacker: Attacker) => S,
): Attack<Attacker> {
  const { name, section, due, rewriting } = plan;
  return {
    name,
    section,
    due,
    dueWhileRewritten: rewriting?.due,
    async run(attacker, options = {}) {
      if (options.rewriting && rewriting === undefined) {
        const why = `nothing can be rewritten while "${name}" is made`;
        throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
      }
      return runPlan(plan, stageOf(attacker), options.rewriting ? rewriting : undefined);
    },
  };
}

/** Runs every attack, then those again that can be while what they attack is rewritten. */
export async function runAll<Attacker>(
  attacks: readonly Attack<Attacker>[],
  attacker: Attacker,
  rewriting: boolean,
): Promise<AttackResult[]> {
  const results: AttackResult[] = [];
  for (const attack of attacks) {
    results.push(await attack.run(attacker));
    if (rewriting && attack.dueWhileRewritten !== undefined) {
      results.push(await attack.run(attacker, { rewriting }));
    }
  }
  return results;
}

/** A result that is not due, as an error that says how to have it again. */
export function failureOf(result: AttackResult, seed: number, step: number): BlockptError {
  const how = result.rewriting ? `${result.attack}, rewritten meanwhile` : result.attack;
  return new BlockptError(
    "ERR_BLOCKPT_PROTOCOL",
    `seed ${seed}, step ${step}: ${how}: ${result.got.join("; ")}, and ${result.due.join(" or ")} was due`,
  );
}

/** Runs an attack on a stage. */
export async function runPlan<S extends Stage>(
  plan: Plan<S>,
  stage: S,
  rewriting: Rewriting<S> | undefined,
): Promise<AttackResult> {
  const { name: attack, section } = plan;
  const about = { attack, section, rewriting: rewriting !== undefined };
  await stage.prepare();
  const skipped = plan.lacks?.(stage);
  if (skipped !== undefined)
    return { ...about, due: plan.due, got: [], passed: undefined, skipped };
  const outcomes = new Set<string>();
  try {
    if (rewriting === undefined) outcomes.add(await plan.act(stage));
    else await actRewritten(rewriting, stage, outcomes);
  } catch (error) {
    outcomes.add(complaintOf(error));
  }
  // Of an attack by chance what is due is known only now.
  const { due } = rewriting ?? plan;
  const isDue = [...outcomes].every((outcome) => due.includes(withoutDetails(outcome)));
  const harm = await stage.lookOver({
    writes: plan.writes === true || rewriting !== undefined,
    endsLink: plan.endsLink === true,
  });
  return {
    ...about,
    due,
    got: [...[...outcomes].sort(), ...harm],
    passed: isDue && harm.length === 0,
    skipped: undefined,
  };
}

async function actRewritten<S extends Stage>(
  rewriting: Rewriting<S>,
  stage: S,
  outcomes: Set<string>,
): Promise<void> {
  const patches = rewriting.patches?.(stage);
  if (patches !== undefined) await stage.tamperer.start(patches);
  try {
    const rounds = Math.ceil(stage.rounds / (rewriting.oneIn ?? 1));
    for (let round = 0; round < rounds; round++) outcomes.add(await rewriting.act(stage));
  } finally {
    await stage.tamperer.stop();
    await rewriting.after?.(stage);
  }
}

/** An outcome without what is in parentheses: an error's code, which is each implementation's own. */
function withoutDetails(outcome: string): string {
  return outcome.replace(/ \([^)]*\)/g, "");
}

/** An error, in a line. */
export function complaintOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
