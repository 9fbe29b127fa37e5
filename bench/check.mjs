// Whether anything became slower: `node bench/check.mjs --help`. Measures anew, and compares with the accepted
// measurement; what looks slower or faster is measured again before it is called so. `compare.mjs` says what is compared with what.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { Complaint, complain } from "./command.mjs";
import { compare, figuresOf } from "./compare.mjs";
import { acceptedPath } from "./results.mjs";
import { colour } from "./table.mjs";

/** @typedef {import("./compare.mjs").Comparison} Comparison */
/** @typedef {import("./compare.mjs").Measurement} Measurement */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ACCEPTED = acceptedPath("bench");
const SAVE = "npm run bench -- --save";
/** What has a ratio, in three minutes. */
const USUAL = [
  ...["descriptors:", "rings:", "copies: 512 B", "copies: 4 KiB", "block:"],
  ...["memory:", "apis:", "protocol:", "engines:", "large:", "dma:", "file:", "queues:"],
];
/** How often what looks changed is measured again, if it does not come out comparable. */
const CONFIRMATIONS = 2;
/** What of two environments makes them different machines. */
const MACHINE = ["cpu", "cores", "system", "v8"];

const command = new Command("bench:check")
  .usage("[options] [filter…]")
  .description("Measures, and compares with the last accepted measurement by ratios.")
  .argument(
    "[filters...]",
    "what to measure, as `npm run bench` takes them; three minutes' worth by default",
  )
  .option("--tolerance <percent>", "what became slower by no more is as it was", percentOf, 10)
  .option(
    "--with <file>",
    "compare what a file holds (of `npm run bench -- --json`), and measure nothing",
  )
  .option("--baseline <file>", "compare with that", ACCEPTED)
  .option("--json", "print one JSON document")
  .addHelpText(
    "after",
    `
A regression is more than the tolerance, more than noise makes (rank-sum test), and there again when it is
measured again; so is an improvement. Rounds in which a hand-over between cores took another time than in
the baseline, by more than half, are not compared; nor is what others disturbed.

Exit codes:
  0    no regression
  1    a regression, nothing that could be compared, or a failure: a line on stderr says what
  2    the command line cannot be understood
  130  interrupted

Examples:
  ${SAVE}                            measure all of it, and accept it as the baseline
  npm run bench:check                              compare
  npm run bench:check -- memory: "copies: 4 KiB"   compare two groups
  npm run bench:check -- --with results.json       compare what was measured before`,
  )
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse();

await run(command.args, command.opts()).catch(complain);

/**
 * @param {string[]} filters
 * @param {{ tolerance: number, with?: string, baseline: string, json?: boolean }} options
 */
async function run(filters, { tolerance, with: file, baseline: path, json = false }) {
  const baseline = read(path, `Measure one and accept it, some ten minutes: \`${SAVE}\``);
  const { nameOf } = await import("../dist/bench.js");
  const before = figuresOf(baseline, (job) => nameOf(job));
  const compareAll = (/** @type {Measurement} */ measurement) =>
    [...figuresOf(measurement, (job) => nameOf(job))].flatMap(([row, now]) => {
      const old = before.get(row);
      return old === undefined ? [] : [compare(row, old, now, tolerance / 100)];
    });
  const now = file === undefined ? await measure(filters.length > 0 ? filters : USUAL) : read(file);
  warnOfMachines(baseline, now);
  let comparisons = compareAll(now);
  if (file === undefined) comparisons = await confirm(comparisons, compareAll);
  if (json) {
    const { environment } = now;
    const document = { environment, baseline: baseline.environment, tolerance, comparisons };
    console.log(JSON.stringify(document, null, 2));
  } else {
    console.log(tableOf(comparisons));
  }
  report(comparisons, tolerance, json);
}

/**
 * Measures what looks changed again, by itself; what does not come out as before was noise.
 *
 * @param {Comparison[]} comparisons
 * @param {(measurement: Measurement) => Comparison[]} compareAll
 */
async function confirm(comparisons, compareAll) {
  const confirmed = new Map(comparisons.map((comparison) => [comparison.row, comparison]));
  let suspects = comparisons.filter(({ verdict }) => isChange(verdict));
  for (let attempt = 0; attempt < CONFIRMATIONS && suspects.length > 0; attempt++) {
    console.error(`Measured again, as they look changed: ${listOf(suspects)}`);
    const again = new Map(
      compareAll(await measure(await filtersOf(suspects))).map((each) => [each.row, each]),
    );
    for (const { row, verdict } of suspects) {
      const second = again.get(row);
      if (second === undefined) continue;
      const isOther = isChange(second.verdict) && second.verdict !== verdict;
      confirmed.set(row, isOther ? { ...second, verdict: "noisy" } : second);
    }
    suspects = suspects.filter(({ row }) => confirmed.get(row)?.verdict === "not comparable");
  }
  return [...confirmed.values()];
}

/** @param {import("./compare.mjs").Verdict} verdict */
function isChange(verdict) {
  return verdict === "regression" || verdict === "improvement";
}

/**
 * Filters of `bench.mjs` that choose rows; it calls jobs by what tells them from others of their group.
 *
 * @param {Comparison[]} comparisons
 */
async function filtersOf(comparisons) {
  const { nameOf } = await import("../dist/bench.js");
  const { GROUPS } = await import("./groups.mjs");
  const { GROWTH } = await import("./growth.mjs");
  const names = new Map(
    [...GROUPS, ...GROWTH].flatMap(({ id, jobs }) =>
      jobs.map((job) => [`${id}: ${nameOf(job)}`, `${id}: ${nameOf(job, jobs)}`]),
    ),
  );
  return comparisons.map(({ row }) => names.get(row) ?? row.replace(/, wasm\/\w+$/, ""));
}

/**
 * Has the benchmark measure, in a process of its own.
 *
 * @param {string[]} filters
 * @returns {Promise<Measurement>}
 */
async function measure(filters) {
  const args = [`${ROOT}bench/bench.mjs`, "--json", ...filters];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let stopped = 0;
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    stopped = signal === "SIGINT" ? 130 : 143;
    child.kill(signal);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  const chunks = [];
  for await (const chunk of child.stdout) chunks.push(chunk);
  const code = child.exitCode ?? (await new Promise((resolve) => child.once("exit", resolve)));
  process.off("SIGINT", stop).off("SIGTERM", stop);
  // The benchmark has said why, and taken everything away.
  if (code !== 0 || stopped !== 0) process.exit(stopped || code || 1);
  return JSON.parse(Buffer.concat(chunks).toString());
}

/**
 * @param {string} file
 * @param {string} [advice] - what to do if there is none
 * @returns {Measurement}
 */
function read(file, advice = "") {
  try {
    const { sections, groups, ...rest } = JSON.parse(readFileSync(file, "utf8"));
    if (!Array.isArray(sections) || !Array.isArray(groups)) throw new Error("it is no measurement");
    return { ...rest, sections, groups };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Complaint(`There is no measurement in ${file}: ${why}\n${advice}`.trim());
  }
}

/**
 * @param {Measurement} baseline
 * @param {Measurement} now
 */
function warnOfMachines(baseline, now) {
  const differ = MACHINE.filter((key) => baseline.environment[key] !== now.environment[key]);
  if (differ.length === 0) return;
  const values = differ.map((key) => `${now.environment[key]} (${baseline.environment[key]})`);
  console.error(
    `warning: the baseline was measured on another machine, and ratios differ between machines: ${values.join(", ")}`,
  );
}

/**
 * @param {Comparison[]} comparisons
 * @param {number} tolerance
 * @param {boolean} json
 */
function report(comparisons, tolerance, json) {
  const of = (/** @type {import("./compare.mjs").Verdict} */ verdict) =>
    comparisons.filter((each) => each.verdict === verdict);
  const [regressions, improvements] = [of("regression"), of("improvement")];
  const compared = comparisons.length - of("not comparable").length;
  const say = (/** @type {string} */ text) => (json ? undefined : console.log(text));
  say(`${compared} of ${comparisons.length} rows could be compared.`);
  if (improvements.length > 0) {
    say(`Faster by more than ${tolerance} %: ${listOf(improvements)}\nAccept it: \`${SAVE}\``);
  }
  if (regressions.length > 0) {
    console.error(`Slower by more than ${tolerance} %: ${listOf(regressions)}`);
    process.exitCode = 1;
  } else if (compared === 0) {
    console.error("Nothing could be compared: see the table. Try again, or accept a new baseline.");
    process.exitCode = 1;
  }
}

/** @param {Comparison[]} comparisons */
function listOf(comparisons) {
  return comparisons.map(({ row, change }) => `\n  ${row}: ${percent(change)}`).join("");
}

/** @param {Comparison[]} comparisons */
function tableOf(comparisons) {
  const table = new Table({
    head: ["row", "is", "baseline", "now", "change", ""],
    colAligns: ["left", "left", "right", "right", "right", "left"],
    style: { head: [], border: [], compact: true },
  });
  const paints = {
    regression: colour.red,
    improvement: colour.green,
    same: String,
    noisy: colour.dim,
  };
  for (const { row, ratio, baseline, now, change, verdict, why } of comparisons) {
    table.push([
      row.replace(/, wasm\/\w+$/, ""),
      ratio,
      number(baseline, ratio),
      number(now, ratio),
      Number.isFinite(change) ? percent(change) : "–",
      verdict === "not comparable"
        ? colour.yellow(`not comparable: ${why}`)
        : paints[verdict](verdict),
    ]);
  }
  return table.toString();
}

/**
 * @param {number} value
 * @param {string} ratio
 */
function number(value, ratio) {
  if (!Number.isFinite(value)) return "–";
  return ratio.endsWith("limit") ? `${(100 * value).toFixed(0)} %` : value.toFixed(2);
}

/** @param {number} change */
function percent(change) {
  return `${change > 0 ? "+" : ""}${(100 * change).toFixed(0)} %`;
}

/** @param {string} text */
function percentOf(text) {
  const value = Number(text);
  if (!(text !== "" && value >= 0 && value < 1000))
    throw new InvalidArgumentError("A number of percent is wanted.");
  return value;
}
