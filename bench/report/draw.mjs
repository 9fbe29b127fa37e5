// Options of ECharts as an SVG, and what all plots have in common: letters, axes, a legend. A plot is as wide as a phone,
// so that it can be read on one; a page has several of them side by side.

import * as echarts from "echarts";
import { escapeText } from "./format.mjs";
import { colour, DARK_PLOTS } from "./palette.mjs";

/** @typedef {import("echarts").EChartsOption} Option */

/**
 * @typedef {object} Plot
 * @property {string} id - the name of its file, too
 * @property {string} title - of what
 * @property {string} what - what it shows of it, with the unit
 * @property {string} svg
 */

export const WIDTH = 440;
const FONT_SIZE = 13;
const FONTS = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif";
const MARGIN = 8;
/** Of a letter, in the widest of those: what has no more letters than that fits. */
const LETTER_WIDTH = 7.7;
/** What ECharts takes to be as wide as the plot: it takes letters for narrower. */
export const TEXT_WIDTH = 0.82 * WIDTH;

export const TEXT = { fill: colour.ink, fontSize: FONT_SIZE };
/** Readable on whatever it stands. */
export const MUTED_TEXT = { ...TEXT, fill: colour.muted, stroke: colour.surface, lineWidth: 3 };

/** What is in an SVG for scripts that make it answer the mouse, and each text's own font. */
const FOR_SCRIPTS =
  / (?:ecmeta_\w+|class|xml:space|pointer-events)="[^"]*"|<style [\s\S]*?<\/style>|font-family:[^;"]*;?/g;

/**
 * Draws a plot.
 *
 * @param {Omit<Plot, "svg">} plot
 * @param {Option} option
 * @param {number} height
 * @returns {Plot}
 */
export function draw({ id, title, what }, option, height) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  const textStyle = { color: colour.ink, fontSize: FONT_SIZE };
  chart.setOption({ animation: false, silent: true, textStyle, ...option });
  const drawn = chart.renderToSVGString();
  chart.dispose();
  const head = `<svg class="plot" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeText(`${title}: ${what}`)}" font-family="${FONTS}" xmlns="http://www.w3.org/2000/svg">`;
  return { id, title, what, svg: drawn.replace(FOR_SCRIPTS, "").replace(/^<svg [^>]*>/, head) };
}

/**
 * A plot as a file of its own: with a heading, a ground, and both modes.
 *
 * @param {Plot} plot
 */
export function standAlone({ svg, title, what }) {
  const line = FONT_SIZE * 1.5;
  const lines = [...wrap(title), what];
  const above = lines.length * line + 16;
  const height = Number(/viewBox="0 0 \d+ (\d+)"/.exec(svg)?.[1]) + above + MARGIN;
  const width = WIDTH + 2 * MARGIN;
  const heading = lines.map((text, index) => {
    const y = line * (index + 1) - above;
    const look =
      text === what ? `fill="${colour.muted}"` : `fill="${colour.ink}" font-weight="600"`;
    return `<text x="4" y="${y}" font-size="${FONT_SIZE}" ${look}>${escapeText(text)}</text>`;
  });
  const size = `width="${width}" height="${height}" viewBox="${-MARGIN} ${-above} ${width} ${height}"`;
  const ground = `<rect x="${-MARGIN}" y="${-above}" width="${width}" height="${height}" rx="6" fill="${colour.surface}"/>`;
  const head = [`<style>${DARK_PLOTS}</style>`, ground, ...heading].join("\n");
  return svg.replace(/viewBox="[^"]*"/, size).replace(">", `>\n${head}\n`);
}

/**
 * A heading in as many lines as it needs.
 *
 * @param {string} text
 */
function wrap(text) {
  const letters = Math.floor(WIDTH / LETTER_WIDTH);
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= letters) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/**
 * The ends of an axis, and what is labelled on it.
 *
 * @typedef {{ isLog: boolean, min: number, max: number, ticks: number[] }} Scale
 */

/**
 * An axis of numbers.
 *
 * @param {Scale} scale
 * @param {(value: number) => string} format
 */
export function numbers({ isLog, min, max, ticks }, format) {
  return {
    type: /** @type {"log" | "value"} */ (isLog ? "log" : "value"),
    min,
    max,
    axisLine: { show: false },
    axisTick: { show: false, customValues: ticks },
    axisLabel: {
      color: colour.muted,
      hideOverlap: true,
      formatter: format,
      customValues: ticks,
    },
    splitLine: { lineStyle: { color: colour.grid } },
  };
}

/**
 * A linear scale from 0 on which all values are.
 *
 * @param {number[]} values
 * @returns {Scale}
 */
export function linear(values) {
  const most = Math.max(...values, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= most / 4) ?? 10);
  const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
  return { isLog: false, min: 0, max: /** @type {number} */ (ticks.at(-1)), ticks };
}

/**
 * A logarithmic scale, from and to 1, 2 or 5 times a power of ten, on which all values are that are above 0.
 *
 * @param {number[]} values
 * @returns {Scale}
 */
export function logarithmic(values) {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return { isLog: true, min: 1, max: 10, ticks: [1, 10] };
  const least = Math.min(...positive);
  const most = Math.max(...positive);
  const round = roundNumbers(least / 10, most * 10, [1, 2, 5]);
  const min = round.findLast((each) => each <= least * 0.95) ?? least;
  const max = round.find((each) => each >= most * 1.05) ?? most;
  const ticks = roundNumbers(min, max, max / min > 200 ? [1] : [1, 2, 5]);
  return { isLog: true, min, max, ticks };
}

/**
 * Multiples of powers of ten.
 *
 * @param {number} min
 * @param {number} max
 * @param {number[]} multiples
 */
function roundNumbers(min, max, multiples) {
  const powers = [];
  for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power++) powers.push(power);
  return powers
    .flatMap((power) => multiples.map((multiple) => Number(`${multiple}e${power}`)))
    .filter((value) => value >= min && value <= max);
}

/**
 * Names beside their colours, one after the other in lines; none for one name. Where each is is said here: ECharts
 * cannot measure text without a browser.
 *
 * @param {{ name: string, icon?: string }[]} names
 */
export function legend(names) {
  if (names.length < 2) return { height: 4, options: [] };
  const [itemWidth, gap, lineHeight] = [18, 20, 21];
  let left = 0;
  let top = 0;
  const options = names.map((name) => {
    const width = itemWidth + gap + name.name.length * LETTER_WIDTH;
    if (left > 0 && left + width > WIDTH) {
      left = 0;
      top += lineHeight;
    }
    const place = { left, top };
    left += width;
    const textStyle = { color: colour.ink, fontSize: FONT_SIZE };
    const look = { itemWidth, itemHeight: 10, padding: [4, 0], borderColor: colour.surface };
    return { ...place, ...look, data: [name], textStyle };
  });
  return { height: top + lineHeight + 6, options };
}
