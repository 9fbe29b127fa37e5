// Hundreds of crashes of SQLite and ext4: `npm run crash -- --help`. The programs, and what is examined, are those
// of the tests, in test/crash; this file owns the arguments, what is shown, and what is kept.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

const { args, rounds, seed } = parse();
const { WORKLOADS, crashWorkload } = await load();
const names = WORKLOADS.map(({ name }) => name);
const chosen = WORKLOADS.filter(
  ({ name }) => args.length === 0 || args.some((part) => name.includes(part)),
);
if (chosen.length === 0) {
  console.error(`no workload's name has ${args.join(" or ")} in it: ${names.join(", ")}`);
  process.exit(2);
}

let isInterrupted = false;
// What is mounted is unmounted first.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    isInterrupted = true;
  });
}

const tallies = [];
for (const workload of chosen) {
  const reason = workload.whyNot();
  if (reason !== undefined) {
    console.log(`${workload.name} is left out: ${reason}`);
    continue;
  }
  if (isInterrupted) break;
  const bar = new SingleBar({
    format: `${workload.name.padEnd(16)} {bar} {value} of {total} crashes, {duration_formatted}`,
    hideCursor: true,
  });
  bar.start(rounds, 0);
  const begun = performance.now();
  const tally = await crashWorkload(
    workload,
    rounds,
    seed,
    () => bar.increment(),
    () => isInterrupted,
  ).finally(() => bar.stop());
  tallies.push({ ...tally, seconds: (performance.now() - begun) / 1000 });
}

const table = new Table({
  head: ["workload", "runs", "changes", "flushes", "crashes", "findings", "seconds"],
  style: { head: [], border: [] },
  colAligns: ["left", "right", "right", "right", "right", "right", "right"],
});
for (const { name, runs, changes, flushes, crashes, findings, seconds } of tallies) {
  table.push([name, runs, changes, flushes, crashes, findings.length, seconds.toFixed(1)]);
}
console.log(table.toString());
const failed = tallies.filter(({ findings }) => findings.length > 0);
if (failed.length > 0) tell();
process.exitCode = isInterrupted ? 130 : failed.length > 0 ? 1 : 0;

function parse() {
  const whole = (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 31) {
      throw new InvalidArgumentError("a whole number of 1 or more is wanted");
    }
    return value;
  };
  const command = new Command("crash")
    .usage("[--rounds N] [--seed S] [workload…]")
    .description(
      "Runs programs on a disc that loses what no flush forces, crashes each run at many moments, and examines what is left.",
    )
    .argument("[workloads...]", "parts of their names; all by default")
    .option("--rounds <n>", "crashes of each workload", whole, 100)
    .option("--seed <s>", "chooses what programs do, when they crash, and what is lost", whole, 1)
    .addHelpText(
      "after",
      `
Workloads: sqlite-delete, sqlite-truncate, sqlite-persist, sqlite-wal, ext4-1024, ext4-4096.
Those of ext4 take root, for mounts, and Debian's packages libnbd-bin and e2fsprogs.

Examples:
  npm run crash                                 600 crashes
  npm run crash -- --rounds 500 sqlite          2000 crashes of SQLite
  npm run crash -- --rounds 60 --seed 7 wal     others, of one workload

Exit codes: 0 nothing was found, 1 something was, 2 wrong arguments, 130 interrupted.`,
    )
    .parse();
  return { args: command.args, ...command.opts() };
}

/** What was found, where it is kept, and how it is done again. */
function tell() {
  const folder = mkdtempSync(`${tmpdir()}/blockpt-crash-`);
  for (const { name, findings } of failed) {
    for (const { recording, options, complaints, image } of findings) {
      const path = `${folder}/${name}-at-${options.at}-seed-${options.seed}.img`;
      writeFileSync(path, image);
      console.log(`\n${recording}, crash(${JSON.stringify(options)}): ${path}`);
      for (const complaint of complaints) console.log(`  ${complaint}`);
    }
    console.log(
      `\nagain: npm run crash -- --rounds ${rounds} --seed ${seed} ${name}` +
        (name.startsWith("ext4")
          ? "  (the kernel's own timing differs: the image is the evidence)"
          : ""),
    );
  }
}

/** The tests' parts, as one script: Node does not read TypeScript in every version that this is for. */
async function load() {
  const folder = `${root}node_modules/.cache/blockpt-test`;
  mkdirSync(folder, { recursive: true });
  const outfile = `${folder}/crash-${process.pid}.mjs`;
  await build({
    stdin: {
      contents: `export * from "./workloads.ts"; export * from "./campaign.ts";`,
      resolveDir: `${root}test/crash`,
    },
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    plugins: [{ name: "as-they-lie", setup: asTheyLie }],
    logLevel: "error",
  });
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile);
  }
}

/** Modules find the built library, and files beside themselves. */
function asTheyLie({ onResolve, onLoad, esbuild }) {
  onResolve({ filter: /^blockpt(\/\w+)?$/ }, ({ path }) => ({
    path: `${root}dist/${path === "blockpt" ? "index" : path.slice("blockpt/".length)}.js`,
    external: true,
  }));
  onLoad({ filter: /\/test\/.*\.ts$/ }, async ({ path }) => {
    const result = await esbuild.build({
      entryPoints: [path],
      write: false,
      format: "esm",
      target: "node20",
      define: { "import.meta.url": JSON.stringify(pathToFileURL(path).href) },
    });
    return { contents: result.outputFiles[0].text, loader: "js" };
  });
}
