// Groups of jobs in which something grows, in the report: rate, share of the limit and processor time over it.

import { discOf, formatSize, nameOf } from "../../dist/bench.js";
import { curves } from "./curves.mjs";
import { percent, plain, quantity } from "./format.mjs";
import { DISTURBED, markOf } from "./jobs.mjs";

/** @typedef {import("./read.mjs").Result} Result */
/** @typedef {Result["job"]} Job */
/** @typedef {NonNullable<import("./read.mjs").Group["axis"]>} Axis */
/** @typedef {import("./page.mjs").Part} Part */

/** @type {Record<Axis, { name: string, format: (value: number) => string }>} */
const AXES = {
  depth: { name: "requests in flight", format: String },
  blockBytes: { name: "bytes of a request", format: formatSize },
  discs: { name: "discs", format: String },
  queues: { name: "queues", format: String },
  disc: { name: "bytes of the disc", format: formatSize },
};

/**
 * @typedef {object} Metric
 * @property {string} id
 * @property {string} what
 * @property {boolean} isLog
 * @property {(value: number | null) => string} format
 * @property {(result: Result) => { median: number | null, min?: number | null, max?: number | null } | undefined} of
 * @property {Axis[]} [axes] - where it says something, if not everywhere
 */

/** @type {Metric[]} */
const METRICS = [
  { id: "rate", what: "Requests a second", isLog: true, format: quantity, of: ({ rate }) => rate },
  {
    id: "throughput",
    what: "MiB a second",
    isLog: true,
    format: plain,
    of: ({ throughput }) => ({ median: throughput }),
    axes: ["blockBytes"],
  },
  {
    id: "share",
    what: "Share of the limit",
    isLog: false,
    format: percent,
    of: ({ share }) => share,
  },
  {
    id: "cpu",
    what: "Processor time of a request, both sides, µs",
    isLog: true,
    format: plain,
    of: ({ cpu }) => ({ median: (cpu.rootComplex ?? 0) + (cpu.rest ?? 0) }),
  },
];

/**
 * @param {import("./read.mjs").Group & { axis: Axis }} group
 * @returns {Part}
 */
export function growthPart({ id, title, axis, results }) {
  const lines = linesOf(axis, results);
  const discs = [...new Set(results.map(({ job }) => job.disc))];
  return {
    id,
    title,
    notes: [
      ...(axis === "disc" ? [] : [`Discs: ${discs.join(", ")}.`]),
      ...(results.some(({ disturbed }) => disturbed > 0) ? [DISTURBED] : []),
    ],
    cards: METRICS.filter(({ axes }) => axes === undefined || axes.includes(axis)).flatMap(
      (metric) => cardOf({ id, title, axis }, lines, metric),
    ),
  };
}

/** @param {Job} job @param {Axis} axis */
function axisValue(job, axis) {
  return axis === "disc" ? discOf(job.disc).sizeBytes : job[axis];
}

/**
 * The results of each line, by what tells it from the others.
 *
 * @param {Axis} axis
 * @param {Result[]} results
 * @returns {Map<string, Result[]>}
 */
function linesOf(axis, results) {
  const [first] = results;
  // Alike but for what makes a line: the size of discs is said once, above.
  const alike = results.map(({ job }) => {
    const disc = discOf(job.disc).kind;
    return axis === "disc" ? { ...job, disc } : { ...job, [axis]: first.job[axis], disc };
  });
  const lines = new Map();
  for (const [index, result] of results.entries()) {
    const name = nameOf(alike[index], alike) || first.job.api;
    lines.set(name, [...(lines.get(name) ?? []), result]);
  }
  return lines;
}

/**
 * @param {{ id: string, title: string, axis: Axis }} group
 * @param {Map<string, Result[]>} lines
 * @param {Metric} metric
 */
function cardOf({ id, title, axis }, lines, { id: metric, what, isLog, format, of }) {
  const all = [...lines].map(([name, results]) => ({
    name,
    points: results.flatMap((result) => {
      const { median, min, max } = of(result) ?? { median: null };
      // A logarithm has no place for what took no time by the system's clock.
      if (median === null || (isLog && median <= 0)) return [];
      const range = min == null || max == null ? {} : { min, max };
      return [{ x: axisValue(result.job, axis), median, ...range, mark: markOf(result) }];
    }),
  }));
  const drawn = all.filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return [];
  const { name: axisName, format: formatX } = AXES[axis];
  const xs = [...new Set(drawn.flatMap(({ points }) => points.map(({ x }) => x)))];
  xs.sort((one, other) => one - other);
  const table = {
    head: [axisName, ...drawn.map(({ name }) => name)],
    rows: xs.map((x) => [
      formatX(x),
      ...drawn.map(({ points }) => {
        const point = points.find((each) => each.x === x);
        return point === undefined ? "–" : format(point.median) + point.mark;
      }),
    ]),
  };
  const plot = curves({
    id: `${id}-${metric}`,
    title,
    what,
    curves: drawn,
    axis: axisName,
    formatX,
    isLog,
    format,
  });
  return [{ plot, table }];
}
