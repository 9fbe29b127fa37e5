// A disk opened as a file: any bytes from anywhere, against a model of it, and the errors at its end.

import { readFileSync } from "node:fs";
import { ConfigTree, createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeImage, pattern } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, makeTree, REMOTE } from "./rig.js";

const DISK_BYTES = 64 * 1024;

test.each([512, 4096])(
  "any reads and writes are those of an array, in blocks of %i",
  async (block) => {
    const bus = await createBus({ hostMemoryBytes: 1024 * 1024 });
    const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
    const disc = MemoryDisc.create(bus, DISK_BYTES, { logicalBlockBytes: block });
    await endpoint.exportDisc("ram0", disc);
    await endpoint.start();
    const rootComplex = await RootComplex.probe(bus);
    await rootComplex.attach("ram0", { numDescriptors: 64, localName: "ram0" });
    const tree = ConfigTree.create(bus, { endpoint, rootComplex });
    const file = await tree.open("/dev/ram0", "r+");
    const model = new Uint8Array(DISK_BYTES);
    let position = 0;
    const offset = fc.integer({ min: 0, max: DISK_BYTES + 600 });
    const length = fc.oneof(fc.integer({ min: 0, max: 1600 }), fc.integer({ min: 0, max: 20000 }));
    const operation = fc.tuple(fc.boolean(), fc.option(offset), length, fc.nat(255));
    await fc.assert(
      fc.asyncProperty(operation, async ([isWrite, at, lenBytes, fill]) => {
        const start = at ?? position;
        const inside = Math.max(0, Math.min(lenBytes, DISK_BYTES - start));
        if (isWrite && inside === 0 && lenBytes > 0) {
          expect(await codeOf(file.write(new Uint8Array(lenBytes), 0, lenBytes, at))).toBe(
            "ENOSPC",
          );
          return;
        }
        if (isWrite) {
          const bytes = new Uint8Array(lenBytes).fill(fill);
          expect((await file.write(bytes, 0, lenBytes, at)).bytesWritten).toBe(inside);
          model.fill(fill, start, start + inside);
        } else {
          const bytes = new Uint8Array(lenBytes + 2);
          expect((await file.read(bytes, 1, lenBytes, at)).bytesRead).toBe(inside);
          expect(bytes.subarray(1, 1 + inside)).toEqual(model.subarray(start, start + inside));
          // Not a byte more.
          expect([bytes[0], bytes[1 + inside]]).toEqual([0, 0]);
        }
        if (at === null) position = start + inside;
      }),
      { numRuns: 300 },
    );
    expect(await tree.readFile("/dev/ram0")).toEqual(Buffer.from(model));
    await file.close();
    await tree.close();
  },
);

test("what was written is in the image once the disk was closed", async () => {
  const image = makeImage(pattern(DISK_BYTES));
  const { tree } = await makeTree();
  await bringTo(tree, "attached", image);
  const file = await tree.open("/dev/pci-rd-disk.img", "r+");
  expect((await file.stat()).size).toBe(DISK_BYTES);
  await file.write(Buffer.from("hello"), 0, 5, 510);
  await file.close();
  expect(readFileSync(image).subarray(510, 515).toString()).toBe("hello");
  await tree.writeFile("/dev/pci-rd-disk.img", "from its start");
  expect(readFileSync(image).subarray(0, 14).toString()).toBe("from its start");
  // The rest of the blocks is as it was.
  expect(readFileSync(image).subarray(14, 510)).toEqual(
    Buffer.from(pattern(DISK_BYTES)).subarray(14, 510),
  );
});

test("a disk that may only be read is opened for reading", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  await tree.writeFile(`${DISC}/read_only`, "1");
  await tree.loadDriver();
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
  expect(await codeOf(tree.open("/dev/pci-rd-disc", "r+"))).toBe("EACCES");
  const file = await tree.open("/dev/pci-rd-disc");
  expect(await codeOf(file.write(new Uint8Array(1)))).toBe("EBADF");
  await file.close();
});

test("a disk without an endpoint fails as a device that is gone", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  const file = await tree.open("/dev/pci-rd-disc", "r+");
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  expect(await codeOf(file.read(new Uint8Array(512)))).toBe("ENODEV");
  expect(await codeOf(file.sync())).toBe("ENODEV");
  expect(await codeOf(file.close())).toBe("ENODEV");
});

test("the file of a disc is opened where its name leads", async () => {
  const image = makeImage(pattern(DISK_BYTES));
  const { tree } = await makeTree({ discs: { sda: image } });
  const file = await tree.open("/dev/sda", "r+");
  const bytes = new Uint8Array(16);
  expect((await file.read(bytes, 0, 16, 1000)).bytesRead).toBe(16);
  expect(bytes).toEqual(pattern(DISK_BYTES).subarray(1000, 1016));
  await file.close();
});

test("only what the buffer has is moved, from where a disk can begin", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  const file = await tree.open("/dev/pci-rd-disc", "r+");
  const before = pattern(DISK_BYTES);
  await file.write(before, 0, DISK_BYTES, 0);
  const buffer = new Uint8Array(512);
  const places: readonly (readonly [offset: number, length: number, position: number])[] = [
    // Once written with zeros behind the buffer's end.
    [0, 1024, 0],
    [511, 2, 0],
    [513, 0, 0],
    [-1, 5, 0],
    [0.5, 5, 0],
    [0, -1, 0],
    [0, Number.NaN, 0],
    [0, 5, -1],
    [0, 5, 1.5],
    [0, 5, Number.NaN],
    [0, 5, 2 ** 53],
  ];
  for (const [offset, length, position] of places) {
    const codes = [
      await codeOf(file.read(buffer, offset, length, position)),
      await codeOf(file.write(buffer, offset, length, position)),
    ];
    expect([offset, length, position, ...codes]).toEqual([
      offset,
      length,
      position,
      "EINVAL",
      "EINVAL",
    ]);
  }
  expect(await codeOf(file.read(buffer, 513))).toBe("EINVAL");
  expect(await tree.readFile("/dev/pci-rd-disc")).toEqual(Buffer.from(before));
  await file.close();
});

test("a disk that was closed is not read and written any more", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  for (const flags of ["r", "r+"] as const) {
    const file = await tree.open("/dev/pci-rd-disc", flags);
    await file.close();
    await file.close();
    const calls = [
      () => file.read(new Uint8Array(1)),
      () => file.write(new Uint8Array(1)),
      () => file.sync(),
      () => file.datasync(),
      () => file.stat(),
    ];
    for (const call of calls) {
      expect([call.toString(), await codeOf(call())]).toEqual([call.toString(), "EBADF"]);
    }
  }
});

test("a disk is opened as it is, for reading or for both", async () => {
  const image = makeImage(pattern(DISK_BYTES));
  const { tree } = await makeTree({ discs: { sda: image } });
  await bringTo(tree, "attached", "memory:64K");
  // As JavaScript may call it: of a file "w" would leave nothing.
  const open = tree.open.bind(tree) as (path: string, flags: unknown) => Promise<unknown>;
  for (const flags of ["w", "a+", "wx", "", 2]) {
    expect(await codeOf(open("/dev/sda", flags))).toBe("EINVAL");
    expect(await codeOf(open("/dev/pci-rd-disc", flags))).toBe("EINVAL");
  }
  expect(readFileSync(image).length).toBe(DISK_BYTES);
});

test("all of a block but one byte is written without it", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", makeImage(pattern(DISK_BYTES)));
  const file = await tree.open("/dev/pci-rd-disk.img", "r+");
  const expected = Buffer.from(pattern(DISK_BYTES));
  for (const [start, end] of [
    [0, 511],
    [1025, 1536],
  ] as const) {
    await file.write(new Uint8Array(end - start).fill(0x55), 0, end - start, start);
    expected.fill(0x55, start, end);
  }
  await file.close();
  expect(await tree.readFile("/dev/pci-rd-disk.img")).toEqual(expected);
});
