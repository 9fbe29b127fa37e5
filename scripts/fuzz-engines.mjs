// The engines against each other, for longer than a test has time: `node scripts/fuzz-engines.mjs --help`.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { bundleFuzzer, root } from "./fuzz-engines/bundle.mjs";
import { MUTANTS } from "./fuzz-engines/mutants.mjs";

/** @typedef {import("../test/engine/differential/reach.js").Reach} Reach */
/** @typedef {typeof import("../test/engine/differential/fuzz.js").fuzz} Fuzz */

const wholeNumber = (/** @type {string} */ text) => {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError("a number from 1 on is wanted");
  return Number(text);
};

const command = new Command("fuzz:engines")
  .usage("[--seconds N] [--seed N] [--steps N] [--mutants] [--json]")
  .description(
    "Drives all engines with one input, by chance, and compares every result and every byte.",
  )
  .option("--seconds <n>", "how long; with --mutants the longest for each", wholeNumber, 60)
  .option("--seed <n>", "where chance begins; by default another each time", wholeNumber)
  .option("--steps <n>", "most steps of a script", wholeNumber, 100)
  .option("--mutants", "instead: whether each of a list of mistakes in the engine is found")
  .option("--keep", "with --mutants: put a small script for each that chance found into the corpus")
  .option("--json", "print one JSON document")
  .addHelpText(
    "after",
    `
What is found is printed as JSON: put it into a file of test/engine/corpus, with a story, and it is replayed for ever.
The exit code is 1 if something was found, or a mutant was not.

Examples:
  npm run fuzz:engines -- --seconds 600 --seed 7
  npm run fuzz:engines -- --mutants --seconds 20`,
  )
  .parse();

const CORPUS = join(root, "test/engine/corpus");
const { seconds, seed = 1 + (Date.now() % 1e8), steps, mutants, keep, json } = command.opts();
await (mutants ? huntMutants() : fuzzLong());

async function fuzzLong() {
  const bar = new SingleBar({
    format: "{bar} {value}/{total} s · {scripts} scripts · {rate}/s · seed {seed}",
    noTTYOutput: false,
    stream: process.stderr,
  });
  bar.start(seconds, 0, { scripts: 0, rate: 0, seed });
  const result = await runFuzzer({
    seconds,
    replay: true,
    shrink: true,
    onProgress: (reach, passed) => {
      const rate = Math.round(reach.scripts / passed);
      bar.update(Math.min(seconds, Math.floor(passed)), { scripts: reach.scripts, rate });
    },
  });
  bar.stop();
  console.log(json ? JSON.stringify(asDocument(result)) : asText(result));
  if (result.found !== undefined) process.exitCode = 1;
}

/**
 * @param {{ seconds: number, replay: boolean, shrink: boolean, onProgress: (reach: Reach, seconds: number) => void }} options
 * @param {import("./fuzz-engines/bundle.mjs").Change} [change]
 */
async function runFuzzer(options, change) {
  const { url, remove } = await bundleFuzzer(change);
  try {
    const { fuzz } = /** @type {{ fuzz: Fuzz }} */ (await import(url));
    return await fuzz({ ...options, corpus: CORPUS, seed, steps });
  } finally {
    remove();
  }
}

async function huntMutants() {
  const rows = [];
  for (const { name, ...change } of MUTANTS) {
    const options = { seconds, replay: !keep, shrink: keep === true, onProgress: () => {} };
    const { reach, found, kept, seconds: passed } = await runFuzzer(options, change);
    const by = found === undefined ? undefined : (kept ?? "chance");
    if (keep && found !== undefined) keepScript(name, found.script);
    rows.push({ name, by, scripts: reach.scripts, seconds: passed });
    if (!json) console.error(`${by === undefined ? "NOT found" : "found"}: ${name}`);
  }
  const found = rows.filter(({ by }) => by !== undefined);
  if (json) console.log(JSON.stringify({ seed, mutants: rows }));
  else {
    const style = { head: [], border: [] };
    const table = new Table({ head: ["mutant", "found by", "scripts", "s"], style });
    for (const row of rows) {
      table.push([row.name, row.by ?? "NOTHING", row.scripts, row.seconds.toFixed(2)]);
    }
    console.log(`${table}\n${found.length} of ${rows.length} mutants were found, seed ${seed}`);
  }
  if (found.length < rows.length) process.exitCode = 1;
}

/** @param {string} mutant @param {import("../test/engine/differential/script.js").Script} script */
function keepScript(mutant, script) {
  const name = mutant.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase();
  const text = JSON.stringify({ story: `finds that ${mutant}`, ...script }, null, 1);
  writeFileSync(join(CORPUS, `${name}.json`), `${text}\n`);
}

/** @param {Awaited<ReturnType<Fuzz>>} result */
function asDocument({ reach, seconds: passed, found }) {
  const { scripts, steps: done, completions, deep, turned, broken } = reach;
  const seen = Object.fromEntries(reach.seen());
  return {
    seed,
    seconds: passed,
    scripts,
    steps: done,
    completions,
    deep,
    turned,
    broken,
    seen,
    found: found?.script,
  };
}

/** @param {Awaited<ReturnType<Fuzz>>} result */
function asText({ reach, seconds: passed, found }) {
  const table = new Table({
    head: ["reached", "times"],
    colAligns: ["left", "right"],
    style: { head: [], border: [] },
  });
  for (const [what, times] of reach.seen()) table.push([what, times]);
  const percent = (/** @type {"deep" | "turned" | "broken"} */ part) =>
    `${(reach.share(part) * 100).toFixed(1)} %`;
  return [
    `${table}`,
    `${reach.scripts} scripts of ${reach.steps} steps with ${reach.completions} completions in ${passed.toFixed(1)} s, seed ${seed}`,
    `${percent("deep")} with 64 completions or more, ${percent("turned")} past the end of a ring, ${percent("broken")} with a queue that broke`,
    found === undefined ? "the engines agreed" : found.message,
  ].join("\n");
}
