// Plots of how something grows: a line with a symbol for each series, over a logarithmic axis, with the spread as whiskers.

import { draw, legend, linear, logarithmic, numbers } from "./draw.mjs";
import { quantity } from "./format.mjs";
import { colour, LINES, SYMBOLS } from "./palette.mjs";

/**
 * @typedef {object} Point
 * @property {number} x
 * @property {number} median
 * @property {number} [min]
 * @property {number} [max]
 *
 * @typedef {{ name: string, points: Point[] }} Curve
 */

const HEIGHT = 230;
const AXIS = 44;

/**
 * @param {object} plot
 * @param {string} plot.id
 * @param {string} plot.title
 * @param {string} plot.what
 * @param {Curve[]} plot.curves
 * @param {string} plot.axis - what the horizontal axis is
 * @param {(value: number) => string} plot.formatX
 * @param {boolean} plot.isLog - of the vertical axis
 * @param {(value: number) => string} [plot.format]
 */
export function curves({ id, title, what, curves: all, axis, formatX, isLog, format = quantity }) {
  const points = all.flatMap((curve) => curve.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((one, other) => one - other);
  const values = points.flatMap(({ median, min = median, max = median }) => [min, max]);
  const scale = isLog ? logarithmic(values) : linear(values);
  const { height: top, options: names } = legend(all.map(({ name }) => ({ name })));
  const ends = { min: xs[0], max: xs.at(-1) ?? xs[0] };
  const option = {
    color: LINES,
    grid: { left: 52, right: 16, top: top + 6, bottom: AXIS, outerBoundsMode: "none" },
    legend: names,
    xAxis: {
      ...numbers({ isLog: true, ...ends, ticks: xs }, formatX),
      name: axis,
      nameLocation: "middle",
      nameGap: 26,
      nameTextStyle: { color: colour.muted },
      splitLine: { show: false },
    },
    yAxis: numbers(scale, format),
    series: [
      ...all.map(({ name, points: own }, number) => ({
        type: "line",
        name,
        symbol: SYMBOLS[number % SYMBOLS.length],
        symbolSize: 7,
        lineStyle: { width: 2 },
        data: own.map(({ x, median }) => [x, median]),
      })),
      ...all.map(({ points: own }, number) =>
        whiskers(own, scale.min, LINES[number % LINES.length]),
      ),
    ],
  };
  return draw(
    { id, title, what },
    /** @type {import("./draw.mjs").Option} */ (option),
    top + HEIGHT + AXIS,
  );
}

/**
 * @param {Point[]} points
 * @param {number} least - where the axis begins
 * @param {string} stroke
 */
function whiskers(points, least, stroke) {
  const spreads = points.filter(({ min, max }) => min !== undefined && max !== undefined);
  return {
    type: "custom",
    data: spreads.map(({ x }) => x),
    z: 1,
    renderItem: (
      /** @type {{ dataIndex: number }} */ { dataIndex },
      /** @type {{ coord: (at: number[]) => number[] }} */ api,
    ) => {
      const { x, median, min = median, max = median } = spreads[dataIndex];
      const [x1, y1] = api.coord([x, Math.max(min, least)]);
      const [x2, y2] = api.coord([x, max]);
      return {
        type: "line",
        shape: { x1, y1, x2, y2 },
        style: { stroke, lineWidth: 1.4, opacity: 0.5 },
      };
    },
  };
}
