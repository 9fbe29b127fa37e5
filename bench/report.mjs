// The report: `node bench/report.mjs --help`. Draws what the benchmark's programs saved, as one page and as images. This
// file owns the arguments, and what is written where.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { complain } from "./command.mjs";
import { RESULTS } from "./results.mjs";

/** The plots that the documentation has: of how cost grows, and of peers at depth 32. */
const EMBEDDED =
  /^(growth-(depth|discs|queues|size)-rate|growth-block-throughput|peers-4-kib-reads-.*-depth-32-(memory|page).*-rate)$/;

const command = new Command("bench:report")
  .usage("[--out DIR] [--svg DIR] [file…]")
  .description("Draws the results of the benchmark: a page, and its plots as SVG files.")
  .argument(
    "[files...]",
    "what the benchmark's programs printed with --json; by default what they saved in bench/results",
  )
  .option(
    "--out <directory>",
    "where index.html and all plots go; by default bench/out",
    fileURLToPath(new URL("out", import.meta.url)),
  )
  .option("--svg <directory>", "write the plots that README and docs embed there, and nothing else")
  .addHelpText(
    "after",
    `
Examples:
  npm run bench:report                         what was saved: bench/out/index.html
  npm run bench:report -- --svg docs/images    the images of the documentation
  node bench/bench.mjs --json memory > mine.json && node bench/report.mjs mine.json --out /tmp/mine`,
  )
  .parse();

await run(command.args, command.opts()).catch(complain);

/**
 * @param {string[]} files
 * @param {{ out: string, svg?: string }} options
 */
async function run(files, { out, svg }) {
  // Loaded late: they need the built package, and `--help` does not.
  const { readResults } = await import("./report/read.mjs");
  const { chaptersOf, factsOf } = await import("./report/chapters.mjs");
  const { standAlone } = await import("./report/draw.mjs");
  const { page } = await import("./report/page.mjs");

  const results = readResults(files.length > 0 ? files : savedFiles());
  const chapters = chaptersOf(results);
  const plots = chapters
    .flatMap(({ parts }) => parts)
    .flatMap(({ cards }) => cards)
    .map(({ plot }) => plot);
  const write = (/** @type {string} */ directory, /** @type {typeof plots} */ chosen) => {
    mkdirSync(directory, { recursive: true });
    for (const plot of chosen) writeFileSync(join(directory, `${plot.id}.svg`), standAlone(plot));
    console.log(`${chosen.length} plots in ${directory}`);
  };
  for (const { title, absent } of chapters) {
    if (absent !== undefined) console.error(`absent: ${title}: \`${absent}\` makes it`);
  }
  if (svg !== undefined) {
    write(
      svg,
      plots.filter(({ id }) => EMBEDDED.test(id)),
    );
    return;
  }
  write(out, plots);
  const path = join(out, "index.html");
  writeFileSync(path, page("blockpt: how fast it is", factsOf(results), chapters));
  console.log(path);
}

function savedFiles() {
  return ["bench", "peers", "instructions"]
    .map((name) => join(RESULTS, `${name}.json`))
    .filter((path) => existsSync(path));
}
