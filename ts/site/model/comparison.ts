// The comparison of the engines: what is measured, in which order, and what it comes to.

import type { EngineKind } from "blockpt";
import { median } from "../../workload/statistics.js";
import type { Mode } from "./workload.js";

/** What both engines are measured with. */
export interface ComparisonJob {
  readonly mode: Mode;
  readonly blockBytes: number;
  readonly depth: number;
}

/** Requests a second, a figure a round. */
export type Figures = Readonly<Record<EngineKind, readonly number[]>>;

export interface ComparisonRow {
  readonly job: ComparisonJob;
  readonly wasm: number;
  readonly typescript: number;
  /** Of figures that were taken in the same round. */
  readonly ratio: number;
}

export const ENGINES: readonly EngineKind[] = ["wasm", "typescript"];
const BLOCK_SIZES = [512, 4096, 131072];
const DEPTHS = [1, 32];
const MODES: readonly Mode[] = ["promises", "synchronous"];

/** Every combination. */
export const COMPARISON_JOBS: readonly ComparisonJob[] = MODES.flatMap((mode) =>
  BLOCK_SIZES.flatMap((blockBytes) => DEPTHS.map((depth) => ({ mode, blockBytes, depth }))),
);

export function rowOf(job: ComparisonJob, { wasm, typescript }: Figures): ComparisonRow {
  const ratios = wasm.map((rate, round) => rate / (typescript[round] as number));
  return { job, wasm: median(wasm), typescript: median(typescript), ratio: median(ratios) };
}
