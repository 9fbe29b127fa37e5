// How a section of pieces is measured: in rounds, each of which takes every figure of every
// row once, one after the other. What disturbs the machine for a while then
// disturbs one round of all rows and not all rounds of one, and the median is
// spared.

import { ratiosOf, summarize } from "../dist/bench.js";

/**
 * What a row measures. `limit` is what the machine does at best in its place, and
 * `reference` one more thing to compare with.
 *
 * @typedef {"limit" | "wasm" | "typescript" | "reference"} Subject
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} unit
 * @property {boolean} [lessIsBetter] - a time rather than a rate
 *
 * @typedef {object} OpenSection
 * @property {(row: Row, subject: Subject, milliseconds: number) => number | Promise<number>} measure
 * @property {() => void | Promise<void>} close
 *
 * @typedef {object} Section
 * @property {string} id - what filters name
 * @property {string} title
 * @property {string[]} notes
 * @property {Subject[]} subjects - in the order in which a round takes them
 * @property {Row[]} rows
 * @property {(buses: Buses) => OpenSection | Promise<OpenSection>} open
 * @property {(rows: MeasuredRow[]) => string[]} [remarks] - what the figures say together
 *
 * @typedef {{ wasm: import("blockpt").Bus, typescript: import("blockpt").Bus }} Buses
 *
 * @typedef {Row & { figures: Record<Subject, import("../ts/workload/statistics.js").Summary>, ratios: Record<string, number> }} MeasuredRow
 *
 * @typedef {object} Effort
 * @property {number} rounds
 * @property {number} milliseconds - of each figure in each round
 * @property {number} warmUpMilliseconds - of each figure before the first
 */

/** @type {[string, Subject, Subject][]} */
const RATIOS = [
  ["wasm/typescript", "wasm", "typescript"],
  ["wasm/limit", "wasm", "limit"],
  ["typescript/limit", "typescript", "limit"],
];

/**
 * Measures the rows of a section.
 *
 * @param {Section} section
 * @param {Row[]} rows - those of the section's that are wanted
 * @param {Buses} buses
 * @param {Effort} effort
 * @param {(text: string) => void} progress
 */
export async function measureSection(section, rows, buses, effort, progress) {
  const figures = rows.map(() =>
    Object.fromEntries(section.subjects.map((subject) => [subject, /** @type {number[]} */ ([])])),
  );
  const open = await section.open(buses);
  try {
    for (const row of rows) {
      for (const subject of section.subjects) {
        progress(`${section.id}: warming up, ${row.name}, ${subject}`);
        await open.measure(row, subject, effort.warmUpMilliseconds);
      }
    }
    for (let round = 1; round <= effort.rounds; round++) {
      for (const [index, row] of rows.entries()) {
        progress(`${section.id}: round ${round} of ${effort.rounds}, ${row.name}`);
        for (const subject of section.subjects) {
          figures[index][subject].push(await open.measure(row, subject, effort.milliseconds));
        }
      }
    }
  } finally {
    await open.close();
  }
  const measured = rows.map((row, index) => summarizeRow(row, figures[index]));
  return {
    id: section.id,
    title: section.title,
    notes: section.notes,
    rows: measured,
    remarks: section.remarks?.(measured) ?? [],
  };
}

/**
 * @param {Row} row
 * @param {Record<string, number[]>} rounds - of each subject
 * @returns {MeasuredRow}
 */
function summarizeRow(row, rounds) {
  const figures = Object.fromEntries(
    Object.entries(rounds).map(([subject, values]) => [subject, summarize(values)]),
  );
  /** @type {Record<string, number>} */
  const ratios = {};
  for (const [name, over, under] of RATIOS) {
    if (!figures[over] || !figures[under]) continue;
    // Always of speeds: above 1 the first is the faster one.
    const [faster, slower] = row.lessIsBetter ? [under, over] : [over, under];
    ratios[name] = ratiosOf(figures[faster], figures[slower]).median;
  }
  const { name, unit, lessIsBetter = false } = row;
  return /** @type {MeasuredRow} */ ({ name, unit, lessIsBetter, figures, ratios });
}
