// How a job with peers is shown: a table, ours first, and what has to be said about it.

import Table from "cli-table3";
import { colour, formatNumber, formatRatio, formatSummary } from "../table.mjs";

/** @typedef {Awaited<ReturnType<typeof import("./rounds.mjs").measureJob>>} MeasuredJob */
/** @typedef {import("./rounds.mjs").Row} Row */

const COLUMNS = ["k/s", "ours / it", "MiB/s", "p50 µs", "p99 µs", "CPU µs"];

/** @param {MeasuredJob} job */
export function formatJob({ id, name, handOver, rows }) {
  const table = new Table({
    head: ["", ...COLUMNS],
    colAligns: ["left", ...COLUMNS.map(() => /** @type {const} */ ("right"))],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push([nameOf(row), ...cellsOf(row)]);
  const lines = [
    `A hand-over between cores took ${formatSummary(handOver)} ns. CPU is of both sides, a request.`,
    ...new Set(rows.flatMap(({ note }) => (note === undefined ? [] : [`* ${note}.`]))),
    ...disturbances(rows),
    ...rows.flatMap(({ peer, failed }) =>
      failed ? [colour.red(`${peer} failed: ${failed}`)] : [],
    ),
  ];
  return `${colour.bold(name)} ${colour.dim(`[${id}]`)}\n${table}\n${lines.join("\n")}\n`;
}

/** @param {{ peer: string, why: string }[]} missing */
export function formatMissing(missing) {
  if (missing.length === 0) return "";
  return ["Not measured:", ...missing.map(({ peer, why }) => `  ${peer}: ${why}`), ""].join("\n");
}

/** @param {Row} row */
function nameOf({ kind, peer, note, quiet = 0, disturbed = 0 }) {
  const name = kind === "ours" ? colour.bold(peer) : kind === "limit" ? colour.dim(peer) : peer;
  const mark = disturbed === 0 ? "" : colour.yellow(quiet === 0 ? " !!" : ` !${disturbed}`);
  return `${name}${note === undefined ? "" : " *"}${mark}`;
}

/** @param {Row} row */
function cellsOf({ rate, ratio, throughput, latency, cpu, failed }) {
  if (failed !== undefined || rate === undefined || throughput === undefined) {
    return [colour.red("failed"), ...COLUMNS.slice(1).map(() => "–")];
  }
  const { median, min, max } = rate;
  return [
    formatSummary({ median: median / 1000, min: min / 1000, max: max / 1000, rounds: [] }),
    ratio === undefined ? "–" : formatRatio(ratio.median),
    formatNumber(throughput),
    ...[latency?.p50, latency?.p99, cpu].map((value) => formatNumber(value ?? Number.NaN)),
  ];
}

/** @param {Row[]} rows */
function disturbances(rows) {
  const isPartly = rows.some(({ quiet = 0, disturbed = 0 }) => quiet > 0 && disturbed > 0);
  const isWhole = rows.some(({ quiet, disturbed = 0 }) => quiet === 0 && disturbed > 0);
  return [
    ...(isPartly
      ? [colour.yellow("!n: others used the processors in n rounds, which do not count.")]
      : []),
    ...(isWhole
      ? [colour.yellow("!!: others used the processors in every round: this is no measurement.")]
      : []),
  ];
}
