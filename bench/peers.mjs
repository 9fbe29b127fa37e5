// The same jobs on blockpt and on what people use today: `node bench/peers.mjs --help`. This file owns the arguments
// and the order of things.

import { randomFillSync } from "node:crypto";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { chooser, complain, endOnSignals, showProgress } from "./command.mjs";
import { saveResult } from "./results.mjs";

/** @typedef {import("./peers/jobs.mjs").PeerJob} PeerJob */
/** @typedef {import("./peers/contestants.mjs").Contestant} Contestant */

const FULL = { rounds: 5, milliseconds: 200, processMilliseconds: 300, tries: 2 };
const QUICK = { rounds: 1, milliseconds: 30, processMilliseconds: 100, tries: 1 };

const command = new Command("peers")
  .usage("[--nbd] [--json] [--save] [--quick] [filter…]")
  .description(
    "Runs the same jobs on blockpt, on NBD servers with its own among them, on what Node has, and on the file itself, in the same rounds.",
  )
  .argument(
    "[filters...]",
    "parts of `job: peer` of what to measure, in any case; all by default, and ours always",
  )
  .option("--nbd", "of the peers, the NBD servers alone")
  .option("--json", "print one JSON document")
  .option("--save", "write it to bench/results/peers.json, too")
  .option("--quick", "one short round: whether it runs, not how fast")
  .addHelpText(
    "after",
    `
Jobs: memory-read-1, memory-read-32, memory-write-1, memory-write-32, memory-large-8,
the same on file-, and null-read-1, null-read-32. The number is the depth.

Programs that are not on the PATH are listed with what to install, and the rest is measured:
fio, nbdkit, nbd-server, qemu-nbd, qemu-storage-daemon.

The file is made in a new directory of TMPDIR. Where that is on a disk, writes wait for it now and
then: TMPDIR=/dev/shm shows them without.

Examples:
  npm run bench:peers                                all of it: some seven minutes
  npm run bench:nbd                                  the NBD servers alone: some four
  node bench/peers.mjs --quick                       a smoke test of a minute
  node bench/peers.mjs memory-read null              three jobs and more
  node bench/peers.mjs "file-read-32: nbd-server"    one peer in one job
  node bench/peers.mjs --json > peers.json           for another program`,
  )
  .parse();

await run(command.args, command.opts()).catch(complain);

/**
 * @param {string[]} filters
 * @param {{ nbd?: boolean, json?: boolean, save?: boolean, quick?: boolean }} options
 */
async function run(filters, { nbd = false, json = false, save = false, quick = false }) {
  // Loaded late: they need the built package, and `--help` does not.
  const { Cleanup, HandOverProbe, headLines } = await import("../dist/bench.js");
  const { environment } = await import("./environment.mjs");
  const { DISC_BYTES, JOBS } = await import("./peers/jobs.mjs");
  const { contestantsOf, leftOut } = await import("./peers/contestants.mjs");
  const { measureJob } = await import("./peers/rounds.mjs");
  const { formatJob, formatMissing } = await import("./peers/table.mjs");
  const { findTools } = await import("./peers/tools.mjs");

  const tools = findTools();
  const everybody = (/** @type {PeerJob} */ job) =>
    contestantsOf(job).filter(({ kind, isServer }) => !nbd || kind === "ours" || isServer);
  const { chosen, missing } = choose(JOBS, filters, tools, everybody, leftOut);
  if (save && (nbd || quick || filters.length > 0)) {
    command.error(
      "error: --save is for all of it in full: without --nbd, --quick and without filters",
    );
  }
  if (chosen.length + missing.length === 0) {
    command.error(`error: no row matches ${filters.join(", ")}; see --help for the jobs`);
  }
  const effort = quick ? QUICK : FULL;
  const made = { ...environment(), tools: tools.versions };
  const say = (/** @type {string} */ text) => {
    if (!json) console.log(text);
  };
  say([...headLines(made), versionLine(tools.versions), ""].join("\n"));
  const start = performance.now();
  const cleanup = new Cleanup();
  endOnSignals(cleanup);
  const jobs = [];
  try {
    const directory = mkdtempSync(join(tmpdir(), "blockpt-peers-"));
    cleanup.add(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, "disk.img");
    const probe = await HandOverProbe.start();
    cleanup.add(() => probe.close());
    if (chosen.some(({ job }) => job.disc === "file")) makeFile(path, DISC_BYTES.file);
    const place = { directory, path, probe, cleanup, progress: showProgress };
    for (const { job, contestants } of chosen) {
      const measured = await measureJob(job, contestants, effort, place);
      showProgress("");
      jobs.push(measured);
      say(formatJob(measured));
    }
  } finally {
    await cleanup.run();
  }
  const seconds = (performance.now() - start) / 1000;
  const document = { environment: made, effort, filters, nbd, seconds, jobs, missing };
  say(formatMissing(missing));
  say(`Took ${seconds.toFixed(0)} s.`);
  if (json) console.log(JSON.stringify(document, null, 2));
  if (save) say(`Written to ${saveResult("peers", document)}.`);
}

/**
 * What is measured, and what would be if it were here.
 *
 * @param {PeerJob[]} jobs
 * @param {string[]} filters
 * @param {import("./peers/tools.mjs").Tools} tools
 * @param {(job: PeerJob) => Contestant[]} contestantsOf
 * @param {(job: PeerJob) => { peer: string, why: string }[]} leftOut
 */
function choose(jobs, filters, tools, contestantsOf, leftOut) {
  /** @type {Map<string, string>} */
  const missing = new Map();
  const chosen = [];
  const isChosen = chooser(
    filters,
    jobs.map(({ id }) => id),
  );
  for (const job of jobs) {
    const all = contestantsOf(job);
    const asked = all.filter(({ peer }) => isChosen(job.id, peer));
    const asksServers = asked.some(({ isServer }) => isServer);
    // There is no ratio without ours.
    const wanted = all.filter(
      (each) =>
        asked.includes(each) || each.kind === "ours" || (each.kind === "ours-nbd" && asksServers),
    );
    for (const { peer, needs } of wanted) {
      const why = tools.lacks(needs);
      if (why !== undefined) missing.set(peer, why);
    }
    for (const { peer, why } of leftOut(job)) {
      if (isChosen(job.id, peer)) missing.set(peer, why);
    }
    const contestants = wanted.filter(({ needs }) => tools.lacks(needs) === undefined);
    if (asked.length > 0) chosen.push({ job, contestants });
  }
  return { chosen, missing: [...missing].map(([peer, why]) => ({ peer, why })) };
}

/**
 * A file that is in the page cache, as it was just written; no page of it is like another.
 *
 * @param {string} path
 * @param {number} sizeBytes
 */
function makeFile(path, sizeBytes) {
  const file = openSync(path, "wx");
  const part = new Uint8Array(16 * 1024 * 1024);
  for (let done = 0; done < sizeBytes; done += part.length) writeSync(file, randomFillSync(part));
  // What has yet to reach the disk would be waited for by whoever writes first.
  fsyncSync(file);
  closeSync(file);
}

/** @param {Record<string, string>} versions */
function versionLine(versions) {
  const tools = Object.entries(versions).map(([tool, version]) => `${tool} ${version}`);
  return tools.length === 0 ? "none of the peers' programs" : tools.join(", ");
}
