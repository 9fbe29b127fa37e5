// What a caller can do wrong, and the documented error that each mistake gets.

import { readFileSync } from "node:fs";
import { BlockptError, createBus, Endpoint, FileDisc, MemoryDisc, RootComplex } from "blockpt";
import { decodeDescriptor, encodeDescriptor, queueLayout, readRegisters } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { makeEndpoint, makeImage, pattern } from "./rig.js";

const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

async function attached(options: { readOnly?: boolean } = {}) {
  const rig = await makeEndpoint();
  await rig.endpoint.exportDisc("ram0", MemoryDisc.create(rig.bus, 65536), options);
  await rig.endpoint.start();
  const rc = await RootComplex.probe(rig.bus);
  return { ...rig, rc, disk: await rc.attach("ram0") };
}

describe("a disk refuses", () => {
  test("an offset or a length that is not a multiple of 512", async () => {
    const { disk } = await attached();
    for (const [length, offset] of [
      [512, 1],
      [100, 0],
      [511, 512],
      [512, 0.5],
      [512, Number.NaN],
    ] as const) {
      await expect(disk.read(new Uint8Array(length), offset)).rejects.toEqual(code("UNALIGNED"));
      await expect(disk.write(new Uint8Array(length), offset)).rejects.toEqual(code("UNALIGNED"));
    }
  });

  test("a range past the end, or before the start", async () => {
    const { disk } = await attached();
    for (const offset of [65536, 65536 - 512, -512, 2 ** 40, 2n ** 63n, Number.POSITIVE_INFINITY]) {
      const read = disk.read(new Uint8Array(1024), offset);
      await expect(read).rejects.toEqual(code("OUT_OF_RANGE"));
    }
    await disk.read(new Uint8Array(512), 65536n - 512n);
    await disk.read(new Uint8Array(0), 65536);
  });

  test("a write when it is read-only, without asking the device", async () => {
    const { bus, disk } = await attached({ readOnly: true });
    expect(disk.readOnly).toBe(true);
    const before = Buffer.from(Buffer.from(bus.buffer, bus.bar.offset, bus.bar.length));
    await expect(disk.write(new Uint8Array(512), 0)).rejects.toEqual(code("READ_ONLY"));
    expect(before.equals(Buffer.from(bus.buffer, bus.bar.offset, bus.bar.length))).toBe(true);
    await disk.read(new Uint8Array(512), 0);
  });

  test("everything once it is detached", async () => {
    const { rc, disk } = await attached();
    await rc.detach("ram0");
    await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(code("DETACHED"));
    expect(() => disk.allocate(512)).toThrow(code("DETACHED"));
  });

  test("more host memory than there is", async () => {
    const { bus, disk } = await attached();
    expect(() => disk.allocate(bus.hostMemory.length)).toThrow(code("NO_SPACE"));
    expect(() => disk.allocate(0)).toThrow(code("INVALID_ARGUMENT"));
    expect(() => disk.free(new Uint8Array(512))).toThrow(code("INVALID_ARGUMENT"));
    for (;;) {
      try {
        disk.allocate(4096);
      } catch {
        break;
      }
    }
    await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(code("NO_SPACE"));
  });
});

describe("a root complex refuses", () => {
  test("to find an endpoint where there is none", async () => {
    await expect(RootComplex.probe(await createBus())).rejects.toEqual(code("NO_ENDPOINT"));
  });

  test("a disc that is not exported, and one that is attached", async () => {
    const { rc } = await attached();
    await expect(rc.attach("sda")).rejects.toEqual(code("NO_SUCH_DISC"));
    await expect(rc.attach("/dev/ram0")).rejects.toEqual(code("ALREADY_ATTACHED"));
    await expect(rc.detach("sda")).rejects.toEqual(code("NO_SUCH_DISC"));
    await rc.detach("pci-rd-ram0");
    await expect(rc.detach("ram0")).rejects.toEqual(code("NO_SUCH_DISC"));
    const both = await Promise.allSettled([rc.attach("ram0"), rc.attach("ram0")]);
    expect(both.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
  });

  test("to detach while requests are in flight, and then does", async () => {
    const { rc, disk } = await attached();
    const read = disk.read(new Uint8Array(4096), 0);
    expect(disk.inFlight).toBe(1);
    await expect(rc.detach("ram0")).rejects.toEqual(code("BUSY"));
    await read;
    await rc.detach("ram0");
  });

  test("a queue that does not fit, and says what would", async () => {
    const { bus, endpoint } = await makeEndpoint({ barBytes: 8192 }, { msixInterrupts: 8 });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const refusal: unknown = await rc
      .attach("ram0", { numDescriptors: 256 })
      .catch((error: unknown) => error);
    expect(refusal).toEqual(code("NO_SPACE"));
    const fits = Number(/(\d+) would fit/.exec((refusal as Error).message)?.[1]);
    expect(queueLayout(fits).bytes).toBeLessThanOrEqual(8192 - 1152 - 8 * 16 - 8);
    await expect(rc.attach("ram0", { numDescriptors: fits + 1 })).rejects.toEqual(code("NO_SPACE"));
    const disk = await rc.attach("ram0", { numDescriptors: fits });
    await disk.read(new Uint8Array(512), 0);
    for (const numDescriptors of [0, 15, 65536, 16.5]) {
      await expect(rc.attach("ram0", { numDescriptors })).rejects.toEqual(code("INVALID_ARGUMENT"));
    }
  });
});

describe("an endpoint refuses", () => {
  test("a BAR without room for the registers, the MSI-X table and one queue", async () => {
    const least = 1152 + 16 * 16 + 8 + queueLayout(16).bytes;
    expect(least).toBeLessThan(2048);
    await makeEndpoint({ barBytes: 2048 }, { msixInterrupts: 16 });
    for (const [barBytes, msixInterrupts] of [
      [16, 1],
      [1024, 1],
      [2048, 64],
      [16384, 1024],
    ] as const) {
      const bus = await createBus({ barBytes });
      await expect(Endpoint.create(bus, { controller: "x", msixInterrupts })).rejects.toEqual(
        code("BAR_TOO_SMALL"),
      );
    }
  });

  test("numbers out of their range, and another BAR than the controller's", async () => {
    const bus = await createBus();
    for (const options of [
      { msixInterrupts: 0 },
      { msixInterrupts: 2049 },
      { vendorId: 0x10000 },
      { deviceId: -1 },
      { identity: { classCode: 0x1000000 } },
      { controller: { name: "x", fixedBarBytes: 65536 } },
      { controller: { name: "x", maxVectors: 16 }, msixInterrupts: 17 },
    ]) {
      await expect(Endpoint.create(bus, { controller: "x", ...options })).rejects.toEqual(
        code("INVALID_ARGUMENT"),
      );
    }
  });

  test("a name that cannot stand in the register, or is taken, and a seventeenth disc", async () => {
    const { bus, endpoint } = await makeEndpoint();
    const disc = () => MemoryDisc.create(bus, 512);
    for (const discName of ["", "a;b", "a\0b", "x".repeat(64), "ü".repeat(32)]) {
      await expect(endpoint.exportDisc("a", disc(), { discName })).rejects.toEqual(code("NAME"));
    }
    await endpoint.exportDisc("a", disc(), { discName: "x".repeat(63) });
    await expect(endpoint.exportDisc("a", disc())).rejects.toEqual(code("EXISTS"));
    await expect(endpoint.exportDisc("b", disc(), { discName: "x".repeat(63) })).rejects.toEqual(
      code("EXISTS"),
    );
    await expect(endpoint.exportDisc("b", disc(), { queues: 0 })).rejects.toEqual(
      code("INVALID_ARGUMENT"),
    );
    for (let index = 1; index < 16; index++) {
      await endpoint.exportDisc(`d${index}`, disc(), { discName: `${index}`.padStart(63, "n") });
    }
    await expect(endpoint.exportDisc("d16", disc())).rejects.toEqual(code("TOO_MANY_DISCS"));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    expect(rc.devices).toHaveLength(16);
    expect(rc.devices.at(-1)).toBe("15".padStart(63, "n"));
    const disk = await rc.attach(rc.devices.at(-1) ?? "", { numDescriptors: 16 });
    await disk.read(new Uint8Array(512), 0);
  });

  test("to be started twice, or on a bus that has one, or stopped when it is not started", async () => {
    const { bus, endpoint } = await makeEndpoint();
    await expect(endpoint.stop()).rejects.toEqual(code("STATE"));
    await endpoint.start();
    await expect(endpoint.start()).rejects.toEqual(code("STATE"));
    const other = await Endpoint.create(bus, { controller: "y" });
    await expect(other.start()).rejects.toEqual(code("STATE"));
  });

  test("to give up a disc that is attached, or is not exported", async () => {
    const { endpoint, rc } = await attached();
    await expect(endpoint.unexportDisc("ram0")).rejects.toEqual(code("BUSY"));
    await expect(endpoint.unexportDisc("nvme0")).rejects.toEqual(code("NO_SUCH_DISC"));
    await rc.detach("ram0");
    await endpoint.unexportDisc("ram0");
    expect(endpoint.exports).toEqual([]);
    await expect(rc.attach("ram0")).rejects.toEqual(code("NO_SUCH_DISC"));
  });
});

describe("a disc refuses", () => {
  test("an image that is not there, is a folder, is empty, or ends within a sector", async () => {
    await expect(FileDisc.open("/no/such/image")).rejects.toEqual(code("DISC_OPEN"));
    const refusal = await FileDisc.open("/no/such/image").catch((error: BlockptError) => error);
    expect(refusal).toMatchObject({ cause: { code: "ENOENT" } });
    await expect(FileDisc.open("/")).rejects.toEqual(code("DISC_OPEN"));
    await expect(FileDisc.open("/dev/null")).rejects.toEqual(code("DISC_OPEN"));
    for (const bytes of [0, 1, 511, 513]) {
      const path = makeImage(new Uint8Array(bytes));
      await expect(FileDisc.open(path)).rejects.toEqual(code("DISC_SIZE"));
      await expect(FileDisc.open(path, { readOnly: true })).rejects.toEqual(code("DISC_SIZE"));
    }
  });

  test("to be a memory disc of no size, of half a sector, or larger than endpoint memory", async () => {
    const bus = await createBus({ endpointMemoryBytes: 131072 });
    for (const bytes of [0, 100, 513, -512, Number.NaN]) {
      expect(() => MemoryDisc.create(bus, bytes)).toThrow(code("DISC_SIZE"));
    }
    const disc = MemoryDisc.create(bus, 65536);
    expect(() => MemoryDisc.create(bus, 65536 + 512)).toThrow(code("NO_SPACE"));
    new Uint8Array(bus.buffer, disc.busRange.offset, 65536).fill(1);
    disc.close();
    const whole = MemoryDisc.create(bus, 131072);
    const bytes = new Uint8Array(bus.buffer, whole.busRange.offset, 131072);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });

  test("writes to a file that it opened for reading", async () => {
    const path = makeImage(pattern(4096));
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.exportDisc("nvme0", await FileDisc.open(path, { readOnly: true }));
    await endpoint.start();
    const disk = await (await RootComplex.probe(bus)).attach("nvme0");
    await expect(disk.write(new Uint8Array(512), 0)).rejects.toEqual(code("READ_ONLY"));
    expect(readFileSync(path).equals(pattern(4096))).toBe(true);
  });
});

describe("a bus refuses", () => {
  test("sizes that are out of range, or not whole pages", async () => {
    for (const options of [
      { hostMemoryBytes: 0 },
      { hostMemoryBytes: 4097 },
      { hostMemoryBytes: 2 ** 33 },
      { hostMemoryBytes: 2 ** 32 - 65536 },
      { endpointMemoryBytes: 4096 },
      { barBytes: 0 },
      { barBytes: 100_000 },
      { barBytes: 2 ** 27 },
      { engine: "fast" as "wasm" },
    ]) {
      await expect(createBus(options)).rejects.toEqual(code("INVALID_ARGUMENT"));
    }
  });
});

test("blockpt/abi refuses what cannot be written", () => {
  const descriptor = { startSector: 0n, address: 0n, lenBytes: 0, opf: 0, status: 0, flags: 0 };
  const bytes = new Uint8Array(48);
  const all = {
    startSector: 2n ** 64n - 1n,
    address: 2n ** 64n - 2n,
    lenBytes: 2 ** 32 - 1,
    opf: 255,
    status: 254,
    flags: 253,
  };
  encodeDescriptor(bytes, 24, all);
  expect(decodeDescriptor(bytes, 24)).toEqual(all);
  expect(bytes.subarray(0, 24).every((byte) => byte === 0)).toBe(true);
  for (const bad of [
    { startSector: -1n },
    { startSector: 2n ** 64n },
    { address: 2n ** 64n },
    { lenBytes: 2 ** 32 },
    { lenBytes: -1 },
    { opf: 256 },
    { status: -1 },
    { flags: 1.5 },
  ]) {
    expect(() => encodeDescriptor(bytes, 0, { ...descriptor, ...bad })).toThrow(
      code("INVALID_ARGUMENT"),
    );
  }
  for (const offset of [25, -1, 0.5]) {
    expect(() => encodeDescriptor(bytes, offset, descriptor)).toThrow(code("INVALID_ARGUMENT"));
    expect(() => decodeDescriptor(bytes, offset)).toThrow(code("INVALID_ARGUMENT"));
  }
  for (const count of [0, 15, 65536, 2 ** 32, 16.5, Number.NaN]) {
    expect(() => queueLayout(count)).toThrow(BlockptError);
  }
  expect(() => readRegisters(new Uint8Array(1151))).toThrow(code("INVALID_ARGUMENT"));
});
