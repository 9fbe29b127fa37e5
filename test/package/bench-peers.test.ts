// `npm run bench:peers`: that whoever is here is measured, and whoever is not is named. How fast anything is, no test
// says.

import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Latency } from "../../ts/cli/bench/measure.js";
import type { Summary } from "../../ts/workload/statistics.js";
import { follow } from "../cli/follow.js";

const PEERS = new URL("../../bench/peers.mjs", import.meta.url);

interface Row {
  readonly kind: string;
  readonly peer: string;
  readonly what: string;
  readonly rate?: Summary;
  readonly throughput?: number;
  readonly latency?: Latency;
  readonly cpu?: number;
  readonly serverCpu?: number;
  readonly ratio?: Summary;
  readonly nbdRatio?: Summary;
  readonly note?: string;
  readonly failed?: string;
}

interface Results {
  readonly environment: { readonly node: string; readonly tools: Record<string, string> };
  readonly jobs: readonly { readonly id: string; readonly rows: readonly Row[] }[];
  readonly missing: readonly { readonly peer: string; readonly why: string }[];
}

let directory: string;
beforeEach(async () => {
  // Short: the path of a socket is.
  directory = await mkdtemp(join(tmpdir(), "bpp-"));
  await mkdir(join(directory, "tmp"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const leftovers = (): Promise<string[]> => readdir(join(directory, "tmp"));

function start(args: readonly string[], path = process.env.PATH) {
  const child = spawn(process.execPath, [fileURLToPath(PEERS), ...args], {
    env: { ...process.env, PATH: path, TMPDIR: join(directory, "tmp") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return follow(child);
}

async function measure(filter: string, path?: string, ...more: string[]): Promise<Results> {
  const args = ["--quick", "--json", ...more, filter];
  const { exitCode, stdout, stderr } = await start(args, path).ended;
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(await leftovers()).toEqual([]);
  return JSON.parse(stdout);
}

/** A program that is none, first on the path. */
async function fake(name: string, script: string): Promise<void> {
  await mkdir(join(directory, "bin"), { recursive: true });
  await writeFile(join(directory, "bin", name), `#!/bin/sh\n${script}\n`);
  await chmod(join(directory, "bin", name), 0o755);
}

/** The command lines of all processes that name this test's directory. */
async function processesHere(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.filter((line) => line.includes(directory));
}

/** What of this the machine has not. */
async function absent(...tools: string[]): Promise<string | undefined> {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const there = new Set((await Promise.all(folders.map((f) => readdir(f).catch(() => [])))).flat());
  const lacking = tools.filter((tool) => !there.has(tool));
  return lacking.length === 0 ? undefined : `${lacking.join(" and ")} must be installed`;
}

test("ours and Node's are measured side by side", async () => {
  const { environment, jobs } = await measure("memory-read-32: node");
  expect(environment.node).toBe(process.version);
  expect(jobs.map(({ id }) => id)).toEqual(["memory-read-32"]);
  const rows = jobs[0]?.rows ?? [];
  expect(rows.map(({ kind, peer }) => [kind, peer])).toEqual([
    ["ours", "blockpt, batch"],
    ["ours", "blockpt, promise"],
    ["peer", "Node worker, clone"],
    ["peer", "Node worker, transfer"],
    ["peer", "Node worker, slot"],
  ]);
  const best = Math.max(...rows.slice(0, 2).map(({ rate }) => rate?.median ?? 0));
  for (const { kind, peer, rate, throughput, latency, cpu, ratio, failed } of rows) {
    expect(failed, peer).toBeUndefined();
    const median = rate?.median ?? Number.NaN;
    expect(median, peer).toBeGreaterThan(0);
    expect(throughput, peer).toBeCloseTo(median / 256, 6);
    expect(latency?.p99, peer).toBeGreaterThanOrEqual(latency?.p50 ?? Number.NaN);
    expect(cpu, peer).toBeGreaterThan(0);
    if (kind === "ours") expect(ratio, peer).toBeUndefined();
    // Of the one round that there is.
    else expect(ratio?.median, peer).toBeCloseTo(best / median, 6);
  }
});

test("Node's ways to write what they are given, and a file", async () => {
  for (const filter of ["memory-write-32: node", "file-write-1: node"]) {
    const rows = (await measure(filter)).jobs[0]?.rows ?? [];
    expect(rows.length, filter).toBe(5);
    for (const { peer, rate } of rows) expect(rate?.median, peer).toBeGreaterThan(0);
  }
});

test("what is not installed is named, with how to install it, and the rest is measured", async () => {
  const { environment, jobs, missing } = await measure("null-read-1", directory);
  expect(environment.tools).toEqual({});
  expect(jobs[0]?.rows.map(({ peer }) => peer)).toEqual(["blockpt, sync", "blockpt, promise"]);
  const why = new Map(missing.map((each) => [each.peer, each.why]));
  expect(why.get("qemu-storage-daemon, null-co")).toBe(
    "qemu-storage-daemon and fio are not on the PATH: apt-get install qemu-utils fio",
  );
  expect(why.get("nbdkit null, one thread")).toContain("apt-get install nbdkit fio");
  expect(why.get("qemu-storage-daemon, vhost-user-blk")).toContain("client");
});

test("a peer that fails has a row that says why, and the others go on", async () => {
  await fake("fio", 'case "$1" in --version) echo fio-3.33;; --enghelp) echo "  nbd";; esac');
  await fake("nbdkit", 'echo "nbdkit: a warning" >&2; echo "nbdkit: no such plugin" >&2; exit 1');
  await fake("qemu-storage-daemon", '[ "$1" = --version ] || exec sleep 60');
  const path = `${join(directory, "bin")}${delimiter}${process.env.PATH}`;
  const [job] = (await measure("null-read-1", path)).jobs;
  expect(job?.rows.map(({ peer, failed }) => [peer, failed])).toEqual([
    ["blockpt, sync", undefined],
    ["blockpt, promise", undefined],
    ["qemu-storage-daemon, null-co", "qemu-storage-daemon does not listen"],
    ["nbdkit null, one thread", "nbdkit: no such plugin"],
    ["nbdkit null, 16 threads", "nbdkit: no such plugin"],
  ]);
  expect(await processesHere()).toEqual([]);
});

test.for([
  ["memory-read-1: nbdkit memory, one", ["fio", "nbdkit"]],
  ["file-write-32: nbd-server", ["fio", "nbd-server"]],
  ["file-read-32: qemu-nbd, threads", ["fio", "qemu-nbd"]],
  ["null-read-32: qemu-storage-daemon, null", ["fio", "qemu-storage-daemon"]],
  ["file-large-8: fio psync", ["fio"]],
] as [string, string[]][])("%s, and nothing stays behind", async ([filter, tools], { skip }) => {
  const reason = await absent(...tools);
  if (reason !== undefined) return skip(reason);
  const { environment, jobs } = await measure(filter);
  const row = jobs[0]?.rows.find(({ kind }) => !kind.startsWith("ours"));
  expect(await processesHere()).toEqual([]);
  expect(Object.keys(environment.tools)).toEqual(expect.arrayContaining(tools));
  expect(row?.failed).toBeUndefined();
  expect(row?.rate?.median).toBeGreaterThan(0);
  expect(row?.ratio?.median).toBeGreaterThan(0);
  expect(row?.latency?.max).toBeGreaterThanOrEqual(row?.latency?.p50 ?? Number.NaN);
  expect(row?.note).toEqual(filter.includes("-1:") ? expect.stringContaining("wakes") : undefined);
});

test.for(["memory", "file"])(
  "our server takes part with others', on a %s",
  async (disc, { skip }) => {
    const reason = await absent("fio", "nbdkit");
    if (reason !== undefined) return skip(reason);
    const { jobs } = await measure(
      `${disc}-read-32: nbdkit ${disc}, one`,
      process.env.PATH,
      "--nbd",
    );
    expect(await processesHere()).toEqual([]);
    const [, , served, nbdkit, ...others] = jobs[0]?.rows ?? [];
    expect(others).toEqual([]);
    expect([served?.kind, served?.peer]).toEqual(["ours-nbd", "blockpt serve"]);
    expect(served?.nbdRatio).toBeUndefined();
    for (const row of [served, nbdkit]) {
      expect(row?.failed).toBeUndefined();
      expect(row?.rate?.median).toBeGreaterThan(0);
      expect(row?.ratio?.median).toBeGreaterThan(0);
      // Both count in ticks, and what a server used is a part of what both sides did.
      expect(row?.serverCpu).toBeGreaterThanOrEqual(0);
      expect(row?.cpu).toBeGreaterThanOrEqual(row?.serverCpu ?? Number.NaN);
    }
    // Of the one round that there is.
    const rate = (row?: Row): number => row?.rate?.median ?? Number.NaN;
    expect(nbdkit?.nbdRatio?.median).toBeCloseTo(rate(served) / rate(nbdkit), 6);
  },
);

test("--nbd leaves out what is no server, and saves nothing", async () => {
  const { jobs, missing } = await measure("memory-read-32", directory, "--nbd");
  expect(jobs[0]?.rows.map(({ kind }) => kind)).toEqual(["ours", "ours"]);
  expect(missing).toContainEqual({
    peer: "blockpt serve",
    why: "fio is not on the PATH: apt-get install fio",
  });
  const refused = await start(["--nbd", "--save"]).ended;
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("--nbd")]);
});

test.for(["SIGINT", "SIGTERM"] as const)(
  "%s ends servers, fio and files, too",
  async (signal, { skip }) => {
    const reason = await absent("fio", "nbdkit", "nbd-server", "qemu-nbd", "qemu-storage-daemon");
    if (reason !== undefined) return skip(reason);
    const { child, ended } = start(["file-read-1"]);
    const serversThere = async () =>
      (await processesHere()).filter((line) => /nbd-server|qemu-storage-daemon/.test(line)).length;
    while ((await serversThere()) < 2) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill(signal);
    expect((await ended).exitCode).toBe(signal === "SIGINT" ? 130 : 143);
    expect(await processesHere()).toEqual([]);
    expect(await leftovers()).toEqual([]);
  },
);

test("a filter that nothing matches is refused, and the help has examples", async () => {
  const refused = await start(["--quick", "bananas"]).ended;
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("bananas")]);
  expect((await start(["--help"]).ended).stdout).toContain("npm run bench:peers");
});

describe("fio's report", async () => {
  const { parseFio } = await import(new URL("../../bench/peers/fio.mjs", import.meta.url).href);
  const report = (): Promise<string> =>
    readFile(new URL("fio-report.txt", import.meta.url), "utf8");

  test("gives requests, time, processor time and latencies", async () => {
    const ran = parseFio(await report(), "randread");
    expect(ran).toEqual({
      requests: 5403,
      milliseconds: expect.closeTo(102, 6),
      cpuSeconds: expect.closeTo(0.05, 6),
      latency: { p50: 284.672, p90: 577.536, p99: 8028.16, p999: 23986.176, max: 25809.145 },
    });
  });

  test("of nothing done, of a failure, or of nothing is refused", async () => {
    const text = await report();
    expect(() => parseFio(text, "randwrite")).toThrow("did no request");
    expect(() => parseFio(text.replace('"error" : 0', '"error" : 5'), "randread")).toThrow(
      "failed with error 5",
    );
    expect(() => parseFio("fio: out of memory\n", "randread")).toThrow("reported nothing");
  });
});
