// The colours of the plots, in both modes. A plot is drawn once, in the light ones; the style sheet exchanges them where
// the reader's system is dark. That works in a page as in an image, and what knows no style sheets shows the light ones.
// Blues, oranges and greys stay apart for the colour-blind; lines have symbols of their own besides.

/** Each light colour is there once: it is what the dark one is found by. */
const COLOURS = {
  surface: ["#ffffff", "#171b21"],
  ink: ["#1b1f24", "#e7eaee"],
  muted: ["#59636e", "#9ca7b3"],
  grid: ["#dde2e7", "#2f3640"],
  blue: ["#1c63b0", "#62aaf2"],
  orange: ["#c65f10", "#f09a4e"],
  teal: ["#0f8578", "#3fc4b2"],
  purple: ["#7d4fa8", "#bd94e6"],
  ochre: ["#8c7200", "#d4b942"],
  grey: ["#9aa3ad", "#67717d"],
  step1: ["#0d3d73", "#b9dbfb"],
  step2: ["#2b70b8", "#82bcf5"],
  step3: ["#5a98d6", "#5391cf"],
  step4: ["#8dbae6", "#3a6a9c"],
  step5: ["#bcd7f1", "#2c4c6e"],
};

/** @typedef {keyof typeof COLOURS} ColourName */

export const colour = /** @type {Record<ColourName, string>} */ (
  Object.fromEntries(Object.entries(COLOURS).map(([name, [light]]) => [name, light]))
);

/** Of lines, in their order. */
export const LINES = [colour.blue, colour.orange, colour.teal, colour.purple, colour.ochre];
const CROSS = "path://M-1-3h2v2h2v2h-2v2h-2v-2h-2v-2h2z";
export const SYMBOLS = ["circle", "rect", "triangle", "diamond", CROSS];
/** Of the percentiles, from the median on. */
export const STEPS = [colour.step1, colour.step2, colour.step3, colour.step4, colour.step5];

/** What makes plots dark where the reader's system is. */
export const DARK_PLOTS = `@media (prefers-color-scheme: dark) {\n${Object.values(COLOURS)
  .map(
    ([light, dark]) =>
      `  .plot [fill="${light}"] { fill: ${dark} } .plot [stroke="${light}"] { stroke: ${dark} }`,
  )
  .join("\n")}\n}`;

/** The same colours as variables, for the page around them. */
export const VARIABLES = `:root { color-scheme: light dark; ${variables(0)} }
@media (prefers-color-scheme: dark) { :root { ${variables(1)} } }`;

/** @param {number} mode */
function variables(mode) {
  return Object.entries(COLOURS)
    .map(([name, pair]) => `--${name}: ${pair[mode]};`)
    .join(" ");
}
