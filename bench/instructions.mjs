// Instructions of the Rust core a request: `node bench/instructions.mjs --help`. A second opinion that no other
// process, clock or core disturbs: the same sources and compiler give the same counts on every machine. What they
// are not is time: a copy, a miss of a cache and a wait for the other side cost none.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { countInstructions } from "./callgrind.mjs";
import { Complaint, complain } from "./command.mjs";
import { acceptedPath, saveResult } from "./results.mjs";
import { colour } from "./table.mjs";

/**
 * @typedef {object} Counts
 * @property {unknown} environment
 * @property {{ rustc: string, host: string }} toolchain
 * @property {{ name: string, instructions: number }[]} rows - of one request each
 *
 * @typedef {{ name: string, before: number | undefined, now: number | undefined, change: number | undefined }} Difference
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ACCEPTED = acceptedPath("instructions");
/** What the crate's rows do (crates/instructions). */
const REQUESTS = 64 * 32;
const COUNTED = "*blockpt_instructions*counted*";
const SAVE = "npm run bench:instructions -- --save";

const command = new Command("bench:instructions")
  .description(
    "Counts the instructions of the Rust core a request, and compares with the last accepted counts.",
  )
  .option("--save", "accept the counts: write them to bench/results/instructions.json")
  .option("--json", "print one JSON document")
  .option("--tolerance <percent>", "more than this up on any row is a regression", percentOf, 2)
  .option("--with <file>", "compare the counts of a file (of --json), and count nothing")
  .option("--baseline <file>", "compare with these", ACCEPTED)
  .addHelpText(
    "after",
    `
Takes valgrind and cargo. Counts of another compiler are shown side by side, and are no regression.

Exit codes:
  0    no row has more instructions than it may have, or another compiler made them
  1    a row has, or something failed: a line on stderr says what
  2    the command line cannot be understood

Examples:
  npm run bench:instructions                 count, and compare
  npm run bench:instructions -- --save       count, and accept
  npm run bench:instructions -- --json       for another program`,
  )
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse();

await run(command.opts()).catch(complain);

/** @param {{ save?: boolean, json?: boolean, tolerance: number, with?: string, baseline: string }} options */
async function run({ save = false, json = false, tolerance, with: file, baseline }) {
  const counts = file === undefined ? await count() : read(file);
  if (save) {
    console.log(`Written to ${saveResult("instructions", counts)}.`);
    return;
  }
  const accepted = read(baseline, `Accept what is counted now by \`${SAVE}\`.`);
  const differences = compare(accepted, counts);
  const isSameCompiler = JSON.stringify(accepted.toolchain) === JSON.stringify(counts.toolchain);
  const up = differences.filter(({ change = 0 }) => change > tolerance / 100);
  const regressions = isSameCompiler ? up.map(({ name }) => name) : [];
  if (json) {
    console.log(JSON.stringify({ ...counts, differences, isSameCompiler, regressions }, null, 2));
  } else {
    console.log(tableOf(differences, tolerance));
    console.log(`Instructions a request. ${counts.toolchain.rustc}, ${counts.toolchain.host}.`);
  }
  if (!isSameCompiler) {
    const { rustc, host } = accepted.toolchain;
    console.error(
      `warning: the accepted counts are those of ${rustc}, ${host}: with another compiler a difference is no ` +
        `regression. \`${SAVE}\` accepts this one's.`,
    );
  }
  if (regressions.length > 0) {
    process.exitCode = 1;
    const rows = regressions.map((name) => `"${name}"`).join(", ");
    console.error(
      `More than ${tolerance} % more instructions: ${rows}. If they are worth it: \`${SAVE}\``,
    );
  }
}

async function count() {
  const rustc = version("rustc", ["-vV"]);
  if (rustc === undefined || version("cargo", ["--version"]) === undefined) {
    throw new Complaint(
      "cargo is not there: it builds what is counted. https://rustup.rs has it, 1.90 or newer.",
    );
  }
  if (version("valgrind", ["--version"]) === undefined) {
    throw new Complaint(
      "valgrind is not there: its callgrind counts. Debian and others have it: `apt install valgrind`.",
    );
  }
  // Loaded late: it needs the built package, and comparing does not.
  const { environment } = await import("./environment.mjs");
  const startedAt = performance.now();
  const program = build();
  const names = execFileSync(program, { encoding: "utf8" }).trim().split("\n");
  const rows = names.map((name) => ({
    name,
    instructions: countInstructions(program, [name], COUNTED) / REQUESTS,
  }));
  const missed = rows.filter(({ instructions }) => instructions === 0);
  if (missed.length > 0)
    throw new Error(`callgrind saw nothing of ${missed.map(({ name }) => name)}`);
  const [release = ""] = rustc.split("\n");
  const host = /^host: (.*)$/m.exec(rustc)?.[1] ?? "";
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    environment: environment(),
    effort: { requests: REQUESTS },
    seconds,
    toolchain: { rustc: release, host },
    rows,
  };
}

/** Gives the path of crates/instructions, built. */
function build() {
  const args = [
    "build",
    "--locked",
    "--profile",
    "instructions",
    "--package",
    "blockpt-instructions",
  ];
  const messages = execFileSync("cargo", [...args, "--message-format", "json-render-diagnostics"], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    // What is counted is what this compiler makes by itself.
    env: { ...process.env, RUSTFLAGS: "" },
  });
  const artifacts = messages
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const made = artifacts.find(({ executable }) => executable);
  if (made === undefined) throw new Error("cargo made no program");
  return made.executable;
}

/**
 * @param {string} tool
 * @param {string[]} args
 * @returns {string | undefined} undefined if the tool is not there
 */
function version(tool, args) {
  try {
    return execFileSync(tool, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return undefined;
  }
}

/**
 * @param {string} file
 * @param {string} [advice] - what to do if there is none
 * @returns {Counts}
 */
function read(file, advice = "") {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Complaint(`There are no counts in ${file}: ${why}. ${advice}`.trim());
  }
}

/**
 * @param {Counts} accepted
 * @param {Counts} counts
 * @returns {Difference[]}
 */
function compare(accepted, counts) {
  const before = new Map(accepted.rows.map(({ name, instructions }) => [name, instructions]));
  const now = new Map(counts.rows.map(({ name, instructions }) => [name, instructions]));
  return [...new Set([...before.keys(), ...now.keys()])].map((name) => {
    const [old, fresh] = [before.get(name), now.get(name)];
    const change = old === undefined || fresh === undefined ? undefined : fresh / old - 1;
    return { name, before: old, now: fresh, change };
  });
}

/**
 * @param {Difference[]} differences
 * @param {number} tolerance
 */
function tableOf(differences, tolerance) {
  const table = new Table({
    head: ["", "accepted", "now", "change"],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  const number = (/** @type {number | undefined} */ value) => value?.toFixed(1) ?? "–";
  for (const { name, before, now, change } of differences) {
    const text =
      change === undefined
        ? before === undefined
          ? "new"
          : "gone"
        : `${change > 0 ? "+" : ""}${(100 * change).toFixed(1)} %`;
    const paint =
      (change ?? 0) > tolerance / 100
        ? colour.red
        : (change ?? 0) < -tolerance / 100
          ? colour.green
          : String;
    table.push([name, number(before), number(now), paint(text)]);
  }
  return table.toString();
}

/** @param {string} text */
function percentOf(text) {
  const value = Number(text);
  if (!(text !== "" && value >= 0 && value < 1000))
    throw new InvalidArgumentError("A number of percent is wanted.");
  return value;
}
