// The pieces in the report: the two engines beside each other, and what limits them where something does.

import { bars } from "./bars.mjs";
import { percent, plain, slug, spread, times } from "./format.mjs";
import { colour } from "./palette.mjs";

/** @typedef {import("./read.mjs").PieceRow} PieceRow */
/** @typedef {import("./page.mjs").Part} Part */

const SERIES = /** @type {const} */ ([
  { subject: "limit", name: "limit", colour: colour.grey, mark: "tick" },
  { subject: "wasm", name: "wasm", colour: colour.blue },
  { subject: "typescript", name: "typescript", colour: colour.orange },
  { subject: "reference", name: "reference", colour: colour.teal },
]);

/**
 * @param {import("./read.mjs").Section} section
 * @returns {Part}
 */
export function piecesPart({ id, title, notes, remarks, rows }) {
  const units = [...new Set(rows.map(({ unit }) => unit))];
  return {
    id: `pieces-${id}`,
    title,
    notes: [...notes, ...remarks],
    cards: units.map((unit) =>
      card(
        id,
        title,
        unit,
        rows.filter((row) => row.unit === unit),
      ),
    ),
  };
}

/**
 * Rows of one unit, which share an axis.
 *
 * @param {string} id
 * @param {string} title
 * @param {string} unit
 * @param {PieceRow[]} rows
 */
function card(id, title, unit, rows) {
  const series = SERIES.filter(({ subject }) => rows.some(({ figures }) => figures[subject]));
  const less = rows[0].lessIsBetter ? ", less is better" : "";
  const plot = bars({
    id: `pieces-${id}-${slug(unit)}`,
    title,
    what: `${unit}${less}`,
    series: [...series],
    format: plain,
    rows: rows.map(({ name, figures }) => ({
      label: name,
      values: series.map(({ subject }) => figures[subject]),
    })),
  });
  const ratios = Object.keys(rows[0].ratios);
  const table = {
    head: [unit, ...ratios, ...series.map(({ name }) => name)],
    rows: rows.map((row) => [
      row.name,
      ...ratios.map((name) =>
        name.endsWith("/limit") ? percent(row.ratios[name]) : times(row.ratios[name]),
      ),
      ...series.map(({ subject }) => spread(row.figures[subject], plain)),
    ]),
  };
  return { plot, table };
}
