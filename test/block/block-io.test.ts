// The I/O of a disk on the driver in memory, and what it refuses without asking the driver.

import { BlockIo, type DiskLimits, GenDisk, RamDriver, TagSet } from "blockpt";
import { BlkStatus, Feature } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { modelDisk, turn } from "./model-driver.js";

const BYTES = 1024 * 1024;
const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });

function ramDisk(limits: Partial<DiskLimits> = {}, depth = 4): { io: BlockIo; driver: RamDriver } {
  const driver = new RamDriver(BYTES);
  const { features } = RamDriver;
  const options = { name: "ram0", limits: { sectors: BYTES / 512, features, ...limits } };
  return { io: new BlockIo(new GenDisk(new TagSet(1, depth), driver, options).add()), driver };
}

describe("a disk in memory", () => {
  test("is written and read, in promises and in calls that block", async () => {
    const { io, driver } = ramDisk();
    const data = pattern(3 * 4096);
    await io.write(data, 512);
    io.writeSync(data, 65536, { fua: true });
    const back = [new Uint8Array(data.length), new Uint8Array(data.length)] as const;
    io.readSync(back[0], 512);
    await io.read(back[1], 65536n);
    expect(back).toEqual([data, data]);
    expect(driver.bytes.subarray(512, 512 + data.length)).toEqual(data);
    expect([io.sizeBytes, io.sectors, io.inFlight]).toEqual([BYTES, 2048, 0]);
  });

  test("is flushed, discarded and filled with zeros", async () => {
    const { io, driver } = ramDisk();
    driver.bytes.fill(1);
    await io.flush();
    await io.writeZeroes(512, 1024);
    await io.discard(4096, 512n);
    io.flushSync();
    io.writeZeroesSync(8192, 512);
    io.discardSync(16384, 512);
    const zeros = driver.bytes.reduce((sum, byte) => sum + (byte === 0 ? 1 : 0), 0);
    expect(zeros).toBe(1024 + 512 + 512 + 512);
  });

  test("takes thousands of calls at once through four tags, merged or not", async () => {
    const { io, driver } = ramDisk();
    const data = pattern(BYTES);
    const sectors = Array.from({ length: 2048 }, (_, index) => (index * 5) % 2048);
    await Promise.all(
      sectors.map((at) => io.write(data.subarray(at * 512, at * 512 + 512), at * 512)),
    );
    expect(Buffer.from(driver.bytes).equals(data)).toBe(true);
    expect(io.inFlight).toBe(0);
  });

  test("of more than a request is read in pieces", async () => {
    const { io, driver } = ramDisk({ maxLenBytes: 4096 });
    driver.bytes.set(pattern(BYTES));
    const back = new Uint8Array(BYTES - 512);
    await io.read(back, 512);
    expect(Buffer.from(back).equals(pattern(BYTES).subarray(512))).toBe(true);
  });

  test("refuses a buffer whose memory is gone when its turn comes", async () => {
    const { io } = ramDisk();
    const buffer = new Uint8Array(512);
    const write = io.write(buffer, 0);
    structuredClone(buffer, { transfer: [buffer.buffer] });
    await expect(write).rejects.toMatchObject({ blkStatus: BlkStatus.INVAL });
  });
});

describe("a disk of 4096-byte blocks", () => {
  test("refuses what is not whole blocks, and does what is", async () => {
    const { io } = ramDisk({ logicalBlockBytes: 4096 });
    expect(io.logicalBlockBytes).toBe(4096);
    for (const [offset, length] of [
      [512, 4096],
      [0, 512],
      [4096, 4608],
      [0.5, 4096],
      [Number.NaN, 4096],
    ] as const) {
      await expect(io.read(new Uint8Array(length), offset)).rejects.toEqual(code("UNALIGNED"));
      await expect(io.write(new Uint8Array(length), offset)).rejects.toEqual(code("UNALIGNED"));
      expect(() => io.readSync(new Uint8Array(length), offset)).toThrow(code("UNALIGNED"));
      await expect(io.discard(offset, length)).rejects.toEqual(code("UNALIGNED"));
    }
    for (const length of [4096.5, Number.NaN, 2048]) {
      await expect(io.discard(0, length)).rejects.toEqual(code("UNALIGNED"));
      expect(() => io.writeZeroesSync(0, length)).toThrow(code("UNALIGNED"));
    }
    await io.write(new Uint8Array(8192), 4096);
    await io.discard(4096, 4096);
  });
});

describe("a disk refuses", () => {
  test("what it was not made to do", async () => {
    const { io } = ramDisk({ features: 0 });
    const sector = new Uint8Array(512);
    await expect(io.flush()).rejects.toEqual(code("NOT_SUPPORTED"));
    await expect(io.discard(0, 512)).rejects.toEqual(code("NOT_SUPPORTED"));
    await expect(io.writeZeroes(0, 512)).rejects.toEqual(code("NOT_SUPPORTED"));
    await expect(io.write(sector, 0, { fua: true })).rejects.toEqual(code("NOT_SUPPORTED"));
    expect(() => io.flushSync()).toThrow(code("NOT_SUPPORTED"));
    expect(() => io.writeSync(sector, 0, { fua: true })).toThrow(code("NOT_SUPPORTED"));
    await io.write(sector, 0, { fua: false });
    const discards = ramDisk({ features: Feature.DISCARD }).io;
    await discards.discard(0, 512);
    await expect(discards.flush()).rejects.toEqual(code("NOT_SUPPORTED"));
  });

  test("every change if it is read-only, and is flushed and read nevertheless", async () => {
    const { io, driver } = ramDisk({ readOnly: true });
    driver.bytes.fill(3);
    const sector = new Uint8Array(512);
    await expect(io.write(sector, 0)).rejects.toEqual(code("READ_ONLY"));
    await expect(io.discard(0, 512)).rejects.toEqual(code("READ_ONLY"));
    await expect(io.writeZeroes(0, 512)).rejects.toEqual(code("READ_ONLY"));
    expect(() => io.writeSync(sector, 0)).toThrow(code("READ_ONLY"));
    await io.flush();
    await io.read(sector, 0);
    expect(driver.bytes.every((byte) => byte === 3)).toBe(true);
  });

  test("what lies outside of it, as it is now", async () => {
    const { disk } = modelDisk({ sectors: 8 });
    const io = new BlockIo(disk);
    for (const offset of [4096, 8192, -512, 2 ** 60]) {
      await expect(io.read(new Uint8Array(512), offset)).rejects.toEqual(code("OUT_OF_RANGE"));
      expect(() => io.readSync(new Uint8Array(512), offset)).toThrow(code("OUT_OF_RANGE"));
    }
    await expect(io.read(new Uint8Array(1024), 3584)).rejects.toEqual(code("OUT_OF_RANGE"));
    disk.resize(16);
    expect([io.sectors, io.sizeBytes]).toEqual([16, 8192]);
    void io.read(new Uint8Array(512), 4096);
    expect(io.inFlight).toBe(1);
    disk.resize(8);
    await expect(io.read(new Uint8Array(512), 4096)).rejects.toEqual(code("OUT_OF_RANGE"));
  });

  test("a buffer that is none of bytes", async () => {
    const { io } = ramDisk();
    const words = new Uint16Array(256) as unknown as Uint8Array;
    await expect(io.read(words, 0)).rejects.toEqual(code("INVALID_ARGUMENT"));
    expect(() => io.writeSync(words, 0)).toThrow(code("INVALID_ARGUMENT"));
  });
});

test("each of its instances uses the hardware queue that it was given", async () => {
  const { disk, driver } = modelDisk({ queues: 2 });
  void new BlockIo(disk, 1).read(new Uint8Array(512), 0);
  await turn();
  expect(driver.owned.map((owned) => owned.size)).toEqual([0, 1]);
});

test("a promise settles once, with the first error of its requests", async () => {
  const { disk, driver } = modelDisk({}, { limits: { maxLenBytes: 512 } });
  const read = new BlockIo(disk).read(new Uint8Array(1024), 0);
  await turn();
  const [first, second] = [...(driver.owned[0]?.keys() ?? [])];
  driver.answer(0, second ?? -1, BlkStatus.MEDIUM);
  disk.fail(0, new Error("gone") as never);
  driver.answer(0, first ?? -1, BlkStatus.OK);
  await expect(read).rejects.toMatchObject({ blkStatus: BlkStatus.MEDIUM });
  expect(disk.inFlight).toBe(0);
});

test("a call that failed leaves nothing to the next one", async () => {
  const { disk, driver } = modelDisk();
  const io = new BlockIo(disk);
  driver.answers.push("refuse", "inline");
  await expect(io.read(new Uint8Array(512), 0)).rejects.toEqual(code("IO"));
  await io.read(new Uint8Array(512), 0);
  driver.answers.push("refuse", "inline");
  expect(() => io.readSync(new Uint8Array(512), 0)).toThrow(code("IO"));
  io.readSync(new Uint8Array(512), 0);
});

test("a call that blocks looks until its request is done, and finishes others on the way", async () => {
  const { disk, driver } = modelDisk();
  driver.pollCompletes = true;
  const io = new BlockIo(disk);
  const before = new Uint8Array(512);
  const read = io.read(before, 1024);
  const sector = new Uint8Array(512);
  io.readSync(sector, 512);
  await read;
  expect([sector[0], before[0]]).toEqual([driver.expected(512), driver.expected(1024)]);
});
