// `blockpt bench`: that it measures what it is asked to, and does no harm. How fast anything is, no test says.

import type { Stats } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import picocolors from "picocolors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Job, type JobLists, jobsOf, nameOf } from "../../ts/cli/bench/job.js";
import type { Result } from "../../ts/cli/bench/measure.js";
import { resultLines } from "../../ts/cli/bench/show.js";
import { placesOf } from "../../ts/workload/places.js";
import { quantile, ratiosOf, summarize } from "../../ts/workload/statistics.js";
import { pattern } from "../api/rig.js";
import { Place } from "./command-line.js";

const SHORT = ["--rounds", "2", "--seconds", "0.01", "--json"];
const MIB = 1024 * 1024;

let place: Place;
beforeAll(async () => {
  place = await Place.create();
});
afterAll(() => place.remove());

async function results(args: readonly string[]): Promise<Result[]> {
  const { exitCode, stdout, stderr } = await place.run(["bench", ...SHORT, ...args]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout).results;
}

describe("what is measured", () => {
  test("every way to make a request, on each engine", async () => {
    const measured = await results(["--disc", "memory:1M", "--api", "promise,callback,batch,sync"]);
    const names = measured.map(({ job }) => `${job.api} ${job.engine} ${job.depth}`);
    expect(names).toEqual([
      ...["promise wasm 32", "promise typescript 32", "callback wasm 32", "callback typescript 32"],
      ...["batch wasm 32", "batch typescript 32", "sync wasm 1", "sync typescript 1"],
    ]);
    for (const { rate, limit, share, latency, throughput, handOver } of measured) {
      expect(rate.median).toBeGreaterThan(0);
      expect(limit?.median).toBeGreaterThan(0);
      expect(share?.rounds.length).toBe(rate.rounds.length);
      expect(throughput).toBeCloseTo((rate.median * 4096) / MIB, 6);
      expect(latency?.p50).toBeGreaterThan(0);
      expect(latency?.max).toBeGreaterThanOrEqual(latency?.p50 ?? Number.NaN);
      // None is measured where the probe gets no processor.
      expect(handOver.rounds.every((each) => each > 0)).toBe(true);
    }
  });

  test("every pattern, on every kind of disc", async () => {
    const discs = "memory:1M,null:1G,file:1M";
    const patterns = "randread,randwrite,randrw,read,write,rw";
    const measured = await results(["--disc", discs, "--rw", patterns, "--engine", "wasm"]);
    expect(measured.length).toBe(18);
    for (const { job, rate, limit } of measured) {
      expect(rate.median, nameOf(job)).toBeGreaterThan(0);
      expect(limit === undefined, nameOf(job)).toBe(job.disc === "null:1G");
    }
  });

  test("several queues, a thread each", async () => {
    for (const api of ["promise", "batch", "sync"]) {
      const args = ["--disc", "memory:1M", "--queues", "2", "--api", api, "--engine", "wasm"];
      const [result] = await results([...args, "--no-dma"]);
      expect(result?.job).toMatchObject({ api, queues: 2, dma: false });
      expect(result?.rate.median).toBeGreaterThan(0);
      expect(result?.latency).toBeUndefined();
    }
  });
});

describe("several discs", () => {
  test("share the load, of every kind and size, in the APIs in which one thread can drive them", async () => {
    const discs = ["--disc", "memory:1M,null:1G,file:1M", "--discs", "1,3", "--engine", "wasm"];
    const measured = await results([...discs, "--api", "promise,callback"]);
    const names = measured.map(({ job }) => `${job.discs} ${job.disc} ${job.api}`);
    expect(names).toHaveLength(12);
    expect(names).toContain("3 file:1M callback");
    for (const { job, rate, limit, latency } of measured) {
      expect(rate.median, nameOf(job)).toBeGreaterThan(0);
      expect(limit === undefined, nameOf(job)).toBe(job.disc === "null:1G");
      expect(latency?.p50, nameOf(job)).toBeGreaterThan(0);
    }
  });

  test("are each written", async () => {
    // Its warm-up alone is longer than this takes: what is written until then is no limit's.
    const args = ["--disc", "file:1M", "--discs", "3", "--rw", "randwrite", "--seconds", "60"];
    const running = place.start(["bench", ...args, "--engine", "wasm"], {
      TMPDIR: place.directory,
    });
    const contents = async (): Promise<Buffer[]> => {
      const names = (await readdir(place.directory)).filter((name) =>
        name.startsWith("blockpt-bench-"),
      );
      return Promise.all(names.map((name) => readFile(place.path(name))));
    };
    // They are made of anything but zeros, and zeros are what is written.
    const zeros = Buffer.alloc(4096);
    const isWritten = (content: Buffer): boolean =>
      content.length === MIB && content.includes(zeros);
    while ((await contents()).filter(isWritten).length < 3) await setTimeout(10);
    running.kill("SIGINT");
    expect((await running.ended).exitCode).toBe(130);
    expect(await contents()).toEqual([]);
  });

  test.each([
    [["--api", "promise,batch"], "take promise or callback"],
    [["--api", "sync"], "take promise or callback"],
    [["--queues", "1,2"], "take --queues 1"],
    [["--disc", "disk.img"], "disk.img is one disc"],
  ])("are refused with %j", async (args, complaint) => {
    const refused = await place.run(["bench", ...SHORT, "--discs", "1,2", ...args]);
    expect(refused.stderr).toContain("ERR_BENCH_DISCS: --discs 2: ");
    expect(refused.stderr).toContain(complaint);
    expect(refused.exitCode).toBe(1);
  });
});

test("a file that is larger than memory is sparse", async () => {
  const temporary = { TMPDIR: place.directory };
  const args = ["bench", "--disc", "file:64G", "--rounds", "1000", "--engine", "wasm"];
  const running = place.start(args, temporary);
  let found: Stats | undefined;
  while (found === undefined || found.size === 0) {
    const names = await readdir(place.directory);
    const name = names.find((each) => each.startsWith("blockpt-bench-"));
    if (name !== undefined) found = await stat(place.path(name));
    await setTimeout(10);
  }
  expect(found.size).toBe(64 * 1024 ** 3);
  expect(found.blocks * 512).toBeLessThan(MIB);
  running.kill("SIGINT");
  expect((await running.ended).exitCode).toBe(130);
});

describe("a file of somebody's", () => {
  test("is only read, and is as it was", async () => {
    const content = pattern(MIB, 5);
    await writeFile(place.path("disk.img"), content);
    const [result] = await results(["--disc", "disk.img", "--engine", "wasm"]);
    expect(result?.rate.median).toBeGreaterThan(0);
    expect(await readFile(place.path("disk.img"))).toEqual(Buffer.from(content));
  });

  test.each(["randwrite", "randrw", "write", "rw"])(
    "is not overwritten by %s unsaid",
    async (rw) => {
      const content = pattern(MIB, 6);
      await writeFile(place.path("disk.img"), content);
      const refused = await place.run(["bench", ...SHORT, "--disc", "disk.img", "--rw", rw]);
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("ERR_BENCH_WRITE: disk.img would be overwritten");
      expect(await readFile(place.path("disk.img"))).toEqual(Buffer.from(content));
    },
  );

  test("is, where that is said", async () => {
    const content = pattern(MIB, 7);
    await writeFile(place.path("disk.img"), content);
    await results(["--disc", "disk.img", "--rw", "randwrite", "--write", "--engine", "wasm"]);
    expect(await readFile(place.path("disk.img"))).not.toEqual(Buffer.from(content));
  });
});

test.each([
  [["--bs", "100"], "is wanted: a multiple of 512, at most 16M"],
  [["--depth", "0"], "Whole numbers from 1 to 1023 are wanted"],
  [["--queues", "17"], "Whole numbers from 1 to 16 are wanted"],
  [["--discs", "17"], "Whole numbers from 1 to 16 are wanted"],
  [["--api", "fast"], "fast is none of promise, callback, batch, sync"],
  [["--rw", "trim"], "trim is none of randread"],
  [["--engine", "native"], "native is none of wasm, typescript"],
  [["--seconds", "0"], "A number from 0.01 to 60 is wanted"],
])("%j is refused", async (args, complaint) => {
  const { exitCode, stderr } = await place.run(["bench", ...args]);
  expect(stderr).toContain(complaint);
  expect(exitCode).toBe(2);
});

test("a disc without a size, and a file that is not there", async () => {
  const noSize = await place.run(["bench", "--disc", "memory:lots"]);
  expect([noSize.exitCode, noSize.stderr]).toEqual([
    1,
    expect.stringContaining("ERR_BENCH_DISC: memory:lots has no size: memory:64M"),
  ]);
  const missing = await place.run(["bench", "--disc", "nothing.img"]);
  expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining("ENOENT")]);
});

test("an interrupt ends it, and leaves no file", async () => {
  const temporary = { TMPDIR: place.directory };
  const args = ["bench", "--disc", "file:1M", "--rounds", "1000", "--engine", "wasm"];
  const running = place.start(args, temporary);
  const files = async (): Promise<string[]> =>
    (await readdir(place.directory)).filter((name) => name.startsWith("blockpt-bench-"));
  while ((await files()).length === 0) await setTimeout(10);
  running.kill("SIGINT");
  expect((await running.ended).exitCode).toBe(130);
  expect(await files()).toEqual([]);
});

test("people see a table, and what the limit is", async () => {
  const args = [
    "bench",
    "--rounds",
    "1",
    "--seconds",
    "0.01",
    "--disc",
    "memory:1M",
    "--depth",
    "1,4",
  ];
  const { stdout, exitCode } = await place.run(args);
  expect(exitCode).toBe(0);
  expect(stdout).toContain("depth 1, wasm");
  expect(stdout).toContain("depth 4, typescript");
  expect(stdout).toContain("of the limit");
  expect(stdout).toContain("The limit is one thread's bulk copy of memory");
  expect(stdout).not.toContain("\u001b");
});

const ONE_JOB: JobLists = {
  disc: ["memory:1M"],
  discs: [1],
  pattern: ["randread"],
  readPercent: [70],
  blockBytes: [4096],
  depth: [1],
  queues: [1],
  api: ["promise"],
  dma: [true],
  engine: ["wasm"],
};

describe("jobs", () => {
  const lists: JobLists = { ...ONE_JOB, depth: [1, 32], api: ["promise", "sync"] };

  test("calls that block are there once, whatever the depth", () => {
    const names = jobsOf(lists).map(({ api, depth }) => `${api} ${depth}`);
    expect(names).toEqual(["promise 1", "sync 1", "promise 32"]);
  });

  test("are called by what tells them apart", () => {
    const jobs = jobsOf(lists);
    expect(jobs.map((job) => nameOf(job, jobs))).toEqual([
      "depth 1, promise",
      "depth 1, sync",
      "depth 32, promise",
    ]);
    const [only] = jobs;
    expect(only && nameOf(only)).toBe(
      "memory:1M, randread, 4K, depth 1, 1 queue, promise, DMA, wasm",
    );
    const several = jobsOf({ ...ONE_JOB, discs: [1, 16] });
    expect(several.map((job) => nameOf(job, several))).toEqual(["memory:1M", "16 × memory:1M"]);
  });

  test.each(["randread", "randwrite", "randrw", "read", "write", "rw"] as const)(
    "the requests of %s are inside the disc, and of the kind",
    (kind) => {
      const job = { pattern: kind, readPercent: 25, blockBytes: 4096, queues: 2 };
      for (const queue of [0, 1]) {
        const { offsets, writes } = placesOf(job, MIB + 512, queue);
        expect(offsets.every((at) => at >= 0 && at % 4096 === 0 && at + 4096 <= MIB)).toBe(true);
        const share = writes.reduce((sum, each) => sum + each, 0) / writes.length;
        const expected = kind.endsWith("rw") ? 0.75 : kind.endsWith("read") ? 0 : 1;
        expect(share).toBeCloseTo(expected, 1);
        if (kind.startsWith("rand")) expect(new Set(offsets).size).toBe(256);
        else
          expect([offsets[0], offsets[1]]).toEqual([queue * (MIB / 2), queue * (MIB / 2) + 4096]);
      }
    },
  );
});

test("medians, quantiles, and ratios of rounds", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([], 0.5)).toBeNaN();
  expect(summarize([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, rounds: [3, 1, 2] });
  expect(ratiosOf(summarize([2, 30]), summarize([1, 10])).median).toBe(2.5);
});

test("what others disturbed is said of each job: in part, or as a whole", () => {
  const [job] = jobsOf(ONE_JOB) as [Job];
  const rate = summarize([1000, 2000]);
  const resultOf = (depth: number, quiet: number, disturbed: number): Result => ({
    ...{ job: { ...job, depth }, rate, throughput: 1, limit: rate, share: rate },
    ...{ latency: undefined, cpu: { rootComplex: 1, rest: 1 }, handOver: rate, quiet, disturbed },
  });
  const linesOf = (...results: Result[]): string =>
    resultLines(results, picocolors.createColors(false)).join("\n");
  expect(linesOf(resultOf(1, 9, 0), resultOf(2, 9, 0))).not.toContain("!");
  const mixed = linesOf(resultOf(1, 9, 0), resultOf(2, 6, 3), resultOf(4, 0, 9));
  expect(mixed).toMatch(/depth 1 +│.*depth 2 !3 .*depth 4 !! /s);
  expect(mixed).toContain("!n: others used the processors in n rounds, which do not count.");
  expect(mixed).toContain("!!: others used the processors in every round: this is no measurement.");
});
