// Attacks the library by its own hostile peers, and prints what came of it: `npm run hostile -- --help`.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { Command, Option } from "commander";
import { markdownOf, rowsOf } from "./page.mjs";
import { runs } from "./runs.mjs";

const PAGE = fileURLToPath(new URL("../../docs/hostile.md", import.meta.url));
const SHORT_ROUNDS = { endpoint: 16, "root complex": 1 };
/** Of the page; what is between two of these is written anew. */
const markOf = (side) => [
  `<!-- ${side}: by npm run hostile -- --save -->`,
  `<!-- end of ${side} -->`,
];

const command = new Command("hostile")
  .description("attacks endpoints and root complexes in every way of blockpt/testing")
  .argument("[filter...]", "runs whose side or name has one of these in it; all else")
  .option("--seed <number>", "what is done by chance comes from it", Number, Date.now() % 2 ** 32)
  .option("--short", "rewrites what is attacked in fewer runs, and fewer times")
  .addOption(new Option("--json", "prints each result").conflicts("markdown"))
  .option("--markdown", "prints the tables as docs/hostile.md has them")
  .option("--save", "writes docs/hostile.md's tables: of all runs")
  .parse();
const { seed, short, json, markdown, save } = command.opts();
const filters = command.args;
if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
  command.error(`error: --seed is ${seed}: a whole number from 0 to 4294967295 is wanted`);
}
if (save && filters.length > 0) command.error("error: --save takes no filter: it writes all runs");

const chosen = runs.filter(({ side, name }) => {
  const what = `${side}: ${name}`;
  return filters.length === 0 || filters.some((filter) => what.includes(filter));
});
if (chosen.length === 0) {
  const names = runs.map(({ side, name }) => `${side}: ${name}`).join("\n  ");
  command.error(`error: no run has that in it; these are:\n  ${names}`);
}

const done = [];
for (const run of chosen) {
  process.stderr.write(`${run.side}: ${run.name}\n`);
  const rewrites = short ? run.isShort : () => true;
  const rounds = short ? SHORT_ROUNDS[run.side] : undefined;
  done.push({ run, results: await run.run({ seed, rounds, rewrites }) });
}

const sides = [...new Set(done.map(({ run }) => run.side))];
const ofSide = (side) => done.filter(({ run }) => run.side === side);
if (json) {
  const flat = done.flatMap(({ run: { side, name }, results }) =>
    results.map((result) => ({ side, run: name, seed, ...result })),
  );
  console.log(JSON.stringify(flat, undefined, 2));
} else if (markdown) {
  for (const side of sides) console.log(markdownOf(ofSide(side)));
} else {
  for (const side of sides) {
    const { head, body } = rowsOf(ofSide(side));
    const table = new Table({ head, style: { head: [], border: [] } });
    table.push(...body);
    console.log(table.toString());
  }
}
if (save) {
  for (const side of sides) {
    const [begin, end] = markOf(side);
    const page = readFileSync(PAGE, "utf8");
    const [before, rest] = page.split(begin);
    const [, after] = (rest ?? "").split(end);
    if (after === undefined) command.error(`error: docs/hostile.md has no "${begin}"`);
    writeFileSync(PAGE, `${before}${begin}\n\n${markdownOf(ofSide(side))}\n\n${end}${after}`);
  }
}

const results = done.flatMap(({ results }) => results);
const failed = results.filter(({ passed }) => passed === false).length;
const made = results.filter(({ passed }) => passed !== undefined).length;
console.error(`${made} attacks, ${failed} of them failed; seed ${seed}`);
process.exitCode = failed > 0 ? 1 : 0;
