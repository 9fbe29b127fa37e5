// How large the package is, and how fast it starts: `node bench/package.mjs --help`. It looks at what `npm pack` makes,
// installed elsewhere.

import { copyFileSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { installPackage } from "../scripts/install-package.mjs";
import { complain, showProgress } from "./command.mjs";
import { STEPS } from "./costs/first-read.mjs";
import { runProgram } from "./costs/program.mjs";
import { sizesOf } from "./package/sizes.mjs";
import { colour, formatSummary } from "./table.mjs";

/** @typedef {Awaited<ReturnType<typeof sizesOf>>} Sizes */
/** @typedef {import("./package/sizes.mjs").Size} Size */
/** @typedef {import("../ts/workload/statistics.js").Summary} Summary */

const ENGINES = ["wasm", "typescript"];
const NODE_ALONE = "a Node that does nothing";
const BUS_TO_READ = "createBus to the first byte read";
const WHOLE = "Node's start to the first byte read";

const command = new Command("package:report")
  .usage("[--rounds N] [--json]")
  .description(
    "Packs and installs the package elsewhere; says how large it is, and how fast it starts.",
  )
  .option("--rounds <n>", "processes started for each figure", roundsOf, 15)
  .option("--json", "print one JSON document")
  .addHelpText(
    "after",
    `
Each round starts a process for each engine, and one that does nothing. \`npm run bench -- costs\` has the same steps in a
process that is warm.

Examples:
  npm run package:report
  node bench/package.mjs --json --rounds 50`,
  )
  .parse();

await run(command.opts()).catch(complain);

/** @param {{ rounds: number, json?: boolean }} options */
async function run({ rounds, json = false }) {
  // Loaded late: it needs the built package, and `--help` does not.
  const { environment } = await import("./environment.mjs");
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "blockpt-report-")));
  try {
    const sizes = await sizesOf(await installPackage(folder));
    const start = await measureStart(folder, rounds);
    const result = { environment: environment(), rounds, ...sizes, start };
    console.log(json ? JSON.stringify(result, null, 2) : formatReport(result));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Milliseconds, by engine and step.
 *
 * @param {string} folder - of a project that has the package
 * @param {number} rounds
 */
async function measureStart(folder, rounds) {
  const { summarize } = await import("../dist/bench.js");
  const name = "first-read.mjs";
  copyFileSync(fileURLToPath(new URL(`costs/${name}`, import.meta.url)), join(folder, name));
  const program = pathToFileURL(join(folder, name)).href;
  const nothing = new URL("costs/nothing.mjs", import.meta.url).href;
  /** @type {Record<string, Record<string, number[]>>} */
  const taken = {};
  const add = (
    /** @type {string} */ engine,
    /** @type {string} */ step,
    /** @type {number} */ ms,
  ) => {
    taken[engine] ??= {};
    taken[engine][step] = [...(taken[engine][step] ?? []), ms];
  };
  for (let round = 0; round < rounds; round++) {
    showProgress(`round ${round + 1} of ${rounds}`);
    for (const engine of ENGINES) {
      add(engine, NODE_ALONE, (await runProgram(nothing, [])).milliseconds);
      const { said, milliseconds } = await runProgram(program, [engine]);
      for (const step of STEPS) add(engine, step, said[step]);
      const fromBus = STEPS.filter((step) => step !== "import");
      add(
        engine,
        BUS_TO_READ,
        fromBus.reduce((sum, step) => sum + said[step], 0),
      );
      add(engine, WHOLE, milliseconds);
    }
  }
  showProgress("");
  return /** @type {Record<string, Record<string, Summary>>} */ (
    Object.fromEntries(
      Object.entries(taken).map(([engine, steps]) => [
        engine,
        Object.fromEntries(Object.entries(steps).map(([step, times]) => [step, summarize(times)])),
      ]),
    )
  );
}

/** @param {Sizes & { rounds: number, start: Record<string, Record<string, Summary>> }} report */
function formatReport({ tarballBytes, unpackedBytes, files, parts, loads, rounds, start }) {
  const grouped = (/** @type {number} */ bytes) => bytes.toLocaleString("en");
  const row = (/** @type {[string, Size]} */ [name, size]) => [
    name,
    size.files,
    grouped(size.bytes),
    grouped(size.gzipBytes),
  ];
  const sizes = table(
    ["", "files", "bytes", "gzip"],
    [
      ["tarball", "", grouped(tarballBytes), ""],
      ["unpacked", files, grouped(unpackedBytes), ""],
      ...Object.entries(parts).map(row),
    ],
  );
  const loaded = table(["", "files", "bytes", "gzip"], Object.entries(loads).map(row));
  const times = table(
    ["ms", ...ENGINES],
    [NODE_ALONE, ...STEPS, BUS_TO_READ, WHOLE].map((step) => [
      step,
      ...ENGINES.map((engine) => formatSummary(/** @type {Summary} */ (start[engine]?.[step]))),
    ]),
  );
  return [
    `${colour.bold("The package")}\n${sizes}`,
    `${colour.bold("What is loaded at once, with what it imports")}\n${loaded}`,
    `${colour.bold(`The start, in a process of its own: median (fastest–slowest) of ${rounds}`)}\n${times}`,
  ].join("\n\n");
}

/**
 * @param {string[]} head
 * @param {(string | number)[][]} rows
 */
function table(head, rows) {
  const made = new Table({
    head,
    colAligns: ["left", ...Array(head.length - 1).fill("right")],
    style: { head: [], border: [], compact: true },
  });
  made.push(...rows);
  return made.toString();
}

/** @param {string} text */
function roundsOf(text) {
  const rounds = Number(text);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new InvalidArgumentError("a number from 1 on is wanted");
  }
  return rounds;
}
