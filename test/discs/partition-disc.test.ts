// A partition as a disc: exported, attached, and never a byte outside of it.

import { readFileSync, truncateSync } from "node:fs";
import {
  type Bus,
  createBus,
  type Disc,
  FileDisc,
  MemoryDisc,
  PartitionDisc,
  RootComplex,
} from "blockpt";
import { BlkStatus, Command, Feature, Operation, Status } from "blockpt/abi";
import { RawDriver } from "blockpt/testing";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern } from "../api/rig.js";
import { discOf, gptImage } from "./tables.js";

const START = 256 * 512;
const SIZE = 1024 * 512;
const PARTITION = 4;

/** A GPT whose fourth slot has 1024 sectors from sector 256 on, in an image where every sector is another. */
function fullImage(): Buffer {
  const bytes = Buffer.from(pattern(1024 * 1024, 3));
  const { bytes: table } = gptImage();
  table.copy(bytes, 0, 0, 34 * 512);
  table.copy(bytes, 2015 * 512, 2015 * 512);
  return bytes;
}

interface Place {
  inner: Disc;
  /** Every byte of the disc, as it is now. */
  bytes: () => Buffer;
}

function inFile(): Promise<Place> {
  const path = makeImage(fullImage());
  return FileDisc.open(path).then((inner) => ({ inner, bytes: () => readFileSync(path) }));
}

async function inMemory(bus: Bus): Promise<Place> {
  const inner = discOf(bus, { bytes: fullImage() });
  const { offset, length } = inner.busRange;
  return { inner, bytes: () => Buffer.from(Buffer.from(bus.buffer, offset, length)) };
}

/** Bytes of the image that are not as they were, outside of the partition. */
function changedOutside(bytes: Buffer): number[] {
  const before = fullImage();
  expect(bytes.length).toBe(before.length);
  return [...bytes.keys()].filter(
    (at) => (at < START || at >= START + SIZE) && bytes[at] !== before[at],
  );
}

const cases = (["wasm", "typescript"] as const).flatMap((engine) =>
  (
    [
      { kind: "file", dma: true },
      { kind: "memory", dma: true },
      { kind: "memory", dma: false },
    ] as const
  ).map((disc) => ({ engine, ...disc })),
);

describe.each(cases)("in $kind, engine $engine, dma $dma", ({ engine, kind, dma }) => {
  const placeOn = (bus: Bus): Promise<Place> => (kind === "file" ? inFile() : inMemory(bus));

  test("all of a partition is read and written, and nothing else", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    const { inner, bytes } = await placeOn(bus);
    const disc = await PartitionDisc.open(inner, PARTITION);
    expect(disc.busRange !== undefined).toBe(kind === "memory");
    await endpoint.exportDisc("part", disc, { dma });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("part");
    expect(disk.sizeBytes).toBe(SIZE);

    const back = Buffer.alloc(SIZE);
    await disk.read(back, 0);
    expect(back.equals(fullImage().subarray(START, START + SIZE))).toBe(true);

    const change = Buffer.from(pattern(SIZE, 9));
    await disk.write(change, 0);
    await disk.writeZeroes(0, 512);
    await disk.writeZeroes(SIZE - 512, 512);
    change.fill(0, 0, 512).fill(0, SIZE - 512);
    await disk.write(change.subarray(512, 1024), 512, { fua: true });
    await disk.flush();
    await disk.read(back, 0);
    expect(back.equals(change)).toBe(true);
    await expect(disk.write(new Uint8Array(512), SIZE)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_OUT_OF_RANGE",
    });
    await rc.close();

    const now = bytes();
    expect(now.subarray(START, START + SIZE).equals(change)).toBe(true);
    expect(changedOutside(now)).toEqual([]);
  });

  test("a driver that asks for more than the partition gets nothing of it", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    const { inner, bytes } = await placeOn(bus);
    await endpoint.exportDisc("part", await PartitionDisc.open(inner, PARTITION), { dma });
    await endpoint.start();
    const driver = new RawDriver(bus);
    const queue = driver.openQueue();
    const bits = Command.SET_QUEUE | Command.START;
    expect(await driver.command(bits, queue.arguments)).toBe(Status.SUCCESS);
    const memory = Buffer.from(bus.buffer, bus.hostMemory.offset, 4096).fill(0x5a);
    const last = BigInt(SIZE / 512 - 1);
    let index = 0;
    const submit = (opf: number, startSector: bigint, lenBytes: number): Promise<number> =>
      queue.submit(index++ % 8, queue.read({ opf, startSector, lenBytes }));
    for (const opf of [Operation.READ, Operation.WRITE]) {
      for (const [startSector, lenBytes] of [
        [last + 1n, 512],
        [last, 1024],
        [last + 100n, 4096],
        [2n ** 64n - 1n, 512],
        [2n ** 55n - 256n, 512],
      ] as const) {
        const status = await submit(opf, startSector, lenBytes);
        expect(status, `${opf} at ${startSector}`).not.toBe(BlkStatus.OK);
      }
    }
    expect(memory.every((byte) => byte === 0x5a)).toBe(true);
    expect(changedOutside(bytes())).toEqual([]);
    // The last sector itself is the partition's.
    expect(await submit(Operation.WRITE, last, 512)).toBe(BlkStatus.OK);
    await endpoint.stop();
    expect(
      bytes()
        .subarray(START + SIZE - 512, START + SIZE)
        .every((byte) => byte === 0x5a),
    ).toBe(true);
    expect(changedOutside(bytes())).toEqual([]);
  });
});

describe("a partition of a disc", () => {
  test("has the disc's properties, but keeps its size", async () => {
    const bus = await createBus();
    const file = await FileDisc.open(makeImage(fullImage()), { readOnly: true });
    const ofFile = await PartitionDisc.open(file, PARTITION);
    afterThisTest(() => ofFile.close());
    expect(ofFile.features).toBe(Feature.FLUSH | Feature.FUA | Feature.WRITE_ZEROES);
    expect([ofFile.readOnly, ofFile.busRange]).toEqual([true, undefined]);
    const memory = discOf(bus, { bytes: fullImage() });
    const ofMemory = await PartitionDisc.open(memory, PARTITION);
    expect(ofMemory.features).toBe(memory.features);
    expect([ofMemory.readOnly, ofMemory.busRange]).toEqual([
      false,
      { offset: memory.busRange.offset + START, length: SIZE },
    ]);
    for (const disc of [ofFile, ofMemory]) {
      disc.resize(SIZE);
      disc.resize();
      for (const sizeBytes of [SIZE - 512, SIZE + 512]) {
        expect(() => disc.resize(sizeBytes)).toThrow(
          expect.objectContaining({ code: "ERR_BLOCKPT_DISC_SIZE" }),
        );
      }
      expect(disc.sizeBytes).toBe(SIZE);
    }
  });

  test("says so when the disc has become too short for it", async () => {
    const path = makeImage(fullImage());
    const disc = await PartitionDisc.open(await FileDisc.open(path), PARTITION);
    afterThisTest(() => disc.close());
    truncateSync(path, START + SIZE);
    disc.resize();
    truncateSync(path, START + SIZE - 512);
    expect(() => disc.resize()).toThrow(`has ${SIZE - 512} of the partition's ${SIZE} bytes`);
    truncateSync(path, 512);
    expect(() => disc.resize()).toThrow(`has 0 of the partition's ${SIZE} bytes`);
  });

  test("is in the endpoint's resize what it is by itself", async () => {
    const { endpoint } = await makeEndpoint();
    const { inner } = await inFile();
    await endpoint.exportDisc("part", await PartitionDisc.open(inner, PARTITION));
    await endpoint.resizeDisc("part");
    await expect(endpoint.resizeDisc("part", 2 * SIZE)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_DISC_SIZE",
    });
  });

  test("closes it with the last of its partitions", async () => {
    const bus = await createBus();
    const free = bus.endpointMemory.length;
    const inner = discOf(bus, { bytes: fullImage() });
    const first = await PartitionDisc.open(inner, 1);
    const second = await PartitionDisc.open(inner, PARTITION);
    first.close();
    first.close();
    expect(
      Buffer.from(await second.readBytes(512, 0)).equals(fullImage().subarray(START, START + 512)),
    ).toBe(true);
    second.close();
    // Its memory is free again: all of it fits one disc.
    MemoryDisc.create(bus, free).close();
  });

  test("can be one of a partition", async () => {
    const bytes = fullImage();
    gptImage().bytes.copy(bytes, START, 0, 512);
    // In the partition, an MBR with 8 sectors from its sector 16 on.
    bytes.fill(0, START + 446, START + 510);
    bytes.writeUInt8(0x83, START + 446 + 4);
    bytes.writeUInt32LE(16, START + 446 + 8);
    bytes.writeUInt32LE(8, START + 446 + 12);
    const { bus, endpoint } = await makeEndpoint();
    const outer = await PartitionDisc.open(discOf(bus, { bytes }), PARTITION);
    const disc = await PartitionDisc.open(outer, 1);
    await endpoint.exportDisc("part", disc);
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("part");
    const back = Buffer.alloc(4096);
    await disk.read(back, 0);
    expect(disk.sizeBytes).toBe(4096);
    expect(back.equals(bytes.subarray(START + 16 * 512, START + 24 * 512))).toBe(true);
    await rc.close();
  });

  test("does not go past its own end, whatever the disc behind it has", async () => {
    const bus = await createBus();
    const disc = await PartitionDisc.open(discOf(bus, { bytes: fullImage() }), PARTITION);
    const { offset } = bus.hostMemory;
    for (const [lenBytes, offsetBytes] of [
      [1024, SIZE - 512],
      [512, SIZE],
      [512, -512],
      [-512, 512],
    ] as const) {
      expect(() => disc.readBytes(lenBytes, offsetBytes)).toThrow("not inside its partition");
      expect(() => disc.readInto(bus, offset, lenBytes, offsetBytes)).toThrow("not inside");
      expect(() => disc.writeFrom(bus, offset, lenBytes, offsetBytes)).toThrow("not inside");
      expect(() => disc.writeZeroes(lenBytes, offsetBytes)).toThrow("not inside");
    }
  });
});

describe("an endpoint", () => {
  test("exports several partitions of a disc, but not the disc beside them", async () => {
    const { bus, endpoint } = await makeEndpoint();
    const { inner } = await inMemory(bus);
    await endpoint.exportDisc("one", await PartitionDisc.open(inner, 1));
    await endpoint.exportDisc("four", await PartitionDisc.open(inner, PARTITION));
    const whole = { code: "ERR_BLOCKPT_EXISTS" };
    await expect(endpoint.exportDisc("all", inner)).rejects.toMatchObject(whole);
    await endpoint.unexportDisc("one");
    await endpoint.unexportDisc("four");
  });

  test("does not export a partition of a disc that it exports", async () => {
    const { bus, endpoint } = await makeEndpoint();
    const { inner } = await inMemory(bus);
    const disc = await PartitionDisc.open(inner, 1);
    await endpoint.exportDisc("all", inner);
    await expect(endpoint.exportDisc("one", disc)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_EXISTS",
    });
  });

  test("exports no partition of a disc in another bus's memory", async () => {
    const { endpoint } = await makeEndpoint();
    const { inner } = await inMemory(await createBus());
    const disc = await PartitionDisc.open(inner, 1);
    await expect(endpoint.exportDisc("part", disc)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_INVALID_ARGUMENT",
      message: expect.stringContaining("another bus"),
    });
  });
});
