// `npm run soak`, a short one; and that what it looks at would tell: content that is not right, memory that grows, and what a
// cycle leaves behind.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { follow } from "../cli/follow.js";

const bench = (path: string): URL => new URL(`../../bench/${path}`, import.meta.url);

type Tally = Record<
  "requests" | "reads" | "writes" | "zeroes" | "flushes" | "wholeSectors",
  number
>;

interface Sample {
  seconds: number;
  requests: number;
  rssMiB: number;
  heapMiB: number;
  outsideMiB: number;
}

interface Flatness {
  samples: number;
  isFlat: boolean | undefined;
}

interface LaneLike {
  opf: number;
  sectors: number;
  firstSector: number;
  next(words: Int32Array, at: number): void;
  end(words: Int32Array, at: number): void;
}

interface Result {
  cycles: number;
  sweptSectors: number;
  totals: Record<"memory" | "file", Tally>;
  kinds: Record<string, number>;
  memory: Record<"rss" | "heap", Flatness>;
}

test("a soak does what it is asked to, checks it, and leaves nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-soak-test-"));
  const sizes = ["--operations", "1e5", "--file-operations", "2e3", "--size", "16"];
  const child = spawn(process.execPath, [fileURLToPath(bench("soak.mjs")), ...sizes, "--json"], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { exitCode, stdout, stderr } = await follow(child).ended;
  expect([exitCode, stderr]).toEqual([0, ""]);
  const result = JSON.parse(stdout) as Result;
  const { memory, file } = result.totals;
  expect(memory.requests).toBeGreaterThanOrEqual(100_000);
  expect(file.requests).toBeGreaterThanOrEqual(2000);
  for (const did of [memory, file]) {
    for (const what of ["reads", "writes", "zeroes", "wholeSectors"] as const) {
      expect(did[what], what).toBeGreaterThan(0);
    }
  }
  // Three machines, each with a disc in memory and a file.
  expect(result.sweptSectors).toBe(3 * 2 * 16 * 2048);
  for (const word of ["wasm", "typescript", "iommu", "batch", "sync", "promise", "restart"]) {
    expect(Object.keys(result.kinds).join(), word).toContain(word);
  }
  expect(readdirSync(folder)).toEqual([]);
  rmSync(folder, { recursive: true });
});

describe("a soak tells", () => {
  const SECTOR_WORDS = 128;
  const read = 0;

  async function lanesThat(do_: (lane: LaneLike, words: Int32Array) => void): Promise<void> {
    const { Lane, emptyTally } = await import(bench("soak/lane.mjs").href);
    const common = { firstExtent: 0, stride: 1, extents: 2, flushes: 0, discards: 0, seed: 3 };
    const lane: LaneLike = new Lane({
      ...common,
      versions: new Int32Array(512),
      tally: emptyTally(),
    });
    do_(lane, new Int32Array(256 * SECTOR_WORDS));
  }

  /** A disc that is an array; `spoil` is what it does wrong to what is read. */
  function serve(spoil: (words: Int32Array, lane: LaneLike) => void) {
    return (lane: LaneLike, words: Int32Array): void => {
      const disc = new Int32Array(512 * SECTOR_WORDS);
      for (let request = 0; request < 3000; request++) {
        lane.next(words, 0);
        const [at, length] = [lane.firstSector * SECTOR_WORDS, lane.sectors * SECTOR_WORDS];
        if (lane.opf === read) {
          words.set(disc.subarray(at, at + length));
          spoil(words, lane);
        } else if (lane.opf === 1) disc.set(words.subarray(0, length), at);
        else disc.fill(0, at, at + length);
        lane.end(words, 0);
      }
    };
  }

  test("sectors that are right from one that is not", async () => {
    await lanesThat(serve(() => {}));
    const flipped = serve((words, { sectors }) => {
      const word = (sectors - 1) * SECTOR_WORDS + 127;
      words[word] = (words[word] as number) ^ 1;
    });
    await expect(lanesThat(flipped)).rejects.toThrow(/sector \d+ must hold/);
    const inTheMiddle = serve((words) => {
      words[64] = (words[64] as number) ^ 0x100;
    });
    await expect(lanesThat(inTheMiddle)).rejects.toThrow(/sector \d+ must hold/);
    // An older version, or another sector's, is right in itself.
    const shifted = serve((words) => words.copyWithin(0, SECTOR_WORDS, 2 * SECTOR_WORDS));
    await expect(lanesThat(shifted)).rejects.toThrow(/sector \d+ must hold/);
  });

  test("memory that is flat from memory that grows", async () => {
    const { flatness } = await import(bench("soak/flatness.mjs").href);
    const samples = (rss: (index: number) => number): Sample[] =>
      Array.from({ length: 40 }, (_, index) => {
        const rssMiB = rss(index);
        return { seconds: index * 3, requests: index, rssMiB, heapMiB: 8, outsideMiB: 1 };
      });
    const flatOf = (all: Sample[]): Flatness => flatness(all, "rssMiB");
    // What is loaded first, and what goes up and down.
    expect(flatOf(samples((index) => Math.min(400, 100 + index * 60))).isFlat).toBe(true);
    expect(flatOf(samples((index) => 400 + (index % 5) * 6)).isFlat).toBe(true);
    expect(flatOf(samples((index) => 400 + index)).isFlat).toBe(false);
    expect(flatOf(samples((index) => (index > 20 ? 450 : 400))).isFlat).toBe(false);
    expect(flatOf(samples(() => 400).slice(0, 8)).isFlat).toBeUndefined();
  });

  test("what there is more of", async () => {
    const { growth } = await import(bench("soak/resources.mjs").href);
    expect(growth({ threads: 7, Immediate: 1 }, { threads: 7 })).toEqual([]);
    expect(growth({ threads: 7 }, { threads: 8, Timeout: 1 })).toEqual([
      "threads: 7 before, 8 after",
      "Timeout: 0 before, 1 after",
    ]);
  });
});
