// `npm run bench:check` and `bench:instructions`: what they call slower, and what they do not. They are given what was
// measured; whether anything is slow, no test says.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Job } from "../../ts/cli/bench/job.js";
import { ratiosOf, summarize } from "../../ts/workload/statistics.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "blockpt-check-"));
});
afterAll(() => rm(directory, { recursive: true }));

interface Ended {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env } };
    const child = execFile(
      process.execPath,
      [join(root, "bench", script), ...args],
      options,
      (_, stdout, stderr) => resolve({ exitCode: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

let files = 0;
async function write(document: unknown): Promise<string> {
  const path = join(directory, `${files++}.json`);
  await writeFile(path, JSON.stringify(document));
  return path;
}

const JOB: Job = {
  ...{ pattern: "randread", readPercent: 70, blockBytes: 4096, depth: 32, queues: 1, discs: 1 },
  ...{ engine: "wasm", disc: "memory:64M", api: "promise", dma: true },
};

/** Nine rounds around 1, spread evenly to both sides, in an order that says nothing. */
function noisy(spread: number): number[] {
  return [0, 3, -4, 1, -2, 4, -1, 2, -3].map((step) => 1 + (spread * step) / 4);
}

interface Measured {
  readonly speed?: number;
  readonly noise?: number;
  readonly handOver?: number;
  readonly quiet?: number;
}

/** A measurement of one job beside its limit, one of a null disc, and one piece. */
function measurement({ speed = 1, noise = 0.05, handOver = 50, quiet = 9 }: Measured = {}) {
  const rate = summarize(noisy(noise).map((each) => 2e6 * speed * each));
  const limit = summarize(Array(9).fill(3e6));
  const result = {
    ...{ job: JOB, rate, limit, share: ratiosOf(rate, limit), quiet, disturbed: 9 - quiet },
    handOver: summarize(Array(9).fill(handOver)),
  };
  const ofNull = { ...result, job: { ...JOB, disc: "null:64M" }, limit: undefined };
  const figures = {
    wasm: summarize(noisy(noise).map((each) => 100 / (speed * each))),
    typescript: summarize(Array(9).fill(150)),
  };
  const heap = { name: "heap", unit: "B", lessIsBetter: true, figures };
  return {
    environment: { cpu: "a processor", cores: 2, system: "a system", v8: "11.3" },
    sections: [
      { id: "block", rows: [{ name: "layer", unit: "ns", lessIsBetter: true, figures }, heap] },
    ],
    groups: [
      { id: "memory", results: [result] },
      { id: "protocol", results: [{ ...ofNull, share: undefined }] },
    ],
  };
}

const ROWS = [
  "block: layer, wasm/typescript",
  "memory: memory:64M, randread, 4K, depth 32, 1 queue, promise, DMA, wasm",
  "protocol: null:64M, randread, 4K, depth 32, 1 queue, promise, DMA, wasm",
] as const;

async function check(baseline: Measured, now: Measured, ...args: string[]) {
  const files = [
    ...["--baseline", await write(measurement(baseline))],
    ...["--with", await write(measurement(now))],
  ];
  const ended = await run("check.mjs", [...files, "--json", ...args]);
  const { comparisons } = JSON.parse(ended.stdout) as {
    comparisons: { row: string; verdict: string; change: number; why: string }[];
  };
  expect(comparisons.map(({ row }) => row)).toEqual(ROWS);
  return { ...ended, comparisons, verdicts: comparisons.map(({ verdict }) => verdict) };
}

describe("bench:check", () => {
  test("finds nothing where nothing changed", async () => {
    const { exitCode, stderr, verdicts } = await check({}, {});
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(verdicts).toEqual(["same", "same", "same"]);
  });

  test("finds what is 30 % slower, of speeds and of times", async () => {
    const { exitCode, stderr, comparisons, verdicts } = await check({}, { speed: 0.7 });
    expect(exitCode).toBe(1);
    expect(verdicts).toEqual(["regression", "regression", "regression"]);
    for (const { row, change } of comparisons) {
      expect(change).toBeCloseTo(-0.3, 2);
      expect(stderr).toContain(`${row}: -30 %`);
    }
  });

  test("names what is faster, and is content", async () => {
    const { exitCode, verdicts } = await check({}, { speed: 1.4 });
    expect(exitCode).toBe(0);
    expect(verdicts).toEqual(["improvement", "improvement", "improvement"]);
  });

  test("has a tolerance", async () => {
    const usual = await check({}, { speed: 0.93 });
    expect([usual.exitCode, usual.verdicts]).toEqual([0, ["same", "same", "same"]]);
    const less = await check({ noise: 0.01 }, { speed: 0.93, noise: 0.01 }, "--tolerance", "5");
    expect([less.exitCode, less.verdicts]).toEqual([1, ["regression", "regression", "regression"]]);
  });

  test("calls nothing slower that may be noise", async () => {
    const { exitCode, verdicts } = await check({ noise: 0.3 }, { speed: 0.88, noise: 0.3 });
    expect([exitCode, verdicts]).toEqual([0, ["noisy", "noisy", "noisy"]]);
  });

  test("compares no jobs that were measured at another hand-over, and pieces all the same", async () => {
    const { exitCode, comparisons, verdicts } = await check({}, { speed: 0.7, handOver: 240 });
    expect(exitCode).toBe(1);
    expect(verdicts).toEqual(["regression", "not comparable", "not comparable"]);
    expect(comparisons[1]?.why).toBe("the hand-over was 240, the baseline's 50 ns");
  });

  test("compares those rounds whose hand-overs are alike", async () => {
    const mixed = measurement({ speed: 0.7 });
    for (const { results } of mixed.groups) {
      for (const result of results) {
        result.handOver = summarize([240, 50, 240, 50, 240, 50, 240, 50, 50]);
      }
    }
    const baseline = await write(measurement());
    const { stderr } = await run("check.mjs", [
      "--with",
      await write(mixed),
      "--baseline",
      baseline,
    ]);
    for (const row of ROWS) expect(stderr).toContain(`${row}: -`);
  });

  test.each([{ quiet: 0 }, {}])("does not count what others disturbed, %j", async (baseline) => {
    const now = "quiet" in baseline ? {} : { quiet: 0, speed: 0.5 };
    const { comparisons } = await check(baseline, now);
    for (const { verdict, why } of comparisons.slice(1)) {
      expect(verdict).toBe("not comparable");
      expect(why).toMatch(/^others used the processors in every round/);
    }
  });

  test("is not content with nothing to compare", async () => {
    const jobsOnly = { ...measurement({ quiet: 0 }), sections: [] };
    const file = await write(jobsOnly);
    const { exitCode, stderr } = await run("check.mjs", ["--with", file, "--baseline", file]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("Nothing could be compared")]);
  });

  test("says that a baseline is missing, or is none, and how to get one", async () => {
    const now = await write(measurement());
    for (const baseline of [join(directory, "nothing.json"), await write({ rows: [] })]) {
      const { exitCode, stderr } = await run("check.mjs", ["--with", now, "--baseline", baseline]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`There is no measurement in ${baseline}`);
      expect(stderr).toContain("npm run bench -- --save");
    }
  });

  test("warns where the machine is another one, and compares", async () => {
    const other = measurement();
    other.environment.cores = 64;
    const args = ["--with", await write(other), "--baseline", await write(measurement())];
    const { exitCode, stderr, stdout } = await run("check.mjs", args);
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("another machine")]);
    expect(stderr).toContain("64 (2)");
    expect(stdout).toContain("3 of 3 rows could be compared.");
  });

  test.each([["--tolerance", "much"], ["--sideways"]])("refuses %s %s", async (...args) => {
    for (const script of ["check.mjs", "instructions.mjs"]) {
      expect((await run(script, args)).exitCode, script).toBe(2);
    }
  });
});

describe("bench:instructions", () => {
  const counts = (instructions: number, rustc = "rustc 1.95.0") => ({
    toolchain: { rustc, host: "x86_64-unknown-linux-gnu" },
    rows: [
      { name: "encode", instructions: 20 },
      { name: "serve", instructions },
    ],
  });

  async function compare(before: unknown, now: unknown): Promise<Ended> {
    const args = ["--baseline", await write(before), "--with", await write(now)];
    return run("instructions.mjs", args);
  }

  test("names each row that has more", async () => {
    const same = await compare(counts(200), counts(203));
    expect([same.exitCode, same.stderr]).toEqual([0, ""]);
    const more = await compare(counts(200), counts(205));
    expect(more.exitCode).toBe(1);
    expect(more.stderr).toContain('More than 2 % more instructions: "serve"');
    expect(more.stderr).not.toContain("encode");
    expect(more.stdout).toContain("+2.5 %");
  });

  test("only warns where another compiler made them", async () => {
    const { exitCode, stderr } = await compare(counts(200), counts(400, "rustc 2.0.0"));
    expect(exitCode).toBe(0);
    expect(stderr).toContain("warning: the accepted counts are those of rustc 1.95.0");
  });

  test("shows rows that are new or gone", async () => {
    const fewer = { ...counts(200), rows: [{ name: "encode", instructions: 20 }] };
    expect((await compare(fewer, counts(200))).stdout).toMatch(/serve +│ +– │ 200\.0 │ +new/);
    const gone = await compare(counts(200), fewer);
    expect([gone.exitCode, gone.stdout]).toEqual([0, expect.stringMatching(/serve .* gone/)]);
  });

  test("says what it takes, where that is missing", async () => {
    const { exitCode, stderr } = await run("instructions.mjs", [], { PATH: directory });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("cargo is not there")]);
    for (const tool of ["cargo", "rustc"]) {
      await writeFile(join(directory, tool), "#!/bin/sh\necho host: here\n", { mode: 0o755 });
    }
    const other = await run("instructions.mjs", [], { PATH: directory });
    expect([other.exitCode, other.stderr]).toEqual([
      1,
      expect.stringContaining("valgrind is not there: its callgrind counts."),
    ]);
  });

  test("says that there is no baseline, and how to get one", async () => {
    const args = ["--with", await write(counts(1)), "--baseline", join(directory, "nothing.json")];
    const { exitCode, stderr } = await run("instructions.mjs", args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("npm run bench:instructions -- --save");
  });
});
