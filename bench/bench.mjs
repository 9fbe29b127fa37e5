// The benchmark: `node bench/bench.mjs --help`. Measures the package as it was built: its pieces, and jobs as
// `blockpt bench` runs them. This file owns the arguments and the order of things.

import { Command } from "commander";
import { chooser, complain, endOnSignals, showProgress } from "./command.mjs";

/** @typedef {import("./rounds.mjs").Section} Section */

/** What pieces and jobs are worth. */
const FULL = {
  pieces: { rounds: 9, milliseconds: 40, warmUpMilliseconds: 80 },
  jobs: { rounds: 9, milliseconds: 200, tries: 3 },
  growth: { rounds: 5, milliseconds: 100, tries: 3 },
};
const QUICK = {
  pieces: { rounds: 3, milliseconds: 5, warmUpMilliseconds: 15 },
  jobs: { rounds: 2, milliseconds: 30, tries: 1 },
  growth: { rounds: 1, milliseconds: 15, tries: 1 },
};

const command = new Command("bench")
  .usage("[--json] [--save] [--quick] [filter…]")
  .description(
    "Measures the engines' pieces against each other, and disks against what limits them.",
  )
  .argument(
    "[filters...]",
    "sections or groups, or parts of `section: row`, in any case; all by default",
  )
  .option("--json", "print one JSON document")
  .option("--save", "write that document to bench/results, for `npm run bench:report`")
  .option("--quick", "fewer and shorter rounds: whether it runs, not how fast")
  .addHelpText(
    "after",
    `
Sections of pieces: descriptors, rings, copies, block, idle, costs.
Groups of jobs: memory, apis, protocol, engines, large, dma, file, queues.
How cost grows: growth-depth, growth-block, growth-discs, growth-queues, growth-size.

Examples:
  npm run bench                                all of it: some ten minutes
  npm run bench -- --save                      the same, accepted as what the report shows
  node bench/bench.mjs --quick                 a smoke test of a minute
  node bench/bench.mjs memory file             two groups
  node bench/bench.mjs growth                  how cost grows, all of it
  node bench/bench.mjs "copies: 4 KiB DMA"     two rows of a section
  node bench/bench.mjs --json > results.json   for another program`,
  )
  .parse();

await run(command.args, command.opts()).catch(complain);

/**
 * @param {string[]} filters
 * @param {{ json?: boolean, save?: boolean, quick?: boolean }} options
 */
async function run(filters, { json = false, save = false, quick = false }) {
  // Loaded late: they need the built package, and `--help` does not.
  const { Cleanup, headLines, nameOf } = await import("../dist/bench.js");
  const { environment } = await import("./environment.mjs");
  const { GROUPS } = await import("./groups.mjs");
  const { GROWTH } = await import("./growth.mjs");
  const { saveResult } = await import("./results.mjs");
  const { block } = await import("./block-layer.mjs");
  const { copies, descriptors, rings } = await import("./pieces.mjs");
  const { idle } = await import("./idle.mjs");
  const { costs } = await import("./costs.mjs");

  const allSections = [descriptors, rings, copies, block, idle, ...costs];
  const allGroups = [...GROUPS, ...GROWTH];
  const isChosen = chooser(
    filters,
    [...allSections, ...allGroups].map(({ id }) => id),
  );
  const sections = allSections
    .map((section) => ({
      section,
      rows: section.rows.filter(({ name }) => isChosen(section.id, name)),
    }))
    .filter(({ rows }) => rows.length > 0);
  const groups = allGroups
    .map((group) => ({
      ...group,
      jobs: group.jobs.filter((job) => isChosen(group.id, nameOf(job, group.jobs))),
    }))
    .filter(({ jobs }) => jobs.length > 0);
  if (sections.length + groups.length === 0) {
    command.error(`error: no row matches ${filters.join(", ")}; see --help for the sections`);
  }
  if (save && (quick || filters.length > 0)) {
    command.error("error: --save is for all of it in full: without --quick and without filters");
  }
  const cleanup = new Cleanup();
  endOnSignals(cleanup);
  const made = environment();
  const say = (/** @type {string} */ text) => {
    if (!json) console.log(text);
  };
  say([...headLines(made), ""].join("\n"));
  const start = performance.now();
  const effort = quick ? QUICK : FULL;
  const measureAll = async () => ({
    sections: await measureSections(sections, effort.pieces, say),
    groups: await measureGroups(groups, effort, say, cleanup),
  });
  // The threads of a job that failed would keep the process.
  const results = await measureAll().finally(() => cleanup.run());
  const seconds = (performance.now() - start) / 1000;
  const document = { environment: made, effort, filters, seconds, ...results };
  if (json) console.log(JSON.stringify(document, null, 2));
  say(`Took ${seconds.toFixed(0)} s.`);
  if (!save) return;
  const path = saveResult("bench", document);
  say(`Saved as ${path}.`);
}

/**
 * Both engines take turns in one thread, on one bus each.
 *
 * @param {{ section: Section, rows: import("./rounds.mjs").Row[] }[]} sections
 * @param {import("./rounds.mjs").Effort} effort
 * @param {(text: string) => void} say
 */
async function measureSections(sections, effort, say) {
  if (sections.length === 0) return [];
  const { createBus } = await import("blockpt");
  const { measureSection } = await import("./rounds.mjs");
  const { formatSection } = await import("./table.mjs");
  const size = { hostMemoryBytes: 64 << 20 };
  const buses = {
    wasm: await createBus({ ...size, engine: "wasm" }),
    typescript: await createBus({ ...size, engine: "typescript" }),
  };
  const results = [];
  for (const { section, rows } of sections) {
    const measured = await measureSection(section, rows, buses, effort, showProgress);
    showProgress("");
    results.push(measured);
    say(formatSection(measured));
  }
  buses.wasm.close();
  buses.typescript.close();
  return results;
}

/**
 * Each group has buses of its own, which are gone before the next one is measured.
 *
 * @param {import("./groups.mjs").Group[]} groups
 * @param {Record<"jobs" | "growth", import("../ts/cli/bench/measure.js").Effort>} effort
 * @param {(text: string) => void} say
 * @param {import("../ts/cli/cleanup.js").Cleanup} cleanup
 */
async function measureGroups(groups, effort, say, cleanup) {
  if (groups.length === 0) return [];
  const { Cleanup, HandOverProbe, measure, nameOf, openRig, resultLines } = await import(
    "../dist/bench.js"
  );
  const { colour } = await import("./table.mjs");
  const probe = await HandOverProbe.start();
  cleanup.add(() => probe.close());
  const results = [];
  for (const { id, title, axis, jobs } of groups) {
    const own = new Cleanup();
    const forget = cleanup.add(() => own.run());
    const rig = await openRig(jobs, own);
    const worth = axis === undefined ? effort.jobs : effort.growth;
    const measured = await measure(rig, worth, probe, (done, job) => {
      showProgress(`${id}: ${done + 1}, ${nameOf(job, jobs)}`);
    });
    showProgress("");
    forget();
    await own.run();
    results.push({ id, title, axis, results: measured });
    say(
      [`${colour.bold(title)} ${colour.dim(`[${id}]`)}`, ...resultLines(measured, colour), ""].join(
        "\n",
      ),
    );
  }
  return results;
}
