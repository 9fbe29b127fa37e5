// How two measurements are compared: by ratios, each taken within a round, of what ran beside each other. They move
// far less from run to run than the figures do. What the ratio is:
//
//   pieces      wasm/typescript and, where there is one, wasm/limit: of speeds
//   jobs        the share of the limit
//   null discs  nothing limits them but what a word costs to go from core to core, so: requests in the time
//               of one hand-over
//
// Jobs move with the hand-over, which takes several values on a virtual machine: only those rounds of both
// measurements count whose hand-over was like the baseline's.
//
// Two sets of rounds are told apart by the rank-sum test (Mann-Whitney): it assumes nothing about the noise, which has
// a long tail here, and a single bad round moves it by one rank only. A bootstrap of so few medians
// would find differences too often.

import { cumulativeStdNormalProbability, median, wilcoxonRankSum } from "simple-statistics";

/** @typedef {import("../ts/cli/bench/measure.js").Result} Result */
/** @typedef {import("../ts/workload/statistics.js").Summary} Summary */
/** @typedef {import("./rounds.mjs").MeasuredRow} MeasuredRow */

/**
 * What `bench.mjs --json` prints, as far as it is compared.
 *
 * @typedef {object} Measurement
 * @property {Record<string, unknown>} environment
 * @property {{ id: string, rows: MeasuredRow[] }[]} sections
 * @property {{ id: string, results: Result[] }[]} groups
 *
 * @typedef {object} Figure
 * @property {string} ratio - what it is a ratio of
 * @property {number[]} rounds - more is better
 * @property {number[] | undefined} handOvers - nanoseconds, of each round; undefined where they make no difference
 * @property {boolean} isQuiet - false if others used the processors in all rounds
 *
 * @typedef {"same" | "regression" | "improvement" | "noisy" | "not comparable"} Verdict
 *
 * @typedef {object} Comparison
 * @property {string} row
 * @property {string} ratio
 * @property {number} baseline
 * @property {number} now
 * @property {number} change - 0.1 is a tenth more
 * @property {number} chance - of as much of a difference where there is none
 * @property {Verdict} verdict
 * @property {string} why - it is not comparable
 */

/** Hand-overs that differ by more are not alike. */
const LIKE = 1.5;
/** Fewer rounds tell nothing. */
const LEAST_ROUNDS = 4;
/** A difference that comes about by chance less often counts. */
const MOST_CHANCE = 0.01;
/** Units of rows that are no speed. */
const NO_SPEED = ["B", "KiB", "ns more", "% of a core"];

/**
 * All that can be compared, by the names of rows.
 *
 * @param {Measurement} measurement
 * @param {(job: Result["job"]) => string} nameOf - by which a job is the same in both
 */
export function figuresOf({ sections, groups }, nameOf) {
  /** @type {Map<string, Figure>} */
  const figures = new Map();
  for (const { id, rows } of sections) {
    for (const { name, unit, lessIsBetter, figures: by } of rows) {
      if (NO_SPEED.includes(unit)) continue;
      for (const under of /** @type {const} */ (["typescript", "limit"])) {
        if (by.wasm === undefined || by[under] === undefined) continue;
        const [over, below] = lessIsBetter ? [by[under], by.wasm] : [by.wasm, by[under]];
        figures.set(`${id}: ${name}, wasm/${under}`, {
          ratio: `wasm/${under}`,
          rounds: over.rounds.map((value, round) => value / below.rounds[round]),
          handOvers: undefined,
          isQuiet: true,
        });
      }
    }
  }
  for (const { id, results } of groups) {
    for (const result of results) figures.set(`${id}: ${nameOf(result.job)}`, figureOf(result));
  }
  return figures;
}

/**
 * @param {Result} result
 * @returns {Figure}
 */
function figureOf({ rate, share, handOver, quiet }) {
  // A round in which the probe got no processor has no hand-over of its own.
  const handOvers =
    handOver.rounds.length === rate.rounds.length
      ? [...handOver.rounds]
      : rate.rounds.map(() => handOver.median);
  const perHandOver = () => rate.rounds.map((value, round) => (value * handOvers[round]) / 1e9);
  return {
    ratio: share ? "of the limit" : "a hand-over",
    rounds: share ? [...share.rounds] : perHandOver(),
    handOvers,
    isQuiet: quiet > 0,
  };
}

/**
 * @param {string} row
 * @param {Figure} baseline
 * @param {Figure} now
 * @param {number} tolerance - changes up to it are none: 0.1 is a tenth
 * @returns {Comparison}
 */
export function compare(row, baseline, now, tolerance) {
  const [before, after] = comparableRounds(baseline, now);
  const [old, fresh] = [medianOf(before), medianOf(after)];
  const change = fresh / old - 1;
  const why = whyNot(baseline, now, before, after);
  const chance = why === "" ? chanceOf(before, after) : Number.NaN;
  /** @type {Verdict} */
  let verdict = "same";
  if (why !== "") verdict = "not comparable";
  else if (Math.abs(change) <= tolerance) verdict = "same";
  else if (chance > MOST_CHANCE) verdict = "noisy";
  else verdict = change < 0 ? "regression" : "improvement";
  return { row, ratio: now.ratio, baseline: old, now: fresh, change, chance, verdict, why };
}

/**
 * The rounds of both that were measured in like conditions.
 *
 * @param {Figure} baseline
 * @param {Figure} now
 */
function comparableRounds(baseline, now) {
  const usual = medianOf(baseline.handOvers ?? []);
  return [baseline, now].map(({ rounds, handOvers }) =>
    rounds.filter((value, round) => {
      if (!Number.isFinite(value)) return false;
      const handOver = handOvers?.[round];
      return handOver === undefined || Math.max(handOver / usual, usual / handOver) <= LIKE;
    }),
  );
}

/**
 * @param {Figure} baseline
 * @param {Figure} now
 * @param {number[]} before
 * @param {number[]} after
 */
function whyNot(baseline, now, before, after) {
  if (!now.isQuiet) return "others used the processors in every round";
  if (!baseline.isQuiet) return "others used the processors in every round of the baseline";
  if (before.length >= LEAST_ROUNDS && after.length >= LEAST_ROUNDS) return "";
  if (Math.min(baseline.rounds.length, now.rounds.length) < LEAST_ROUNDS) return "too few rounds";
  const [usual, other] = [baseline, now].map(({ handOvers }) => medianOf(handOvers ?? []));
  return `the hand-over was ${other.toFixed(0)}, the baseline's ${usual.toFixed(0)} ns`;
}

/**
 * How likely ranks so far apart are by chance, if both sets are alike; the sum of ranks is about normal.
 *
 * @param {number[]} before
 * @param {number[]} after
 */
function chanceOf(before, after) {
  const [count, other] = [before.length, after.length];
  const expected = (count * (count + other + 1)) / 2;
  const deviation = Math.sqrt((expected * other) / 6);
  const distance = Math.abs(wilcoxonRankSum(before, after) - expected) / deviation;
  return 2 * (1 - cumulativeStdNormalProbability(distance));
}

/** @param {number[]} values */
function medianOf(values) {
  return values.length === 0 ? Number.NaN : median(values);
}
