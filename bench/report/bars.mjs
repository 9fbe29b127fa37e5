// Plots of lying bars, one for each series in a row, with its spread as a whisker and its value behind it.

import { linear, logarithmic, MUTED_TEXT, WIDTH } from "./draw.mjs";
import { quantity } from "./format.mjs";
import { colour } from "./palette.mjs";
import { rows, text } from "./rows.mjs";

/** @typedef {import("./read.mjs").Summary} Summary */

/**
 * @typedef {object} BarSeries
 * @property {string} name
 * @property {string} colour
 * @property {"bar" | "tick"} [mark] - a tick stands across the bars of its row; before them
 *
 * @typedef {object} BarRow
 * @property {string} label
 * @property {(Summary | undefined)[]} values - of each series
 * @property {string} [colour] - of its bars, in place of the series'
 */

const BAR = 13;
const LANE = 16;
/** For what is written behind the longest bar. */
const VALUE_WIDTH = 66;
/** Values of which one is so many times another share no linear axis. */
const FAR_APART = 30;

/**
 * @param {object} plot
 * @param {string} plot.id
 * @param {string} plot.title
 * @param {string} plot.what
 * @param {BarSeries[]} plot.series
 * @param {BarRow[]} plot.rows
 * @param {(value: number) => string} [plot.format]
 * @param {boolean} [plot.isLog] - by default where values are far apart
 */
export function bars({ id, title, what, series, rows: table, format = quantity, isLog }) {
  const all = table.flatMap((row) => row.values).filter((value) => value !== undefined);
  const ends = all.flatMap(({ min, max }) => [min ?? 0, max ?? 0]);
  const medians = all.map(({ median }) => median ?? 0).filter((median) => median > 0);
  const log = isLog ?? Math.max(...medians) / Math.min(...medians) > FAR_APART;
  // What stands across the bars is drawn first, and values over it.
  const ticks = series.filter(({ mark }) => mark === "tick").length;
  const lanes = series.length - ticks;
  return rows({
    id,
    title,
    what,
    labels: table.map(({ label }) => label),
    rowHeight: lanes * LANE,
    scale: log ? logarithmic(ends) : linear(ends),
    format,
    right: VALUE_WIDTH,
    series: series.map((each, number) => ({
      ...each,
      drawRow(index, x, y, at) {
        const row = table[index];
        const value = row.values[number];
        if (value === undefined || value.median === null) return [];
        if (each.mark === "tick") return [tick(at(value.median), y, lanes, each.colour)];
        const fill = row.colour ?? each.colour;
        return bar(/** @type {Filled} */ (value), x, y + (number - ticks) * LANE, at, fill, format);
      },
    })),
  });
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} lanes
 * @param {string} fill
 */
function tick(x, y, lanes, fill) {
  const shape = { x: x - 1.5, y: y - 3, width: 3, height: lanes * LANE + 3 };
  return { type: "rect", shape, style: { fill } };
}

/**
 * @typedef {{ median: number, min: number | null, max: number | null }} Filled
 *
 * @param {Filled} value
 * @param {number} x
 * @param {number} y
 * @param {(value: number) => number} at
 * @param {string} fill
 * @param {(value: number) => string} format
 */
function bar({ median, min, max }, x, y, at, fill, format) {
  const middle = y + BAR / 2;
  const [end, low, high] = [at(median), at(min ?? median), at(max ?? median)];
  const shape = { x, y, width: Math.max(1, end - x), height: BAR };
  const line = (/** @type {number[]} */ ...[x1, y1, x2, y2]) => ({
    type: "line",
    shape: { x1, y1, x2, y2 },
    style: { stroke: colour.ink, lineWidth: 1.2 },
  });
  const whisker = [
    line(low, middle, high, middle),
    line(low, middle - 3, low, middle + 3),
    line(high, middle - 3, high, middle + 3),
  ];
  const valueX = Math.min(Math.max(high, end) + 7, WIDTH - VALUE_WIDTH + 8);
  return [
    { type: "rect", shape, style: { fill } },
    ...(high - low < 2 ? [] : whisker),
    text(format(median), valueX, middle, MUTED_TEXT),
  ];
}
