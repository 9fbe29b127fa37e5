// The long run: scripts by chance for so many seconds. `scripts/fuzz-engines.mjs` bundles and runs it.

import fc from "fast-check";
import { CHANCE, scripts } from "./arbitrary.js";
import { keptScripts } from "./corpus.js";
import { Difference, Machines } from "./pair.js";
import type { Reach } from "./reach.js";
import type { Script } from "./script.js";

/** Scripts between two looks at the clock. */
const BATCH = 250;

export interface FuzzOptions {
  readonly corpus: string;
  readonly seconds: number;
  readonly seed: number;
  /** Most steps of a script. */
  readonly steps: number;
  /** Whether the scripts that are kept come first. */
  readonly replay: boolean;
  /** Whether a script that finds something is made small, which takes a while. */
  readonly shrink: boolean;
  readonly onProgress: (reach: Reach, seconds: number) => void;
}

export interface FuzzResult {
  readonly reach: Reach;
  readonly seconds: number;
  /** What was found, if something was, and by which script. */
  readonly found: Difference | undefined;
  /** The file of the corpus that found it; undefined if it was chance. */
  readonly kept: string | undefined;
}

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const kept = keptScripts(options.corpus);
  const [first] = kept;
  if (first === undefined) throw new Error(`there are no scripts in ${options.corpus}`);
  const machines = await Machines.create(first.script.shape);
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const ended = (found?: Difference, file?: string): FuzzResult => ({
    reach: machines.reach,
    seconds: seconds(),
    found,
    kept: file,
  });
  for (const { name, script } of options.replay ? kept : []) {
    const found = differenceOf(machines, script);
    if (found !== undefined) return ended(found, name);
  }
  for (let batch = 0; seconds() < options.seconds; batch++) {
    const details = fc.check(
      fc.property(scripts(options.steps), (script) => machines.run(script)),
      { ...CHANCE, seed: options.seed + batch, numRuns: BATCH, endOnFailure: !options.shrink },
    );
    if (details.failed) {
      if (details.errorInstance instanceof Difference) return ended(details.errorInstance);
      throw details.errorInstance;
    }
    options.onProgress(machines.reach, seconds());
  }
  return ended();
}

function differenceOf(machines: Machines, script: Script): Difference | undefined {
  try {
    machines.run(script);
    return undefined;
  } catch (error) {
    if (error instanceof Difference) return error;
    throw error;
  }
}
