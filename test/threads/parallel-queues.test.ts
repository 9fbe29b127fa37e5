// A disc that several threads of the endpoint serve, and several of the root complex use, each on
// a queue of its own.

import { type Disc, FileDisc, MemoryDisc, RootComplex } from "blockpt";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";
import type { SyncReaderData } from "./sync-reader.js";
import { nextMessage, startThread } from "./thread.js";
import type { VerifierData } from "./verifier.js";

const SECTORS = 8192;
const EXTENT = 8;

const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

describe.each([
  ["wasm", "memory", 1_000_000, 16],
  ["typescript", "memory", 1_000_000, 16],
  ["wasm", "file", 100_000, 16],
  ["wasm", "memory", 100_000, 0],
  ["typescript", "file", 20_000, 0],
] as const)("with the %s engine and a %s disc", (engine, kind, operations, depth) => {
  test(`two threads on two queues do ${operations} operations, ${depth} at once, and read no torn or stale sector`, async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    const disc: Disc =
      kind === "memory"
        ? MemoryDisc.create(bus, SECTORS * 512)
        : await FileDisc.open(makeImage(new Uint8Array(SECTORS * 512)));
    await endpoint.exportDisc("a", disc, { queues: 3 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("a", { queues: 3, numDescriptors: 64 });
    const shared = {
      bus: bus.handle,
      versions: new Int32Array(new SharedArrayBuffer(SECTORS * 4)),
      locks: new Int32Array(new SharedArrayBuffer((SECTORS / EXTENT) * 4)),
      operations: operations / 2,
      depth,
    };
    const workers = await Promise.all(
      [1, 2].map((seed) => {
        const data: VerifierData = { ...shared, queue: disk.openQueue(), seed };
        return startThread("./verifier.ts", data);
      }),
    );
    await expect(rc.detach("a")).rejects.toEqual(code("BUSY"));
    expect(await Promise.all(workers.map(nextMessage))).toEqual(["verified", "verified"]);
    // Both gave their queue back.
    await rc.detach("a");
    expect(Array.from(shared.locks).some((lock) => lock !== 0)).toBe(false);
  }, 120_000);
});

describe("queues", () => {
  test("are handed out as often as the disk has them, come back, and go on where they were", async () => {
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.exportDisc("a", MemoryDisc.create(bus, SECTORS * 512), { queues: 2 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("a", { queues: 2, numDescriptors: 16 });
    const locks = new Int32Array(new SharedArrayBuffer((SECTORS / EXTENT) * 4));
    const versions = new Int32Array(new SharedArrayBuffer(SECTORS * 4));
    for (let round = 1; round <= 3; round++) {
      const queue = disk.openQueue();
      expect(() => disk.openQueue()).toThrow(code("BUSY"));
      const common = { bus: bus.handle, locks, versions, depth: 3 };
      const data: VerifierData = { ...common, queue, operations: 1000 + round, seed: round };
      const worker = await startThread("./verifier.ts", data);
      expect(await nextMessage(worker)).toBe("verified");
    }
    await rc.close();
  });

  test("that do not fit are refused, with what would", async () => {
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.exportDisc("a", MemoryDisc.create(bus, 65536), { queues: 4 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const tooMany = rc.attach("a", { queues: 5, numDescriptors: 16 });
    await expect(tooMany).rejects.toThrow("4 would fit");
    await expect(tooMany).rejects.toEqual(code("NO_SPACE"));
    // 121664 bytes: three queues of 1400 descriptors, and some of the fourth.
    const tooLarge = rc.attach("a", { queues: 4, numDescriptors: 1400 });
    await expect(tooLarge).rejects.toEqual(code("NO_SPACE"));
    const fits = /(\d+) would fit/.exec(String(await tooLarge.catch((error) => error)))?.[1];
    // Nothing of the refused ones is still taken: what would fit does, beside three such queues.
    await endpoint.exportDisc("b", MemoryDisc.create(bus, 65536));
    const disk = await rc.attach("a", { queues: 3, numDescriptors: 1400 });
    await disk.write(pattern(512), 0);
    await expect(rc.attach("b", { numDescriptors: Number(fits) + 1 })).rejects.toEqual(
      code("NO_SPACE"),
    );
    await rc.attach("b", { numDescriptors: Number(fits) });
    await rc.close();
  });

  test("are all given back by a thousand attaches and detaches", async () => {
    const { bus, endpoint } = await makeEndpoint({}, { msixInterrupts: 4 });
    for (const name of ["a", "b"]) {
      await endpoint.exportDisc(name, MemoryDisc.create(bus, 65536), { queues: 2 });
    }
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    // Sizes of which the largest fits only if the space is whole.
    for (let cycle = 0; cycle < 500; cycle++) {
      const numDescriptors = 16 + ((cycle * 389) % 1000);
      await rc.attach("a", { queues: 2, numDescriptors });
      await rc.attach("b", { numDescriptors: 16 + ((cycle * 97) % 1000) });
      await rc.detach(cycle % 2 === 0 ? "a" : "b");
      await rc.detach(cycle % 2 === 0 ? "b" : "a");
    }
    const all = await rc.attach("a", { numDescriptors: 4330 });
    await all.write(pattern(512), 0);
    await rc.close();
  }, 300_000);

  test("learn of a disk's new size, each in its own thread", async () => {
    const path = makeImage(new Uint8Array(65536));
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.exportDisc("a", await FileDisc.open(path), { queues: 2 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    let isResized = false;
    const disk = await rc.attach("a", {
      queues: 2,
      numDescriptors: 16,
      onResize: () => {
        isResized = true;
      },
    });
    const data: SyncReaderData = { bus: bus.handle, queue: disk.openQueue() };
    const reader = await startThread("./grown-reader.ts", data);
    expect(await nextMessage(reader)).toBe("ERR_BLOCKPT_OUT_OF_RANGE");
    await endpoint.resizeDisc("a", 131072);
    await until("the disk has grown", () => isResized);
    reader.postMessage("again");
    expect(await nextMessage(reader)).toBe("131072 bytes");
    await rc.close();
  });

  test("of a thread that died are taken back, with all that it held", async () => {
    const { bus, endpoint } = await makeEndpoint({ iommu: true, hostMemoryBytes: 1024 * 1024 });
    await endpoint.exportDisc("a", MemoryDisc.create(bus, SECTORS * 512), { queues: 2 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("a", { queues: 2, numDescriptors: 32 });
    const before = bus.hostPages.longestFree();
    for (let round = 0; round < 10; round++) {
      const queue = disk.openQueue();
      const locks = new Int32Array(new SharedArrayBuffer((SECTORS / EXTENT) * 4));
      const versions = new Int32Array(new SharedArrayBuffer(SECTORS * 4));
      const common = { bus: bus.handle, locks, versions, depth: 8, seed: 3 };
      const data: VerifierData = { ...common, queue, operations: 1e9 };
      const worker = await startThread("./verifier.ts", data);
      await new Promise((resolve) => setTimeout(resolve, 60 + round));
      await worker.terminate();
      await disk.reclaimQueue(queue);
      expect(bus.hostPages.longestFree()).toBe(before);
      await disk.writeZeroes(0, disk.sizeBytes);
    }
    const buffer = disk.allocate(512 * 1024);
    expect(bus.iommu?.isMapped(buffer.byteOffset, 4096)).toBe(false);
    await disk.write(buffer, 0);
    await rc.close();
    afterThisTest(() => bus.close());
  });
});
