// An attached disk as its users see it: reads, writes, splitting, bouncing, detaching.

import { readFileSync, truncateSync } from "node:fs";
import { FileDisc, MemoryDisc, RootComplex } from "blockpt";
import { describe, expect, test } from "vitest";
import { makeEndpoint, makeImage, pattern } from "./rig.js";

const MIB = 1024 * 1024;

describe.each(["wasm", "typescript"] as const)("with the %s engine", (engine) => {
  test("a file is read and written through the rings, byte for byte", async () => {
    const image = pattern(2 * MIB);
    const path = makeImage(image);
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("nvme0", await FileDisc.open(path), { discName: "/dev/nvme0n1" });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    expect(rc.devices).toEqual(["/dev/nvme0n1"]);
    const disk = await rc.attach("nvme0n1", { numDescriptors: 256 });
    expect(disk.localName).toBe("pci-rd-nvme0n1");
    expect([disk.sizeBytes, disk.sectors, disk.readOnly]).toEqual([2 * MIB, 4096, false]);
    const back = new Uint8Array(2 * MIB);
    await disk.read(back, 0);
    expect(Buffer.from(back).equals(image)).toBe(true);
    const change = pattern(12 * 512, 99);
    await disk.write(change, 1000 * 512);
    image.set(change, 1000 * 512);
    expect(readFileSync(path).equals(image)).toBe(true);
    await rc.detach("nvme0n1");
  });

  test("a transfer larger than host memory is split and bounced", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine, hostMemoryBytes: 512 * 1024 });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 8 * MIB));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("ram0", { numDescriptors: 16 });
    const data = pattern(5 * MIB + 512);
    await disk.write(data, 512);
    const back = new Uint8Array(data.length);
    await disk.read(back, 512);
    expect(Buffer.from(back).equals(data)).toBe(true);
  });

  test("buffers of allocate are read and written in place", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine, iommu: true });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("ram0");
    const buffer = disk.allocate(3 * 4096);
    expect(buffer.buffer).toBe(bus.buffer);
    expect(buffer.byteOffset).toBeGreaterThanOrEqual(bus.hostMemory.offset);
    buffer.set(pattern(3 * 4096));
    await disk.write(buffer, 4096);
    buffer.fill(0);
    await disk.read(buffer.subarray(4096, 8192), 8192);
    expect(
      Buffer.from(buffer.subarray(4096, 8192)).equals(pattern(12288).subarray(4096, 8192)),
    ).toBe(true);
    expect(buffer.subarray(0, 4096).every((byte) => byte === 0)).toBe(true);
    disk.free(buffer);
    expect(() => disk.free(buffer)).toThrow(
      expect.objectContaining({ code: "ERR_BLOCKPT_INVALID_ARGUMENT" }),
    );
  });

  test("a thousand requests at once go through a queue of sixteen descriptors", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("ram0", { numDescriptors: 16 });
    const sectors = Array.from({ length: 1000 }, (_, index) => pattern(512, index + 1));
    await Promise.all(sectors.map((sector, index) => disk.write(sector, index * 512)));
    expect(disk.inFlight).toBe(0);
    const back = await Promise.all(
      sectors.map(async (_, index) => {
        const target = new Uint8Array(512);
        await disk.read(target, index * 512);
        return target;
      }),
    );
    expect(back).toEqual(sectors);
  });

  test("a file that is cut behind the endpoint's back fails as a medium error, and the queue goes on", async () => {
    const path = makeImage(pattern(MIB));
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("nvme0", await FileDisc.open(path));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("nvme0");
    truncateSync(path, MIB / 2);
    const target = new Uint8Array(4096);
    await expect(disk.read(target, MIB - 4096)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_IO",
      blkStatus: 7,
    });
    await disk.read(target, 0);
    expect(Buffer.from(target).equals(pattern(4096))).toBe(true);
  });

  test("discs keep their identity when the list changes between attaches", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    for (const name of ["a", "b", "c"]) {
      await endpoint.exportDisc(name, MemoryDisc.create(bus, 65536));
    }
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const c = await rc.attach("c");
    await c.write(pattern(512, 3), 0);
    await endpoint.unexportDisc("a");
    const b = await rc.attach("b");
    await b.write(pattern(512, 2), 0);
    expect(rc.devices).toEqual(["/dev/b", "/dev/c"]);
    const back = new Uint8Array(512);
    await c.read(back, 0);
    expect(back).toEqual(pattern(512, 3));
    await rc.detach("c");
    await b.read(back, 0);
    expect(back).toEqual(pattern(512, 2));
    await rc.detach("b");
    expect(rc.disks).toEqual([]);
  });

  test("descriptor space is given back: twenty attaches of a queue that nearly fills it", async () => {
    const { bus, endpoint } = await makeEndpoint(
      { engine, barBytes: 32768 },
      { msixInterrupts: 1 },
    );
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    for (let round = 0; round < 20; round++) {
      const disk = await rc.attach("ram0", { numDescriptors: 1100 });
      await disk.write(pattern(512, round + 1), 0);
      await rc.detach("ram0");
    }
  });

  test("an endpoint is started, stopped and started again, and finishes what is outstanding", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB));
    for (let round = 0; round < 3; round++) {
      await endpoint.start();
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("ram0");
      const writes = Array.from({ length: 100 }, (_, index) =>
        disk.write(pattern(512, index + 1), index * 512),
      );
      await Promise.resolve();
      await endpoint.stop();
      await Promise.all(writes);
      await expect(RootComplex.probe(bus)).rejects.toMatchObject({
        code: "ERR_BLOCKPT_NO_ENDPOINT",
      });
      await rc.close();
    }
  });
});
