// What plots of rows have in common: a line of text for each row, and what is drawn under it, from the top down.

import { draw, legend, numbers, TEXT, TEXT_WIDTH } from "./draw.mjs";

const LABEL = 19;
const GAP = 9;
const AXIS = 26;
const LABEL_TEXT = { ...TEXT, width: TEXT_WIDTH, overflow: "truncate" };

/**
 * What is drawn of a row, as ECharts' elements.
 *
 * @callback DrawRow
 * @param {number} row
 * @param {number} x - the left end of the axis
 * @param {number} y - under the row's text
 * @param {(value: number) => number} at - where a value is
 * @returns {object[]}
 *
 * @typedef {{ name: string, colour: string, icon?: string, drawRow: DrawRow }} RowSeries
 */

/**
 * @param {object} plot
 * @param {string} plot.id
 * @param {string} plot.title
 * @param {string} plot.what
 * @param {string[]} plot.labels - of the rows
 * @param {number} plot.rowHeight - of what is drawn
 * @param {RowSeries[]} plot.series - the last is drawn over the others
 * @param {import("./draw.mjs").Scale} plot.scale
 * @param {(value: number) => string} plot.format
 * @param {number} plot.right - what is left free behind the axis
 */
export function rows({ id, title, what, labels, rowHeight, series, scale, format, right }) {
  const { height: top, options: names } = legend(
    series.map(({ name, icon = "rect" }) => ({ name, icon })),
  );
  const step = LABEL + rowHeight + GAP;
  const data = labels.map((_, index) => index);
  const axis = numbers(scale, format);
  const option = {
    color: series.map(({ colour }) => colour),
    grid: { left: 8, right, top, bottom: AXIS, outerBoundsMode: "none" },
    legend: names,
    xAxis: {
      ...axis,
      axisLabel: {
        ...axis.axisLabel,
        // Within the plot's width.
        alignMinLabel: scale.ticks[0] === scale.min ? "left" : "center",
        alignMaxLabel: scale.ticks.at(-1) === scale.max ? "right" : "center",
      },
    },
    yAxis: { type: "category", inverse: true, show: false, data },
    series: series.map(({ name, drawRow }, number) => ({
      type: "custom",
      name,
      // Values are written behind the axis's end.
      clip: false,
      z: number,
      data,
      renderItem: (
        /** @type {{ dataIndex: number, coordSys: { x: number, y: number } }} */ {
          dataIndex,
          coordSys: { x, y },
        },
        /** @type {{ coord: (at: number[]) => number[] }} */ api,
      ) => {
        const at = (/** @type {number} */ value) =>
          api.coord([Math.max(value, scale.min), dataIndex])[0];
        const start = y + dataIndex * step;
        const label = number > 0 ? [] : [text(labels[dataIndex], x, start + LABEL / 2, LABEL_TEXT)];
        const drawn = drawRow(dataIndex, x, start + LABEL, at);
        return { type: "group", children: [...label, ...drawn] };
      },
    })),
  };
  const height = top + labels.length * step + AXIS;
  return draw({ id, title, what }, /** @type {import("./draw.mjs").Option} */ (option), height);
}

/**
 * @param {string} content
 * @param {number} x
 * @param {number} y
 * @param {object} style
 */
export function text(content, x, y, style) {
  return { type: "text", style: { text: content, x, y, verticalAlign: "middle", ...style } };
}
