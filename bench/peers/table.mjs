// How a job with peers is shown: a table, ours first, and what has to be said about it.

import Table from "cli-table3";
import { colour, formatNumber, formatRatio, formatSummary } from "../table.mjs";

/** @typedef {Awaited<ReturnType<typeof import("./rounds.mjs").measureJob>>} MeasuredJob */
/** @typedef {import("./rounds.mjs").Row} Row */

/** @type {{ head: string, cell: (row: Row) => string | undefined }[]} */
const COLUMNS = [
  { head: "k/s", cell: ({ rate }) => rate && formatSummary(thousands(rate)) },
  { head: "ours / it", cell: ({ ratio }) => ratio && formatRatio(ratio.median) },
  { head: "serve / it", cell: ({ nbdRatio }) => nbdRatio && formatRatio(nbdRatio.median) },
  { head: "MiB/s", cell: ({ throughput }) => numberOf(throughput) },
  { head: "p50 µs", cell: ({ latency }) => numberOf(latency?.p50) },
  { head: "p99 µs", cell: ({ latency }) => numberOf(latency?.p99) },
  { head: "CPU µs", cell: ({ cpu }) => numberOf(cpu) },
  { head: "server's", cell: ({ serverCpu }) => numberOf(serverCpu) },
];

/** @param {MeasuredJob} job */
export function formatJob({ id, name, handOver, rows }) {
  // Where there is no server there are no columns for them.
  const columns = COLUMNS.filter(({ cell }) => rows.some((row) => cell(row) !== undefined));
  const table = new Table({
    head: ["", ...columns.map(({ head }) => head)],
    colAligns: ["left", ...columns.map(() => /** @type {const} */ ("right"))],
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    const [first, ...others] = columns.map(({ cell }) => cell(row) ?? "–");
    table.push([nameOf(row), row.failed === undefined ? first : colour.red("failed"), ...others]);
  }
  const served = rows.some(({ serverCpu }) => serverCpu !== undefined);
  const lines = [
    `A hand-over between cores took ${formatSummary(handOver)} ns. CPU is of both sides, a request${served ? ", and what of it is the server's" : ""}.`,
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
  const isOurs = kind === "ours" || kind === "ours-nbd";
  const name = isOurs ? colour.bold(peer) : kind === "limit" ? colour.dim(peer) : peer;
  const mark = disturbed === 0 ? "" : colour.yellow(quiet === 0 ? " !!" : ` !${disturbed}`);
  return `${name}${note === undefined ? "" : " *"}${mark}`;
}

/** @param {import("./rounds.mjs").Summary} summary */
function thousands({ median, min, max }) {
  return { median: median / 1000, min: min / 1000, max: max / 1000, rounds: [] };
}

/** @param {number | undefined} value */
function numberOf(value) {
  return value === undefined ? undefined : formatNumber(value);
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
