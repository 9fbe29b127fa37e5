// The parts of `blockpt copy`: blocks under way, runs of zeros, comparison, and times as text.

import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
import { describe, expect, test } from "vitest";
import type { Job } from "../../ts/cli/copy/blocks.js";
import { compareDisks } from "../../ts/cli/copy/compare.js";
import { moveBlocks } from "../../ts/cli/copy/move.js";
import { runsOf } from "../../ts/cli/copy/zeros.js";
import { clock } from "../../ts/cli/screen.js";
import { pattern } from "../api/rig.js";

const KIB = 1024;
const SOURCE_BYTES = 64 * KIB;

/** Two disks in memory, the target twice as large, as the ends of a copy; and one that is locked. */
async function withJob(use: (job: Job, rc: RootComplex) => Promise<void>): Promise<void> {
  const bus = await createBus();
  const endpoint = await Endpoint.create(bus, { controller: "epc" });
  await endpoint.exportDisc("source", MemoryDisc.create(bus, SOURCE_BYTES));
  await endpoint.exportDisc("target", MemoryDisc.create(bus, 2 * SOURCE_BYTES));
  const locked = MemoryDisc.create(bus, 2 * SOURCE_BYTES);
  await endpoint.exportDisc("locked", locked, { readOnly: true });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const [source, target] = [await rc.attach("source"), await rc.attach("target")];
  const names = { sourceName: "from", targetName: "to" };
  try {
    const how = { blockBytes: 4096, queueDepth: 4, targetIsZero: false };
    await use({ source, target, ...names, ...how }, rc);
  } finally {
    await rc.close();
    await endpoint.close();
    bus.close();
  }
}

describe("two disks", () => {
  test("are compared as far as the source goes, and the first difference is told", async () => {
    await withJob(async (job) => {
      const compare = () => compareDisks(job, () => {});
      expect(await compare()).toBeUndefined();
      await job.target.write(pattern(512), SOURCE_BYTES);
      expect(await compare()).toBeUndefined();
      await job.target.write(new Uint8Array(512).fill(1), SOURCE_BYTES - 512);
      expect(await compare()).toBe(SOURCE_BYTES - 512);
      // Both blocks are under way at a time.
      await job.target.write(new Uint8Array(512).fill(1), 8 * KIB);
      await job.source.write(new Uint8Array(512).fill(1), 5 * KIB);
      expect(await compare()).toBe(5 * KIB);
    });
  });

  test("are equal after a copy, and its progress goes up to all of the source", async () => {
    await withJob(async (job) => {
      await job.source.write(pattern(20 * KIB), 10 * KIB);
      await job.target.write(pattern(SOURCE_BYTES, 9), 0);
      const progress: number[] = [];
      const moved = await moveBlocks(job, (doneBytes) => progress.push(doneBytes));
      expect(moved).toEqual({ dataBytes: 24 * KIB, zeroBytes: 40 * KIB });
      expect(progress).toHaveLength(SOURCE_BYTES / 4096);
      expect(progress).toEqual(progress.toSorted((one, other) => one - other));
      expect(progress.at(-1)).toBe(SOURCE_BYTES);
      expect(await compareDisks(job, () => {})).toBeUndefined();
    });
  });

  test("of which one refuses to be written end the copy with what was done where", async () => {
    await withJob(async (job, rc) => {
      await job.source.write(pattern(8 * KIB), 20 * KIB);
      const target = await rc.attach("locked");
      await expect(moveBlocks({ ...job, target }, () => {})).rejects.toMatchObject({
        code: "ERR_BLOCKPT_READ_ONLY",
        message: expect.stringMatching(/^writing to at byte 20480: /),
      });
    });
  });
});

test.each([
  { what: "nothing but zeros", bytes: [0, 0, 0], runs: [[0, 12, true]] },
  { what: "nothing but data", bytes: [1, 1, 1], runs: [[0, 12, false]] },
  {
    what: "a hole between data",
    bytes: [1, 0, 1],
    runs: [
      [0, 4, false],
      [4, 4, true],
      [8, 4, false],
    ],
  },
  {
    what: "zeros behind data",
    bytes: [1, 1, 0],
    runs: [
      [0, 8, false],
      [8, 4, true],
    ],
  },
] as const)("a block of $what is taken apart, also one that ends too early", ({ bytes, runs }) => {
  const block = Buffer.concat(bytes.map((byte) => Buffer.alloc(4 * KIB, byte)));
  const expected = runs.map(([start, length, isZero]) => {
    return { start: start * KIB, lenBytes: length * KIB, isZero };
  });
  expect(runsOf(block)).toEqual(expected);
  (expected.at(-1) as { lenBytes: number }).lenBytes -= 512;
  expect(runsOf(block.subarray(0, -512))).toEqual(expected);
});

test.each([
  [0, "0:00"],
  [0.2, "0:01"],
  [59.5, "1:00"],
  [754, "12:34"],
  [3723, "1:02:03"],
  [Number.NaN, ""],
  [Number.POSITIVE_INFINITY, ""],
])("%s seconds are shown as %j", (seconds, text) => {
  expect(clock(seconds)).toBe(text);
});
