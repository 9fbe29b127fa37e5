// Plots of percentiles: a line for each row, with a dot at the latency that so many requests do not exceed.

import { logarithmic } from "./draw.mjs";
import { plain } from "./format.mjs";
import { colour, STEPS } from "./palette.mjs";
import { rows } from "./rows.mjs";

/** @typedef {import("./read.mjs").Latency} Latency */

/** @type {{ key: keyof Latency, name: string }[]} */
export const PERCENTILES = [
  { key: "p50", name: "p50" },
  { key: "p90", name: "p90" },
  { key: "p99", name: "p99" },
  { key: "p999", name: "p99.9" },
  { key: "max", name: "max" },
];

const HEIGHT = 16;
const RADIUS = 5.5;

/**
 * @param {object} plot
 * @param {string} plot.id
 * @param {string} plot.title
 * @param {string} plot.what
 * @param {{ label: string, latency: Latency }[]} plot.rows - in microseconds
 */
export function latencies({ id, title, what, rows: all }) {
  const values = all.flatMap(({ latency }) => PERCENTILES.map(({ key }) => latency[key] ?? 0));
  const middle = (/** @type {number} */ y) => y + HEIGHT / 2 - 1;
  return rows({
    id,
    title,
    what,
    labels: all.map(({ label }) => label),
    rowHeight: HEIGHT,
    scale: logarithmic(values),
    format: plain,
    right: 20,
    series: PERCENTILES.map(({ key, name }, number) => ({
      name,
      colour: STEPS[number],
      icon: "circle",
      drawRow(index, _x, y, at) {
        const { latency } = all[index];
        const value = latency[key];
        if (value === null) return [];
        const dot = {
          type: "circle",
          shape: { cx: at(value), cy: middle(y), r: RADIUS },
          style: { fill: STEPS[number], stroke: colour.surface, lineWidth: 1 },
        };
        return number > 0 ? [dot] : [track(latency, middle(y), at), dot];
      },
    })),
  });
}

/**
 * @param {Latency} latency
 * @param {number} y
 * @param {(value: number) => number} at
 */
function track({ p50, max }, y, at) {
  const shape = { x1: at(p50 ?? 0), y1: y, x2: at(max ?? 0), y2: y };
  return { type: "line", shape, style: { stroke: colour.grid, lineWidth: 3 } };
}
