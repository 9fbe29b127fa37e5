// How the pieces' results are shown: a table for each section.

import Table from "cli-table3";
import picocolors from "picocolors";

/** @typedef {Awaited<ReturnType<typeof import("./rounds.mjs").measureSection>>} MeasuredSection */
/** @typedef {import("./rounds.mjs").MeasuredRow} MeasuredRow */
/** @typedef {import("../ts/workload/statistics.js").Summary} Summary */

export const colour = picocolors.createColors(
  process.stdout.isTTY === true && (process.env.NO_COLOR ?? "") === "",
);

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
  return `${colour.bold(section.title)} ${colour.dim(`[${section.id}]`)}\n${table}\n${lines.join("\n")}\n`;
}

/**
 * @param {Summary} summary
 * @param {number} [digits] - behind the point; by default three figures are shown
 */
export function formatSummary({ median, min, max }, digits) {
  const spread = `${formatNumber(min, digits)}–${formatNumber(max, digits)}`;
  return `${formatNumber(median, digits)} ${colour.dim(`(${spread})`)}`;
}

/**
 * @param {number} value
 * @param {number} [digits]
 */
export function formatNumber(value, digits = value < 10 ? 2 : value < 100 ? 1 : 0) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/** @param {number} ratio */
export function formatRatio(ratio) {
  // Of nothing over nothing there is none.
  if (!Number.isFinite(ratio)) return "–";
  const text = `${ratio.toFixed(2)}×`;
  return ratio >= 1.05 ? colour.green(text) : ratio < 0.95 ? colour.red(text) : text;
}

/** @param {number} ratio */
function formatShare(ratio) {
  return `${Math.round(ratio * 100)} %`;
}
