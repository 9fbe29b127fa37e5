// Hours of use in minutes: `node bench/soak.mjs --help`. This file owns the arguments and the order of things.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { complain } from "./command.mjs";
import { saveResult } from "./results.mjs";
import { plan } from "./soak/plan.mjs";

const MIB = 1024 * 1024;
/** Requests on memory before everything is done again. */
const ROUND_REQUESTS = 5_000_000;

const number = (/** @type {string} */ text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("a number is wanted, as 1e8");
  return value;
};

const command = new Command("soak")
  .usage("[--operations N] [--file-operations N] [--json] [--save]")
  .description(
    "Runs both engines for long, checks every byte that is read that says what it must be, and whether anything grows.",
  )
  .option("--operations <n>", "requests on memory discs", number, 1e8)
  .option("--file-operations <n>", "requests on files", number, 1e6)
  .option("--size <MiB>", "of each disc: 64 and more", number, 64)
  .option("--json", "print one JSON document")
  .option("--save", "write it to bench/results/soak.json, too")
  .addHelpText(
    "after",
    `
A cycle starts an endpoint, attaches its disk, works on it from threads of their own (in batches, calls that block or promises;
depth 1 to 64; 512 bytes to 128 KiB; reads, writes, flushes, zeroes, discards), in some of them while the
endpoint is replaced by another, and closes all of it. Each read's content is checked. After each cycle pages, mappings, file
descriptors, threads, timers and handles are what they were. Memory is flat if resident bytes of the last quarter are at most
16 MiB above those of the second, and the line through the second half rises by no more.

The exit code is 1 if anything is not as it must be.

Examples:
  npm run soak                                                all of it: a quarter of an hour and more
  node bench/soak.mjs --operations 1e6 --file-operations 1e4  a short one`,
  )
  .parse();

await run(command.opts()).catch(complain);

/** @param {{ operations: number, fileOperations: number, size: number, json?: boolean, save?: boolean }} options */
async function run({ operations, fileOperations, size, json, save }) {
  // Loaded late: they need the built package, and `--help` does not.
  const { Machine } = await import("./soak/machine.mjs");
  const { environment } = await import("./environment.mjs");
  const { emptyTally } = await import("./soak/lane.mjs");
  const { flatness } = await import("./soak/flatness.mjs");
  const { atRest, growth, processResources, settled } = await import("./soak/resources.mjs");

  setFlagsFromString("--expose-gc");
  const collect = /** @type {() => void} */ (runInNewContext("gc"));
  const folder = mkdtempSync(join(tmpdir(), "blockpt-soak-"));
  const { cycles, inRound } = plan(operations, fileOperations, ROUND_REQUESTS);
  const progress = new Int32Array(new SharedArrayBuffer(4));
  /** @type {Map<string, InstanceType<typeof Machine>>} */
  const machines = new Map();
  /** @type {import("./soak/flatness.mjs").Sample[]} */
  const samples = [];
  const totals = { memory: emptyTally(), file: emptyTally() };
  /** @type {Map<string, { requests: number, seconds: number }>} */
  const kinds = new Map();
  const bar = new SingleBar({
    format: "{bar} {value}/{total} · {rate}/s · RSS {rss} MiB · {what}",
    stream: process.stderr,
  });
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  let requests = 0;
  bar.start(
    cycles.reduce((sum, cycle) => sum + cycle.requests, 0),
    0,
    { rate: 0, rss: 0, what: "" },
  );
  /** @type {Record<string, number> | undefined} */
  let before;
  try {
    for (const cycle of cycles) {
      const { engine, iommu, api, threads, depth, disc } = cycle;
      const key = `${engine}${iommu ? " iommu" : ""}`;
      const machine = machines.get(key) ?? (await Machine.create(cycle, folder, size * MIB));
      machines.set(key, machine);
      const what = `${disc}: ${key}, ${api}, ${threads} × ${depth}${cycle.restart ? ", restart" : ""}`;
      const begin = seconds();
      for (const tally of await machine.run(cycle, progress)) add(totals[disc], tally);
      requests = totals.memory.requests + totals.file.requests;
      const kind = kinds.get(what) ?? { requests: 0, seconds: 0 };
      kinds.set(what, {
        requests: kind.requests + cycle.requests,
        seconds: kind.seconds + seconds() - begin,
      });
      collect();
      const { rss, heapUsed, external } = process.memoryUsage();
      const sample = { rssMiB: rss / MIB, heapMiB: heapUsed / MIB, outsideMiB: external / MIB };
      samples.push({ seconds: seconds(), requests, ...sample });
      bar.update(requests, {
        rate: Math.round(requests / seconds()),
        rss: Math.round(rss / MIB),
        what,
      });
      // What is made once is made by the time that everything was done once.
      if (samples.length < inRound) continue;
      before ??= await atRest(processResources);
      const left = growth(before, await settled(processResources, before));
      if (left.length > 0) throw new Error(`a cycle (${what}) left something: ${left.join("; ")}`);
    }
    let swept = 0;
    for (const machine of machines.values()) swept += await machine.sweep();
    bar.stop();
    const passed = seconds();
    const memory = { rss: flatness(samples, "rssMiB"), heap: flatness(samples, "heapMiB") };
    const result = {
      environment: environment(),
      seconds: passed,
      requests,
      perSecond: requests / passed,
      cycles: cycles.length,
      totals,
      sweptSectors: swept,
      kinds: Object.fromEntries(
        [...kinds].map(([name, { requests: done, seconds: took }]) => [name, done / took]),
      ),
      memory,
      samples: thinned(samples, 100),
    };
    if (save) saveResult("soak", result);
    console.log(json ? JSON.stringify(result) : asText(result));
    if (memory.rss.isFlat === false || memory.heap.isFlat === false) {
      console.error("soak: memory is not flat");
      process.exitCode = 1;
    }
  } finally {
    bar.stop();
    for (const machine of machines.values()) await machine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {import("./soak/lane.mjs").Tally} sum @param {import("./soak/lane.mjs").Tally} tally */
function add(sum, tally) {
  for (const name of /** @type {(keyof typeof sum)[]} */ (Object.keys(sum)))
    sum[name] += tally[name];
}

/** @template T @param {T[]} items @param {number} most @returns {T[]} */
function thinned(items, most) {
  const step = Math.max(1, items.length / most);
  return Array.from(
    { length: Math.min(most, items.length) },
    (_, index) => items[Math.floor(index * step)],
  );
}

/** @param {any} result */
function asText({ seconds, requests, perSecond, cycles, totals, sweptSectors, kinds, memory }) {
  const style = { head: [], border: [] };
  const work = new Table({
    head: ["", "memory", "files"],
    colAligns: ["left", "right", "right"],
    style,
  });
  for (const name of Object.keys(totals.memory))
    work.push([name, totals.memory[name], totals.file[name]]);
  const speed = new Table({ head: ["cycle", "requests/s"], colAligns: ["left", "right"], style });
  for (const [name, rate] of Object.entries(kinds)) speed.push([name, Math.round(rate)]);
  const mib = (/** @type {number | undefined} */ value) =>
    value === undefined ? "-" : value.toFixed(1);
  const space = new Table({
    head: ["MiB", "start", "end", "most", "2nd quarter", "last quarter", "rise, 2nd half", "flat"],
    style,
  });
  for (const [name, facts] of Object.entries(memory)) {
    const {
      startMiB,
      endMiB,
      maxMiB,
      secondQuarterMiB,
      lastQuarterMiB,
      riseOfSecondHalfMiB,
      isFlat,
    } = facts;
    const numbers = [
      startMiB,
      endMiB,
      maxMiB,
      secondQuarterMiB,
      lastQuarterMiB,
      riseOfSecondHalfMiB,
    ].map(mib);
    space.push([name, ...numbers, isFlat === undefined ? "too few" : isFlat ? "yes" : "NO"]);
  }
  return [
    `${work}`,
    `${speed}`,
    `${space}`,
    `${requests} requests in ${cycles} cycles and ${(seconds / 60).toFixed(1)} minutes, ${Math.round(perSecond)}/s; at the end all ${sweptSectors} sectors were right`,
  ].join("\n");
}
