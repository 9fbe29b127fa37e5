// The crash disc against its rules: a model that knows, from what was asked and answered alone, which contents a
// sector may have after a crash.

import {
  CrashDisc,
  type CrashDiscOptions,
  type CrashOptions,
  PartitionDisc,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import { BlkStatus } from "blockpt/abi";
import fc from "fast-check";
import { expect, test } from "vitest";
import { afterThisTest, makeEndpoint, until } from "../api/rig.js";
import type { AnsweredFlush, CrashWriterData } from "../threads/crash-writer.js";
import { nextMessage, startThread } from "../threads/thread.js";
import { gptImage } from "./tables.js";

const SECTOR = 512;
const KIB = 1024;
/** Of a thread that writes. */
const BLOCK_BYTES = 4096;

async function attach(contents: number | Uint8Array, options: CrashDiscOptions = {}, queues = 1) {
  const { bus, endpoint } = await makeEndpoint();
  const disc = CrashDisc.create(contents, options);
  await endpoint.exportDisc("crash0", disc, { queues });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close().catch(() => {}));
  const disk = await rc.attach("crash0", { queues, numDescriptors: 64 });
  return { bus, endpoint, rc, disc, disk };
}

const sector = (value: number, count = 1): Uint8Array => new Uint8Array(count * SECTOR).fill(value);

/** The first byte of each sector; all bytes of a sector are to be the same. */
function valuesOf(image: Uint8Array): number[] {
  return Array.from({ length: image.length / SECTOR }, (_, index) => {
    const bytes = image.subarray(index * SECTOR, (index + 1) * SECTOR);
    expect(bytes.every((byte) => byte === bytes[0])).toBe(true);
    return bytes[0] as number;
  });
}

/** All that a crash leaves for some seeds. */
function crashes(disc: CrashDisc, count: number, options: CrashOptions = {}): number[][] {
  return Array.from({ length: count }, (_, seed) => valuesOf(disc.crash({ seed, ...options })));
}

test("what a flush forced is there, and of what came after it anything may be", async () => {
  const { disk, disc } = await attach(4 * SECTOR);
  await disk.write(sector(1, 4), 0);
  await disk.flush();
  const flushed = disc.position;
  await disk.write(sector(2, 3), 0);
  await disk.write(sector(3, 1), SECTOR);
  expect(valuesOf(disc.crash({ keep: "none" }))).toEqual([1, 1, 1, 1]);
  expect(valuesOf(disc.crash({ keep: "all" }))).toEqual([2, 3, 2, 1]);
  expect(valuesOf(disc.crash({ keep: "all", at: flushed }))).toEqual([1, 1, 1, 1]);
  expect(valuesOf(disc.crash({ keep: "all", at: 0 }))).toEqual([0, 0, 0, 0]);

  const found = crashes(disc, 500);
  const seen = (index: number) => new Set(found.map((values) => values[index]));
  expect(seen(0)).toEqual(new Set([1, 2]));
  // The earlier of two writes may be the one that stays.
  expect(seen(1)).toEqual(new Set([1, 2, 3]));
  expect(seen(3)).toEqual(new Set([1]));
  // Torn: one end of the first write is there, the other is not, both ways.
  const ends = new Set(found.map((values) => `${values[0]}${values[2]}`));
  expect(ends).toEqual(new Set(["11", "12", "21", "22"]));
  // With units of two sectors, sector 0 and 1 are never apart unless the other write is there.
  for (const [first, second] of crashes(disc, 200, { tearBytes: 2 * SECTOR })) {
    if (second !== 3) expect(second).toBe(first);
  }
});

test("a seed gives the same crash again, and another one another", async () => {
  const { disk, disc } = await attach(64 * KIB);
  for (let at = 0; at < 64 * KIB; at += 1024) await disk.write(sector(1, 2), at);
  const images = Array.from({ length: 20 }, (_, seed) => disc.crash({ seed }));
  images.forEach((image, seed) => {
    expect(Buffer.compare(disc.crash({ seed }), image)).toBe(0);
  });
  expect(new Set(images.map((image) => valuesOf(image).join(""))).size).toBeGreaterThan(15);
});

test("a write with FUA is there once it is answered, and forces no other", async () => {
  const { disk, disc } = await attach(4 * SECTOR);
  await disk.write(sector(1), 0);
  await disk.write(sector(2), SECTOR, { fua: true });
  expect(valuesOf(disc.crash({ keep: "none" }))).toEqual([0, 2, 0, 0]);
  // Before its answer it may be there, or not.
  const [, begun] = disc.operations();
  expect(begun).toMatchObject({
    operation: "write-through",
    offsetBytes: SECTOR,
    lenBytes: SECTOR,
  });
  const at = begun?.answeredAt as number;
  expect(valuesOf(disc.crash({ keep: "none", at }))).toEqual([0, 0, 0, 0]);
  expect(valuesOf(disc.crash({ keep: "all", at }))).toEqual([1, 2, 0, 0]);
});

test("zeros and discards are changes like others", async () => {
  const { disk, disc } = await attach(sector(9, 4));
  await disk.writeZeroes(0, SECTOR);
  await disk.discard(SECTOR, SECTOR);
  const found = new Uint8Array(4 * SECTOR);
  await disk.read(found, 0);
  expect(valuesOf(found)).toEqual([0, 0, 9, 9]);
  expect(valuesOf(disc.crash({ keep: "none" }))).toEqual([9, 9, 9, 9]);
  const only = ({ operation }: { operation: string }) => operation === "discard";
  expect(valuesOf(disc.crash({ keep: only }))).toEqual([9, 0, 9, 9]);
  await disk.flush();
  expect(valuesOf(disc.crash({ keep: "none" }))).toEqual([0, 0, 9, 9]);
});

test("a flush that did not wait for a write does not force it", async () => {
  const { disk, disc } = await attach(4 * SECTOR);
  // Both are on the ring before the disc looks: it is at work on both at the same time.
  await Promise.all([disk.write(sector(1), 0), disk.flush()]);
  const [write, flush] = disc.operations();
  expect(flush?.position).toBeLessThan(write?.answeredAt as number);
  expect(valuesOf(disc.crash({ keep: "none" }))).toEqual([0, 0, 0, 0]);
});

test("a disc that loses flushes loses what they were to force", async () => {
  const { disk, disc } = await attach(2 * SECTOR);
  await disk.write(sector(1), 0);
  await disk.flush();
  const flushesLostFrom = disc.position;
  await disk.write(sector(2), 0);
  await disk.write(sector(2), SECTOR, { fua: true });
  await disk.flush();
  expect(valuesOf(disc.crash({ keep: "none", flushesLostFrom }))).toEqual([1, 0]);
  expect(valuesOf(disc.crash({ keep: "none", flushesLostFrom: 0 }))).toEqual([0, 0]);
  expect(valuesOf(disc.crash({ keep: "none" }))).toEqual([2, 2]);
});

test("once the power is cut nothing is answered, and what was answered before is before the cut", async () => {
  const { disk, disc } = await attach(64 * SECTOR);
  let flushed = 0;
  const running = (async () => {
    for (let value = 1; ; value++) {
      await disk.write(sector(value % 256), (value % 64) * SECTOR);
      await disk.flush();
      flushed = value;
    }
  })();
  await until("a hundred flushes", () => flushed > 100);
  const position = disc.cut();
  await expect(running).rejects.toMatchObject({
    code: "ERR_BLOCKPT_IO",
    blkStatus: BlkStatus.OFFLINE,
  });
  await expect(disk.read(sector(0), 0)).rejects.toMatchObject({ blkStatus: BlkStatus.OFFLINE });
  expect([disc.isCut, disc.position, disc.cut()]).toEqual([true, position, position]);
  const values = valuesOf(disc.crash({ keep: "none" }));
  for (let value = Math.max(1, flushed - 62); value <= flushed; value++) {
    expect(values[value % 64]).toBe(value % 256);
  }

  // The power is back: a disc of what was left.
  const after = await attach(disc.crash({ seed: 3 }));
  const found = sector(0);
  await after.disk.read(found, (flushed % 64) * SECTOR);
  expect(found[0]).toBe(flushed % 256);
});

test("a full log refuses changes and flushes, and loses nothing", async () => {
  const { disk, disc } = await attach(64 * SECTOR, { logBytes: 4 * SECTOR, maxEvents: 12 });
  await disk.write(sector(1, 3), 0);
  await disk.flush();
  const noSpace = expect.objectContaining({ blkStatus: BlkStatus.NOSPC });
  await expect(disk.write(sector(2, 2), 0)).rejects.toEqual(noSpace);
  await disk.write(sector(3), 8 * SECTOR);
  await disk.writeZeroes(20 * SECTOR, SECTOR);
  await disk.flush();
  await disk.writeZeroes(21 * SECTOR, SECTOR);
  await expect(disk.flush()).rejects.toEqual(noSpace);
  await expect(disk.writeZeroes(0, SECTOR)).rejects.toEqual(noSpace);
  const found = sector(0, 9);
  await disk.read(found, 0);
  expect(valuesOf(found)).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 3]);
  expect(valuesOf(disc.crash({ keep: "none" })).slice(0, 9)).toEqual(valuesOf(found));
});

test("arguments out of range are refused, and say what is wanted", () => {
  const refused = (code: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${code}` });
  const make = (...args: Parameters<typeof CrashDisc.create>) =>
    expect(() => CrashDisc.create(...args));
  make(1000).toThrow(refused("DISC_SIZE"));
  make(new Uint8Array(100)).toThrow(refused("DISC_SIZE"));
  make(2 ** 33).toThrow(refused("DISC_SIZE"));
  make(512, { logBytes: 0 }).toThrow(refused("INVALID_ARGUMENT"));
  make(512, { maxEvents: 0 }).toThrow(refused("INVALID_ARGUMENT"));
  make(4096, { logicalBlockBytes: 1000 }).toThrow(refused("INVALID_ARGUMENT"));
  const disc = CrashDisc.create(4096);
  for (const options of [
    { at: 1 },
    { seed: -1 },
    { seed: 2 ** 32 },
    { tearBytes: 700 },
    { flushesLostFrom: 1 },
    { keep: "most" as "all" },
  ]) {
    expect(() => disc.crash(options)).toThrow(refused("INVALID_ARGUMENT"));
  }
  expect(() => disc.resize(8192)).toThrow(refused("DISC_SIZE"));
});

test("a partition of it is one, too", async () => {
  const disc = CrashDisc.create(gptImage().bytes);
  const { bus, endpoint } = await makeEndpoint();
  const partition = await PartitionDisc.open(disc, 1);
  await endpoint.exportDisc("p1", partition);
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("p1");
  await disk.write(sector(7), 0);
  await disk.flush();
  await rc.close();
  const image = disc.crash({ keep: "none" });
  expect(image[partition.startBytes]).toBe(7);
});

type Step =
  | { readonly does: "write"; readonly at: number; readonly count: number; readonly fua: boolean }
  | { readonly does: "zeroes"; readonly at: number; readonly count: number }
  | { readonly does: "flush" };

const SECTORS = 8;
const extent = fc
  .nat(SECTORS - 1)
  .chain((at) =>
    fc.record({ at: fc.constant(at), count: fc.integer({ min: 1, max: SECTORS - at }) }),
  );
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(extent, fc.integer({ min: 0, max: 5 }))
      .map(([{ at, count }, dice]): Step => ({ does: "write", at, count, fua: dice === 0 })),
  },
  { weight: 1, arbitrary: extent.map((where): Step => ({ does: "zeroes", ...where })) },
  { weight: 2, arbitrary: fc.constant<Step>({ does: "flush" }) },
);

/** What a sector may hold, and when, told by the answers that the program had. */
class Model {
  readonly #histories = Array.from({ length: SECTORS }, () => [{ value: 0, begun: -1, safe: -1 }]);

  changed(at: number, count: number, change: { value: number; begun: number; safe: number }): void {
    for (let index = at; index < at + count; index++) this.#histories[index]?.push(change);
  }

  /** Everything so far is safe from this position on. */
  flushed(position: number): void {
    for (const change of this.#histories.flat()) change.safe = Math.min(change.safe, position);
  }

  /** The contents that each sector may have after a crash. */
  allowed(at: number): number[][] {
    return this.#histories.map((history) => {
      const safe = history.findLastIndex((change) => change.safe <= at);
      return history
        .slice(safe)
        .filter(({ begun }) => begun < at)
        .map(({ value }) => value);
    });
  }
}

async function perform(disk: RemoteDisk, disc: CrashDisc, steps: readonly Step[]): Promise<Model> {
  const model = new Model();
  for (const [index, each] of steps.entries()) {
    const begun = disc.position;
    if (each.does === "flush") {
      await disk.flush();
      model.flushed(disc.position);
      continue;
    }
    const { at, count } = each;
    const value = each.does === "write" ? index + 1 : 0;
    const through = each.does === "write" && each.fua;
    if (each.does === "write")
      await disk.write(sector(value, count), at * SECTOR, { fua: each.fua });
    else await disk.writeZeroes(at * SECTOR, count * SECTOR);
    const safe = through ? disc.position : Number.POSITIVE_INFINITY;
    model.changed(at, count, { value, begun, safe });
  }
  return model;
}

test("a sector holds what was forced last, or something later, at every moment and for every seed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const { disk, disc, rc, endpoint } = await attach(SECTORS * SECTOR, { logBytes: 2 ** 20 });
      const model = await perform(disk, disc, steps);
      for (let at = 0; at <= disc.position; at++) {
        const allowed = model.allowed(at);
        const check = (options: CrashOptions): void => {
          for (const [index, value] of valuesOf(disc.crash({ at, ...options })).entries()) {
            expect(allowed[index], `sector ${index} at ${at}`).toContain(value);
          }
        };
        check({ keep: "none" });
        for (let seed = 0; seed < 5; seed++) check({ seed });
        // The extremes are the ends of what is allowed.
        const extremes = (keep: "none" | "all") => valuesOf(disc.crash({ at, keep }));
        expect(extremes("all")).toEqual(allowed.map((values) => values.at(-1)));
        expect(extremes("none")).toEqual(allowed.map((values) => values[0]));
      }
      await rc.close();
      await endpoint.close();
    }),
    { numRuns: 15 },
  );
});

test("queues in several threads share one disc: what one wrote, the flush of another forces", async () => {
  const THREADS = 3;
  const BLOCKS = 16;
  const { bus, disc, disk } = await attach(THREADS * BLOCKS * BLOCK_BYTES, {}, THREADS + 1);
  const answered = new Int32Array(new SharedArrayBuffer(THREADS * BLOCKS * 4));
  const reports = await Promise.all(
    Array.from({ length: THREADS }, async (_, thread) => {
      const data: CrashWriterData = {
        bus: bus.handle,
        queue: disk.openQueue(),
        disc: disc.handle,
        answered,
        firstBlock: thread * BLOCKS,
        blocks: BLOCKS,
        flushes: 60,
      };
      const worker = await startThread("../threads/crash-writer.ts", data);
      return (await nextMessage(worker)) as AnsweredFlush[];
    }),
  );
  /** How many blocks are older after a crash than they were when the flush was sent. */
  const older = (image: Uint8Array, versions: readonly number[]): number => {
    const words = new Uint32Array(image.buffer);
    return versions.filter(
      (version, block) => (words[(block * BLOCK_BYTES) / 4] as number) < version,
    ).length;
  };
  let withoutFlushes = 0;
  for (const { position, versions } of reports.flat()) {
    // Right at the answer, and a little later, when each may have become newer.
    const later = Math.min(position + 7, disc.position);
    expect(older(disc.crash({ at: position, keep: "none" }), versions)).toBe(0);
    expect(older(disc.crash({ at: later, seed: position }), versions)).toBe(0);
    const lies: CrashOptions = { at: later, seed: position, flushesLostFrom: 0 };
    withoutFlushes += older(disc.crash(lies), versions);
  }
  expect(reports.flat()).toHaveLength(THREADS * 60);
  expect(withoutFlushes).toBeGreaterThan(100);
  // Who reads sees the newest of each, as a crash does that keeps everything.
  const found = new Uint8Array(disc.sizeBytes);
  await disk.read(found, 0);
  expect(Buffer.compare(disc.crash({ keep: "all" }), found)).toBe(0);
});
