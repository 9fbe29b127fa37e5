// How results are shown: a table for each section, or one JSON document.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import picocolors from "picocolors";
import { DISTURBED_CPU } from "./rounds.mjs";

/** @typedef {Awaited<ReturnType<typeof import("./rounds.mjs").measureSection>>} MeasuredSection */
/** @typedef {import("./rounds.mjs").MeasuredRow} MeasuredRow */
/** @typedef {import("./statistics.mjs").Summary} Summary */

const colour = picocolors.createColors(
  process.stdout.isTTY === true && (process.env.NO_COLOR ?? "") === "",
);

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What the figures were measured on. */
export function describeEnvironment() {
  const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
  return {
    date: new Date().toISOString(),
    version: manifest.version,
    revision: git("rev-parse", "--short", "HEAD"),
    modified: git("status", "--porcelain", "--", "ts", "crates", "bench") !== "",
    node: process.version,
    v8: process.versions.v8,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${process.arch}`,
  };
}

/** @param {string[]} args - gives undefined outside of a repository */
function git(...args) {
  try {
    const options = { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    return execFileSync("git", args, /** @type {const} */ (options)).trim();
  } catch {
    return undefined;
  }
}

/**
 * @param {ReturnType<typeof describeEnvironment>} environment
 * @param {import("./rounds.mjs").Effort} effort
 */
export function formatHead(environment, effort) {
  const { version, revision, modified, node, cpu, cores, system, date } = environment;
  const state = revision === undefined ? "" : ` (${revision}${modified ? ", modified" : ""})`;
  return [
    `${colour.bold(`blockpt ${version}`)}${state}, ${date}`,
    `node ${node}, ${cpu}, ${cores} cores, ${system}`,
    `Medians of ${effort.rounds} rounds, min–max beside them. Ratios are of speeds, ` +
      "each of one round: above 1 the first is the faster one.",
    "",
  ].join("\n");
}

/** @param {MeasuredSection} section */
export function formatSection(section) {
  const { figures, ratios } = section.rows[0];
  const limited = figures.limit !== undefined;
  const compared = figures.reference !== undefined;
  const { unit } = section.rows[0];
  const mixed = section.rows.some((row) => row.unit !== unit);
  const table = new Table({
    head: [
      mixed ? "" : unit,
      "wasm",
      "typescript",
      "wasm/ts",
      ...(limited ? ["limit", "wasm/limit", "ts/limit"] : []),
      ...(compared ? ["reference"] : []),
    ],
    colAligns: ["left", ...Array(6 + Object.keys(ratios).length).fill("right")],
    style: { head: [], border: [], compact: true },
  });
  for (const row of section.rows) {
    table.push([
      mixed ? `${row.name}, ${row.unit}` : row.name,
      formatSummary(row.figures.wasm),
      formatSummary(row.figures.typescript),
      formatRatio(row.ratios["wasm/typescript"]),
      ...(limited
        ? [
            formatSummary(row.figures.limit),
            formatShare(row.ratios["wasm/limit"]),
            formatShare(row.ratios["typescript/limit"]),
          ]
        : []),
      ...(compared ? [formatNumber(row.figures.reference.median)] : []),
    ]);
  }
  const lines = [...section.notes, ...section.remarks];
  if (section.acrossCores) lines.push(formatConditions(section));
  return `${colour.bold(section.title)} ${colour.dim(`[${section.id}]`)}\n${table}\n${lines.join("\n")}\n`;
}

/** @param {MeasuredSection} section */
function formatConditions({ conditions }) {
  const { handOverNanoseconds: handOver, othersCpu } = conditions;
  const disturbed = othersCpu.rounds.filter((cpu) => cpu > DISTURBED_CPU).length;
  const text = `A hand-over between cores took ${formatSummary(handOver)} ns.`;
  if (disturbed === 0) return colour.dim(text);
  const share = Math.round((disturbed / othersCpu.rounds.length) * 100);
  return colour.yellow(`${text} Other processes disturbed ${share} % of the measurements.`);
}

/**
 * @param {Summary} summary
 * @param {number} [digits] - behind the point; by default three figures are shown
 */
function formatSummary({ median, min, max }, digits) {
  const spread = `${formatNumber(min, digits)}–${formatNumber(max, digits)}`;
  return `${formatNumber(median, digits)} ${colour.dim(`(${spread})`)}`;
}

/**
 * @param {number} value
 * @param {number} [digits]
 */
function formatNumber(value, digits = value < 10 ? 2 : value < 100 ? 1 : 0) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** @param {number} ratio */
function formatRatio(ratio) {
  // Of nothing over nothing there is none.
  if (!Number.isFinite(ratio)) return "–";
  const text = `${ratio.toFixed(2)}×`;
  return ratio >= 1.05 ? colour.green(text) : ratio < 0.95 ? colour.red(text) : text;
}

/** @param {number} ratio */
function formatShare(ratio) {
  return `${Math.round(ratio * 100)} %`;
}
