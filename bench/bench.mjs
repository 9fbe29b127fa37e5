// The benchmark: `node bench/bench.mjs --help`. Measures the package as it was built.
// This file owns the arguments, the two buses and the order of things.
//
// Both engines and their limits take turns in one thread of one process, on one bus
// each: a second instance of the wasm engine in a thread makes the calls of both slower.

import { Command } from "commander";

/** @typedef {import("./rounds.mjs").Section} Section */

/** What pieces and whole reads are worth. */
const FULL = {
  pieces: { rounds: 9, milliseconds: 40, warmUpMilliseconds: 80, tries: 1 },
  reads: { rounds: 9, milliseconds: 180, warmUpMilliseconds: 300, tries: 3 },
};
const QUICK = {
  pieces: { rounds: 3, milliseconds: 5, warmUpMilliseconds: 15, tries: 1 },
  reads: { rounds: 3, milliseconds: 40, warmUpMilliseconds: 80, tries: 1 },
};

const command = new Command("bench")
  .usage("[--json] [--quick] [filter…]")
  .description("Measures the wasm engine against the typescript engine, and both against limits.")
  .argument(
    "[filters...]",
    "parts of `section: row` of what to measure, in any case; all by default",
  )
  .option("--json", "print one JSON document")
  .option("--quick", "fewer and shorter rounds: whether it runs, not how fast")
  .addHelpText(
    "after",
    `
Sections: descriptors, rings, copies, block, memory, file, dma, threads, idle.

Examples:
  npm run bench                                all of it: four minutes, more where others disturb it
  node bench/bench.mjs --quick                 a smoke test of some 40 seconds
  node bench/bench.mjs memory file             whole reads
  node bench/bench.mjs "copies: 4 KiB DMA"     two rows of a section
  node bench/bench.mjs --json > results.json   for another program`,
  )
  .parse();

try {
  // A signal ends the process in the way that runs exit handlers.
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
  await run(command.args, command.opts());
} catch (error) {
  const missing =
    error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
  console.error(missing ? `${error.message}\nIs it built? Run \`npm run build\` first.` : error);
  process.exitCode = 1;
}

/**
 * @param {string[]} filters
 * @param {{ json?: boolean, quick?: boolean }} options
 */
async function run(filters, { json = false, quick = false }) {
  // Loaded late: they need the built package, and `--help` does not.
  const { createBus } = await import("blockpt");
  const { HandOverProbe } = await import("./hand-over.mjs");
  const { block } = await import("./block-layer.mjs");
  const { copies, descriptors, rings } = await import("./pieces.mjs");
  const { dma, file, memory } = await import("./end-to-end.mjs");
  const { idle, threads } = await import("./threads.mjs");
  const { measureSection } = await import("./rounds.mjs");
  const table = await import("./table.mjs");

  const { pieces, reads } = quick ? QUICK : FULL;
  /** @type {[Section, import("./rounds.mjs").Effort][]} */
  const all = [
    [descriptors, pieces],
    [rings, pieces],
    [copies, pieces],
    [block, pieces],
    [memory, reads],
    [file, reads],
    [dma, reads],
    [threads, reads],
    [idle, pieces],
  ];
  const chosen = all
    .map(([section, effort]) => ({ section, effort, rows: chooseRows(section, filters) }))
    .filter(({ rows }) => rows.length > 0);
  if (chosen.length === 0) {
    command.error(`error: no row matches ${filters.join(", ")}; see --help for the sections`);
  }

  const environment = table.describeEnvironment();
  if (!json) console.log(table.formatHead(environment, reads));
  const start = performance.now();
  const size = { hostMemoryBytes: 64 << 20 };
  const buses = {
    wasm: await createBus({ ...size, engine: "wasm" }),
    typescript: await createBus({ ...size, engine: "typescript" }),
  };
  const probe = new HandOverProbe();
  const results = [];
  try {
    await probe.ready();
    for (const { section, effort, rows } of chosen) {
      const measured = await measureSection(section, rows, buses, effort, probe, showProgress);
      showProgress("");
      results.push(measured);
      if (!json) console.log(table.formatSection(measured));
    }
  } finally {
    await probe.close();
    buses.wasm.close();
    buses.typescript.close();
  }
  const seconds = (performance.now() - start) / 1000;
  if (json)
    console.log(JSON.stringify({ ...environment, quick, filters, seconds, results }, null, 2));
  else console.log(`Took ${seconds.toFixed(0)} s.`);
}

/**
 * @param {Section} section
 * @param {string[]} filters
 */
function chooseRows(section, filters) {
  if (filters.length === 0) return section.rows;
  return section.rows.filter((row) => {
    const name = `${section.id}: ${row.name}`.toLowerCase();
    return filters.some((filter) => name.includes(filter.toLowerCase()));
  });
}

/** @param {string} text - replaces the line before; a terminal alone shows it */
function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
