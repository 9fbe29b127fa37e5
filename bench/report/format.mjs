// Numbers and texts as the report has them.

/** @typedef {import("./read.mjs").Summary} Summary */

const STEPS = [
  { from: 1e9, unit: "G" },
  { from: 1e6, unit: "M" },
  { from: 1e3, unit: "k" },
];

/**
 * Three figures, with k, M or G; a dash where there is no number.
 *
 * @param {number | null | undefined} value
 */
export function quantity(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const step = STEPS.find(({ from }) => Math.abs(value) >= from * 0.9995);
  return step === undefined ? figures(value) : `${figures(value / step.from)} ${step.unit}`;
}

/** @param {number} value */
function figures(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1000) return String(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/**
 * A number written out, where k and M would be odd: MiB, microseconds.
 *
 * @param {number | null | undefined} value
 */
export function plain(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value < 1000 ? figures(value) : Math.round(value).toLocaleString("en");
}

/** @param {number | null | undefined} ratio */
export function percent(ratio) {
  return ratio === null || ratio === undefined ? "–" : `${Math.round(ratio * 100)} %`;
}

/** @param {number | null | undefined} ratio */
export function times(ratio) {
  return ratio === null || ratio === undefined ? "–" : `${quantity(ratio)} ×`;
}

/**
 * @param {Summary | undefined} summary
 * @param {(value: number | null) => string} format
 */
export function spread(summary, format = quantity) {
  if (summary === undefined) return "–";
  const { median, min, max } = summary;
  return `${format(median)} (${format(min)}–${format(max)})`;
}

/** @param {string} text - of a result or a title, as it stands in a document */
export function escapeText(text) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (found) => entities[/** @type {keyof typeof entities} */ (found)]);
}

/** @param {string} text - a title, as an id and the name of a file */
export function slug(text) {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
}
