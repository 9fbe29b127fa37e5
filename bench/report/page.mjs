// The report as one document that needs nothing else: no script, no network, light or dark as the reader's system is.

import { readFileSync } from "node:fs";
import { escapeText } from "./format.mjs";
import { DARK_PLOTS, VARIABLES } from "./palette.mjs";

/** @typedef {import("./draw.mjs").Plot} Plot */

/**
 * @typedef {object} Table
 * @property {string[]} head
 * @property {string[][]} rows - the first of each is what it is about
 * @property {number[]} [marked] - rows that are pointed out
 *
 * @typedef {{ plot: Plot, table?: Table }} Card
 *
 * @typedef {object} Part
 * @property {string} id
 * @property {string} title
 * @property {string[]} notes
 * @property {Card[]} cards
 * @property {Table} [table]
 *
 * @typedef {object} Chapter
 * @property {string} id
 * @property {string} title
 * @property {string[]} notes
 * @property {Part[]} parts
 * @property {string} [absent] - the command that makes what is not there
 */

const STYLE = readFileSync(new URL("style.css", import.meta.url), "utf8");

/**
 * @param {string} title
 * @param {[string, string][]} facts - what was measured on
 * @param {Chapter[]} chapters
 */
export function page(title, facts, chapters) {
  const links = chapters.map(({ id, title }) => `<a href="#${id}">${escapeText(title)}</a>`);
  const terms = facts.map(
    ([name, value]) => `<div><dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd></div>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title>
<style>
${VARIABLES}
${STYLE}${DARK_PLOTS}
</style>
</head>
<body>
<header>
<h1>${escapeText(title)}</h1>
<dl>${terms.join("\n")}</dl>
<nav>${links.join("\n")}</nav>
</header>
<main>
${chapters.map(chapterText).join("\n")}
</main>
</body>
</html>
`;
}

/** @param {Chapter} chapter */
function chapterText({ id, title, notes, parts, absent }) {
  const missing =
    absent === undefined
      ? ""
      : `<p class="absent">Absent: <code>${escapeText(absent)}</code> makes it.</p>`;
  return `<section id="${id}">
<h2>${escapeText(title)}</h2>
${missing}${paragraphs(notes)}
${parts.map(partText).join("\n")}
</section>`;
}

/** @param {Part} part */
function partText({ id, title, notes, cards, table }) {
  return `<article id="${id}">
<h3>${escapeText(title)}</h3>
${paragraphs(notes)}
<div class="cards">
${cards.map(cardText).join("\n")}
</div>
${table === undefined ? "" : tableText(table)}
</article>`;
}

/** @param {Card} card */
function cardText({ plot, table }) {
  return `<figure>
<figcaption>${escapeText(plot.what)}</figcaption>
${plot.svg}
${table === undefined ? "" : tableText(table)}
</figure>`;
}

/** @param {Table} table */
function tableText({ head, rows, marked = [] }) {
  const body = rows.map(([name, ...values], index) => {
    const cells = values.map((value) => `<td>${escapeText(value)}</td>`).join("");
    const mark = marked.includes(index) ? ' class="marked"' : "";
    return `<tr${mark}><th scope="row">${escapeText(name)}</th>${cells}</tr>`;
  });
  return `<div class="table"><table>
<thead><tr>${head.map((each) => `<th scope="col">${escapeText(each)}</th>`).join("")}</tr></thead>
<tbody>
${body.join("\n")}
</tbody>
</table></div>`;
}

/** @param {string[]} texts */
function paragraphs(texts) {
  return texts.map((text) => `<p>${escapeText(text)}</p>`).join("\n");
}
