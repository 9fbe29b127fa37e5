// How a section is measured: in rounds, each of which takes every figure of every
// row once, one after the other. What disturbs the machine for a while then
// disturbs one round of all rows and not all rounds of one, and the median is
// spared. Beside the figures it notes what the machine was like.

import { cpus } from "node:os";
import { ratioOf, summarize } from "./statistics.mjs";

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
 * @property {boolean} acrossCores - whether two threads hand work to each other
 * @property {(buses: Buses) => OpenSection | Promise<OpenSection>} open
 * @property {(rows: MeasuredRow[]) => string[]} [remarks] - what the figures say together
 *
 * @typedef {{ wasm: import("blockpt").Bus, typescript: import("blockpt").Bus }} Buses
 *
 * @typedef {Row & { figures: Record<Subject, import("./statistics.mjs").Summary>, ratios: Record<string, number> }} MeasuredRow
 *
 * @typedef {object} Effort
 * @property {number} rounds
 * @property {number} milliseconds - of each figure in each round
 * @property {number} warmUpMilliseconds - of each figure before the first
 * @property {number} tries - of each figure in each round, while others disturb it
 */

/** Processors that others keep busy from which on they disturb a figure; clocks are too coarse for less. */
export const DISTURBED_CPU = 0.25;

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
 * @param {import("./hand-over.mjs").HandOverProbe} probe
 * @param {(text: string) => void} progress
 */
export async function measureSection(section, rows, buses, effort, probe, progress) {
  const figures = rows.map(() =>
    Object.fromEntries(section.subjects.map((subject) => [subject, /** @type {number[]} */ ([])])),
  );
  /** @type {number[]} */
  const handOvers = [];
  const othersCpu = [];
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
          const quiet = await measureQuietly(open, row, subject, effort);
          figures[index][subject].push(quiet.value);
          othersCpu.push(quiet.othersCpu);
        }
      }
      const handOver = section.acrossCores ? probe.nanoseconds() : undefined;
      if (handOver !== undefined) handOvers.push(handOver);
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
    acrossCores: section.acrossCores,
    conditions: { handOverNanoseconds: summarize(handOvers), othersCpu: summarize(othersCpu) },
  };
}

/**
 * Measures one figure, and again if other processes disturbed it; the least disturbed
 * one counts, whatever it is.
 *
 * @param {OpenSection} open
 * @param {Row} row
 * @param {Subject} subject
 * @param {Effort} effort
 */
async function measureQuietly(open, row, subject, { tries, milliseconds }) {
  let best = { value: Number.NaN, othersCpu: Number.POSITIVE_INFINITY };
  for (let attempt = 1; attempt <= tries && best.othersCpu > DISTURBED_CPU; attempt++) {
    const others = watchOthers();
    const value = await open.measure(row, subject, milliseconds);
    const othersCpu = others();
    if (othersCpu < best.othersCpu) best = { value, othersCpu };
  }
  return best;
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
    ratios[name] = row.lessIsBetter
      ? ratioOf(figures[under], figures[over])
      : ratioOf(figures[over], figures[under]);
  }
  const { name, unit, lessIsBetter = false } = row;
  return /** @type {MeasuredRow} */ ({ name, unit, lessIsBetter, figures, ratios });
}

/** Watches how many processors other processes keep busy, until the result is called. */
function watchOthers() {
  const busy = busyMilliseconds();
  const own = process.cpuUsage();
  const start = performance.now();
  return () => {
    const elapsed = performance.now() - start;
    const { user, system } = process.cpuUsage(own);
    // The machine counts in ticks of 10 ms, so a short round can come out below 0.
    return Math.max(0, (busyMilliseconds() - busy - (user + system) / 1000) / elapsed);
  };
}

function busyMilliseconds() {
  let sum = 0;
  for (const { times } of cpus()) sum += times.user + times.nice + times.sys + times.irq;
  return sum;
}
