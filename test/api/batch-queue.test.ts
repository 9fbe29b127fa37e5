// A queue in batches: every byte by its tag, what is refused, and an endpoint that goes and comes back.

import {
  type BatchQueue,
  type Bus,
  FileDisc,
  MemoryDisc,
  NullDisc,
  openBatchQueue,
  RootComplex,
} from "blockpt";
import { BlkStatus, DescriptorFlag, Operation } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern } from "./rig.js";

const MIB = 1024 * 1024;
const BLOCK = 4096;
const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });

async function open(
  engine: "wasm" | "typescript",
  options: { iommu?: boolean; image?: string; readOnly?: boolean; logicalBlockBytes?: number } = {},
) {
  const { bus, endpoint } = await makeEndpoint({ engine, iommu: options.iommu ?? false });
  const { image, readOnly = false, logicalBlockBytes } = options;
  const disc =
    image === undefined
      ? MemoryDisc.create(bus, MIB, { readOnly, logicalBlockBytes })
      : await FileDisc.open(image, { readOnly });
  await endpoint.exportDisc("d", disc, { queues: 2 });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("d", { queues: 2, numDescriptors: 16 });
  return { bus, endpoint, rc, disk, queue: openBatchQueue(bus, disk.openQueue()) };
}

/** Has every block of the disk moved, as many at a time as fit; gives the statuses by tag. */
function moveAll(queue: BatchQueue, opf: number, data: Uint8Array): Map<number, number> {
  const statuses = new Map<number, number>();
  const blocks = data.length / BLOCK;
  for (let next = 0; statuses.size < blocks; ) {
    for (; next < blocks && queue.available > 0; next++) {
      queue.put(opf, next * BLOCK, BLOCK, data.byteOffset + next * BLOCK, next * 3);
    }
    queue.submit();
    const count = queue.wait();
    for (let index = 0; index < count; index++) {
      statuses.set(queue.tag(index), queue.status(index));
    }
  }
  return statuses;
}

describe.each(["wasm", "typescript"] as const)("with the %s engine", (engine) => {
  test.each([
    ["memory", false, false],
    ["memory, behind an IOMMU", false, true],
    ["a file", true, false],
    ["a file, behind an IOMMU", true, true],
  ])("every block of %s goes there and comes back", async (_, isFile, iommu) => {
    const image = isFile ? { image: makeImage(new Uint8Array(MIB)) } : {};
    const { disk, queue, rc } = await open(engine, { iommu, ...image });
    const data = queue.allocate(MIB);
    data.set(pattern(MIB, 7));
    const tags = Array.from({ length: MIB / BLOCK }, (_, block) => block * 3);
    const done = new Map(tags.map((tag) => [tag, BlkStatus.OK]));
    expect(moveAll(queue, Operation.WRITE, data)).toEqual(done);
    data.fill(0);
    expect(moveAll(queue, Operation.READ, data)).toEqual(done);
    expect(Buffer.compare(data, pattern(MIB, 7))).toBe(0);
    const block = new Uint8Array(BLOCK);
    await disk.read(block, BLOCK);
    expect(block).toEqual(pattern(MIB, 7).slice(BLOCK, 2 * BLOCK));
    queue.free(data);
    queue.close();
    await rc.detach("d");
  });

  test("other operations, and their flags", async () => {
    const { queue } = await open(engine);
    const data = queue.allocate(BLOCK);
    data.fill(0xee);
    queue.put(Operation.WRITE, 0, BLOCK, data.byteOffset, 1, DescriptorFlag.FUA);
    queue.submit();
    expect([queue.wait(), queue.status(0)]).toEqual([1, BlkStatus.OK]);
    queue.put(Operation.WRITE_ZEROES, 512, 1024, 0, 2);
    queue.put(Operation.FLUSH, 0, 0, 0, 3);
    queue.submit();
    for (let left = 2; left > 0; ) left -= queue.wait();
    queue.put(Operation.READ, 0, BLOCK, data.byteOffset, 4);
    queue.submit();
    expect([queue.wait(), queue.tag(0)]).toEqual([1, 4]);
    const expected = new Uint8Array(BLOCK).fill(0xee).fill(0, 512, 1536);
    expect(data.slice()).toEqual(expected);
    expect(queue.wait()).toBe(0);
  });
});

describe("what is refused", () => {
  type Put = Parameters<BatchQueue["put"]>;
  const refused: [string, string, (bus: Bus, address: number) => Put][] = [
    ["an operation that there is not", "INVALID_ARGUMENT", (_, at) => [99, 0, BLOCK, at, 0]],
    ["FUA on a read", "INVALID_ARGUMENT", (_, at) => [0, 0, BLOCK, at, 0, DescriptorFlag.FUA]],
    ["a flag of no meaning", "INVALID_ARGUMENT", (_, at) => [1, 0, BLOCK, at, 0, 1]],
    ["half a block", "UNALIGNED", (_, at) => [0, 0, 256, at, 0]],
    ["an offset within a block", "UNALIGNED", (_, at) => [0, 256, 512, at, 0]],
    ["no bytes", "INVALID_ARGUMENT", (_, at) => [0, 0, 0, at, 0]],
    ["too many bytes", "INVALID_ARGUMENT", (_, at) => [0, 0, MIB + 512, at, 0]],
    ["a flush of bytes", "INVALID_ARGUMENT", () => [Operation.FLUSH, 0, 512, 0, 0]],
    ["what is past the end", "OUT_OF_RANGE", (_, at) => [0, MIB - 512, 1024, at, 0]],
    ["what is before the start", "OUT_OF_RANGE", (_, at) => [0, -512, 512, at, 0]],
    ["an offset that is no number", "UNALIGNED", (_, at) => [0, Number.NaN, 512, at, 0]],
    [
      "memory of the endpoint's",
      "INVALID_ARGUMENT",
      (bus) => [0, 0, 512, bus.endpointMemory.offset, 0],
    ],
    [
      "memory behind the host's",
      "INVALID_ARGUMENT",
      (bus) => [0, 0, 1024, bus.hostMemory.offset + bus.hostMemory.length - 512, 0],
    ],
    [
      "memory before the host's",
      "INVALID_ARGUMENT",
      (bus) => [0, 0, 512, bus.hostMemory.offset - 1, 0],
    ],
    ["a tag below 0", "INVALID_ARGUMENT", (_, at) => [0, 0, 512, at, -1]],
    ["the largest word as a tag", "INVALID_ARGUMENT", (_, at) => [0, 0, 512, at, 0xffff_ffff]],
  ];

  test.each(refused)("%s: %s", async (_, name, request) => {
    const { bus, queue } = await open("wasm");
    const data = queue.allocate(2 * MIB);
    expect(() => queue.put(...request(bus, data.byteOffset))).toThrow(code(name));
    expect(queue.inFlight).toBe(0);
    queue.put(Operation.READ, MIB - 512, 512, data.byteOffset + 2 * MIB - 512, 0xffff_fffe);
    queue.submit();
    expect([queue.wait(), queue.tag(0), queue.status(0)]).toEqual([1, 0xffff_fffe, 0]);
  });

  test("writes to what may only be read, and what the device does not offer", async () => {
    const { queue } = await open("wasm", { readOnly: true, image: makeImage(new Uint8Array(MIB)) });
    const data = queue.allocate(BLOCK);
    expect(() => queue.put(Operation.WRITE, 0, BLOCK, data.byteOffset, 0)).toThrow(
      code("READ_ONLY"),
    );
    expect(() => queue.put(Operation.DISCARD, 0, BLOCK, 0, 0)).toThrow(code("NOT_SUPPORTED"));
  });

  test("more than fit, and giving back what is in use", async () => {
    const { queue, rc } = await open("wasm");
    const data = queue.allocate(BLOCK);
    for (let tag = 0; queue.available > 0; tag++) {
      queue.put(Operation.READ, 0, 512, data.byteOffset, tag);
    }
    expect(queue.inFlight).toBe(15);
    expect(() => queue.put(Operation.READ, 0, 512, data.byteOffset, 15)).toThrow(code("NO_SPACE"));
    expect(() => queue.free(data)).toThrow(code("BUSY"));
    expect(() => queue.close()).toThrow(code("BUSY"));
    queue.submit();
    for (let left = 15; left > 0; ) left -= queue.wait();
    await expect(rc.detach("d")).rejects.toEqual(code("BUSY"));
    expect(() => queue.free(new Uint8Array(4))).toThrow(code("INVALID_ARGUMENT"));
    queue.free(data);
    expect(() => queue.free(data)).toThrow(code("INVALID_ARGUMENT"));
  });

  test("a queue that was closed, or whose disk was detached", async () => {
    const { bus, disk, queue, rc } = await open("wasm");
    const { address } = { address: queue.allocate(BLOCK).byteOffset };
    queue.close();
    queue.close();
    expect(() => queue.put(Operation.READ, 0, 512, address, 0)).toThrow(code("DETACHED"));
    expect(() => queue.submit()).toThrow(code("DETACHED"));
    expect(() => queue.wait()).toThrow(code("DETACHED"));
    expect(() => queue.allocate(1)).toThrow(code("DETACHED"));
    const again = openBatchQueue(bus, disk.openQueue());
    again.close();
    await rc.detach("d");
  });
});

test("nothing is answered: the wait ends, and the request stays the device's", async () => {
  const { queue, disk } = await open("wasm");
  const data = queue.allocate(BLOCK);
  queue.put(Operation.READ, 0, 512, data.byteOffset, 5);
  // Not submitted: nobody can answer it.
  expect(() => queue.wait(30)).toThrow(code("TIMEOUT"));
  expect(queue.inFlight).toBe(1);
  queue.submit();
  expect([queue.wait(), queue.tag(0)]).toEqual([1, 5]);
  expect(disk.inFlight).toBe(0);
});

test.each(["wasm", "typescript"] as const)(
  "an endpoint that goes takes what is in flight with it, and the queue goes on (%s)",
  async (engine) => {
    const { endpoint, queue, rc, disk } = await open(engine);
    afterThisTest(() => rc.close());
    const data = queue.allocate(MIB);
    data.set(pattern(MIB, 3));
    moveAll(queue, Operation.WRITE, data);
    await endpoint.stop();
    queue.put(Operation.READ, 0, 512, data.byteOffset, 1);
    expect(() => {
      queue.submit();
      for (;;) queue.wait(50);
    }).toThrow(expect.toBeOneOf([code("OFFLINE"), code("TIMEOUT")]));
    await endpoint.start();
    await disk.whenOnline();
    await queue.whenOnline();
    expect(queue.inFlight).toBe(0);
    data.fill(0);
    expect([...moveAll(queue, Operation.READ, data).values()].every((each) => each === 0)).toBe(
      true,
    );
    expect(Buffer.compare(data, pattern(MIB, 3))).toBe(0);
    queue.close();
  },
);

test("the first request after an endpoint is back is put on its rings", async () => {
  const { endpoint, queue, rc, disk } = await open("wasm");
  afterThisTest(() => rc.close());
  const data = queue.allocate(BLOCK);
  await endpoint.stop();
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toThrow(code("OFFLINE"));
  queue.put(Operation.READ, 0, 512, data.byteOffset, 1);
  expect(() => queue.submit()).toThrow(code("OFFLINE"));
  await endpoint.start();
  await disk.whenOnline();
  queue.put(Operation.READ, 0, 512, data.byteOffset, 2);
  queue.submit();
  expect([queue.wait(), queue.tag(0), queue.status(0)]).toEqual([1, 2, BlkStatus.OK]);
  queue.close();
});

test.each<[string, (queue: BatchQueue, address: number) => unknown]>([
  ["wait", (queue) => queue.wait()],
  ["reap", (queue) => queue.reap()],
  ["submit", (queue) => queue.submit()],
  ["the put of a flush", (queue) => queue.put(Operation.FLUSH, 0, 0, 0, 3)],
  [
    "a plain put and submit",
    (queue, address) => {
      queue.put(Operation.READ, 0, 512, address, 3);
      queue.submit();
    },
  ],
])(
  "what an endpoint took with it is said by %s, though another one is back by then",
  async (_, call) => {
    const { endpoint, queue, rc, disk } = await open("wasm");
    afterThisTest(() => rc.close());
    const data = queue.allocate(BLOCK);
    queue.put(Operation.WRITE, 0, 512, data.byteOffset, 1);
    await endpoint.stop();
    await expect(disk.read(new Uint8Array(512), 0)).rejects.toThrow(code("OFFLINE"));
    await endpoint.start();
    await disk.whenOnline();
    expect(() => call(queue, data.byteOffset)).toThrow(code("OFFLINE"));
    // Once: then it goes on.
    expect([queue.inFlight, queue.wait()]).toEqual([0, 0]);
    queue.put(Operation.READ, 0, 512, data.byteOffset, 2);
    queue.submit();
    expect([queue.wait(), queue.tag(0), queue.status(0)]).toEqual([1, 2, BlkStatus.OK]);
    queue.close();
  },
);

test.each(["wasm", "typescript"] as const)(
  "a null disc answers, and moves nothing (%s)",
  async (engine) => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("null0", NullDisc.create(1024 ** 4));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("null0");
    expect(disk.sizeBytes).toBe(1024 ** 4);
    const data = new Uint8Array(BLOCK).fill(7);
    await disk.write(data, 1024 ** 4 - BLOCK, { fua: true });
    await disk.writeZeroes(0, 1024 ** 3);
    await disk.discard(0, 512);
    await disk.flush();
    const back = disk.allocate(BLOCK);
    back.fill(9);
    await disk.read(back, 1024 ** 4 - BLOCK);
    expect(back.every((byte) => byte === 9)).toBe(true);
    expect(endpoint.inspect().discs[0]).toMatchObject({ kind: "null", sectors: 1024 ** 4 / 512 });
    expect(() => NullDisc.create(100)).toThrow(code("DISC_SIZE"));
    expect(() => NullDisc.create(512).resize(1024)).toThrow(code("DISC_SIZE"));
    await rc.close();
  },
);
