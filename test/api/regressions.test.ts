// What once went wrong, each with the input that showed it.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import {
  type Bus,
  createBus,
  type Disc,
  Endpoint,
  FileDisc,
  MemoryDisc,
  openBus,
  RootComplex,
} from "blockpt";
import { Command, REGISTERS_BYTES, Register } from "blockpt/abi";
import { RawDevice, RawDriver } from "blockpt/testing";
import { describe, expect, test } from "vitest";
import { ForeignEndpoint } from "../peers/foreign-endpoint.js";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "./rig.js";

const run = promisify(execFile);
const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

/** A disk of a device of the test's own, which answers no request by itself. */
async function silentDisk(options: { numDescriptors?: number; requestTimeoutMs?: number } = {}) {
  const bus = await createBus({ hostMemoryBytes: 1024 * 1024 });
  const discs = [{ name: "/dev/slow", data: new Uint8Array(65536) }];
  const device = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs);
  device.decide = () => "hold";
  device.start();
  afterThisTest(() => device.stop());
  const rc = await RootComplex.probe(bus);
  return { bus, device, rc, disk: await rc.attach("slow", options) };
}

describe.each(["wasm", "typescript"] as const)("with the %s engine", (engine) => {
  test.each([
    [3, 1, "before"],
    [3, 1, "after"],
    [15, 1, "after"],
    [3, 13, "after"],
    [3, 13, "before"],
  ] as const)(
    "after %d reads, %d writes submitted %s an endpoint's restart are not acknowledged",
    async (reads, writes, when) => {
      const { bus, endpoint } = await makeEndpoint({ engine });
      await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
      await endpoint.start();
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("ram0", { numDescriptors: 16 });
      for (let round = 0; round < reads; round++) await disk.read(new Uint8Array(512), 0);
      const submit = () =>
        Array.from({ length: writes }, (_, index) =>
          disk
            .write(new Uint8Array(512).fill(7), 4096 + (12 - index) * 512)
            .catch((error) => error),
        );
      await endpoint.stop();
      const before = when === "before" ? submit() : [];
      await endpoint.start();
      const after = when === "after" ? submit() : [];
      for (const refusal of await Promise.all([...before, ...after])) {
        expect(refusal).toEqual(code("OFFLINE"));
      }
      await rc.detach("ram0");
      const again = await rc.attach("ram0", { numDescriptors: 16 });
      const back = new Uint8Array(13 * 512).fill(1);
      await again.read(back, 4096);
      expect(back.every((byte) => byte === 0)).toBe(true);
    },
  );
});

test("a disk that was attached to an endpoint that was started anew stays online", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  await rc.attach("ram0");
  await endpoint.stop();
  await endpoint.start();
  // Before the root complex has looked whether its endpoint lives.
  await rc.detach("ram0");
  let offline = 0;
  const disk = await rc.attach("ram0", { onOffline: () => offline++ });
  const { heartbeat } = endpoint.inspect().registers.extension ?? {};
  // Two heartbeats are more than one look.
  await until("its looks", () => {
    return (endpoint.inspect().registers.extension?.heartbeat ?? 0) > (heartbeat ?? 0) + 2;
  });
  expect(offline).toBe(0);
  await disk.read(new Uint8Array(512), 0);
});

test("a write whose buffer is taken away between its requests is not fulfilled", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 32 * 1024 * 1024));
  await endpoint.start();
  const disk = await (await RootComplex.probe(bus)).attach("ram0", { numDescriptors: 16 });
  const source = new Uint8Array(32 * 1024 * 1024);
  const write = disk.write(source, 0);
  structuredClone(source.buffer, { transfer: [source.buffer] });
  await expect(write).rejects.toEqual(code("INVALID_ARGUMENT"));
});

test("a buffer is the device's until it answers, though the request was given up", async () => {
  const { device, disk } = await silentDisk({ requestTimeoutMs: 400 });
  const buffer = disk.allocate(4096);
  const read = disk.read(buffer, 0);
  expect(() => disk.free(buffer)).toThrow(code("BUSY"));
  await expect(read).rejects.toEqual(code("TIMEOUT"));
  expect(() => disk.free(buffer)).toThrow(code("BUSY"));
  for (const request of [...device.held]) device.complete(request);
  device.decide = () => undefined;
  await disk.read(new Uint8Array(512), 0);
  disk.free(buffer);
});

test("an attach that was answered too late is taken back by the next one", async () => {
  const bus = await createBus();
  const discs = [{ name: "/dev/a", data: new Uint8Array(512) }];
  const device = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs);
  device.start();
  afterThisTest(() => device.stop());
  const rc = await RootComplex.probe(bus, { commandTimeoutMs: 1500 });
  // It stands still once it has served SET_QUEUE: START is answered after the root complex gave it up.
  device.commands.push = (...seen) => {
    if (seen.some(({ bits }) => (bits & Command.SET_QUEUE) !== 0)) {
      device.stop();
      Reflect.deleteProperty(device.commands, "push");
    }
    return Array.prototype.push.apply(device.commands, seen);
  };
  const words = new Int32Array(bus.buffer, bus.bar.offset, 16);
  const attach = rc.attach("a", { numDescriptors: 16 }).catch((error) => error);
  await until("START", () => Atomics.load(words, Register.command / 4) === Command.START);
  Atomics.store(words, Register.command / 4, 0);
  expect(await attach).toEqual(code("COMMAND_TIMEOUT"));
  device.start();
  Atomics.store(words, Register.command / 4, Command.START);
  await until("its answer", () => Atomics.load(words, Register.status / 4) !== 0);
  const disk = await rc.attach("a", { numDescriptors: 16 });
  await disk.read(new Uint8Array(512), 0);
  await rc.close();
});

test("an endpoint that forgot a command in its restart is asked the next one", async () => {
  const bus = await createBus();
  const discs = [{ name: "/dev/a", data: new Uint8Array(512) }];
  const device = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs);
  device.start();
  afterThisTest(() => device.stop());
  const rc = await RootComplex.probe(bus, { commandTimeoutMs: 1500 });
  device.stop();
  const words = new Int32Array(bus.buffer, bus.bar.offset, 16);
  const rescan = rc.rescan().catch((error) => error);
  await until("the command", () => Atomics.exchange(words, Register.command / 4, 0) !== 0);
  expect(await rescan).toEqual(code("COMMAND_TIMEOUT"));
  device.start();
  await expect(rc.rescan()).rejects.toEqual(code("COMMAND_TIMEOUT"));
  expect(await rc.rescan()).toEqual(["/dev/a"]);
});

test("a buffer that is taken away during a read fails that read, and no other", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const disk = await (await RootComplex.probe(bus)).attach("ram0");
  const taken = new Uint8Array(512);
  const reads = [disk.read(taken, 0), disk.read(new Uint8Array(512), 512)];
  structuredClone(taken.buffer, { transfer: [taken.buffer] });
  const [first, second] = await Promise.allSettled(reads);
  expect(first).toMatchObject({ reason: code("INVALID_ARGUMENT") });
  expect(second?.status).toBe("fulfilled");
  await disk.read(new Uint8Array(512), 0);
  expect(disk.inFlight).toBe(0);
});

test("other things than a Uint8Array are refused, and write nothing", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const disk = await (await RootComplex.probe(bus)).attach("ram0");
  const others = [
    new ArrayBuffer(512),
    new DataView(new ArrayBuffer(512)),
    new Uint16Array(256),
    "x".repeat(512),
    512,
  ];
  for (const other of others as unknown as Uint8Array[]) {
    await expect(disk.write(other, 0)).rejects.toEqual(code("INVALID_ARGUMENT"));
    await expect(disk.read(other, 0)).rejects.toEqual(code("INVALID_ARGUMENT"));
  }
  const slice = Buffer.from(pattern(1024)).subarray(100, 612);
  await disk.write(slice, 0);
  const back = Buffer.alloc(2048).subarray(3, 515);
  await disk.read(back, 0);
  expect(back.equals(slice)).toBe(true);
});

test("queue workers start whatever flags the process was given", async () => {
  const script = `
    import { createBus, Endpoint, MemoryDisc, RootComplex } from ${JSON.stringify(new URL("../../dist/index.js", import.meta.url).href)};
    const bus = await createBus();
    const endpoint = await Endpoint.create(bus, { controller: "x" });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("ram0", { requestTimeoutMs: 3000 });
    await disk.read(new Uint8Array(512), 0);
    await rc.close();
    await endpoint.close();
    console.log("read");`;
  const flags = ["--input-type=module", "--eval", script];
  expect((await run(process.execPath, flags)).stdout).toBe("read\n");
});

test("a request is published though the one before it is not answered", async () => {
  const { bus, device, disk } = await silentDisk();
  const first = disk.read(new Uint8Array(512), 0);
  await until("the root complex sleeps", () => device.unmasked.length > 0);
  const second = disk.read(new Uint8Array(512), 512);
  const ring = REGISTERS_BYTES + disk.numDescriptors * 24;
  // Within the microtasks of this turn, not with the next wake of the root complex.
  await Promise.resolve();
  expect(bus.barView().getUint16(ring, true)).toBe(2);
  device.decide = () => undefined;
  for (const request of [...device.held]) device.complete(request);
  await Promise.all([first, second]);
});

test("a request is published at once, wherever in its ladder the root complex is", async () => {
  const { bus, device, disk } = await silentDisk({ numDescriptors: 1024 });
  const ring = REGISTERS_BYTES + disk.numDescriptors * 24;
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const reads: Promise<void>[] = [];
  const buffer = disk.allocate(512);
  for (let count = 1; count <= 1000; count++) {
    // Waits of many lengths, so that requests come while it looks, goes to sleep, and sleeps.
    const from = performance.now();
    while (performance.now() - from < (count % 50) * 0.02) await turn();
    reads.push(disk.read(buffer, 0));
    await turn();
    expect(bus.barView().getUint16(ring, true), `request ${count}`).toBe(count);
  }
  await until("the device has them all", () => device.held.length === reads.length);
  device.decide = () => undefined;
  for (const request of [...device.held]) device.complete(request);
  await Promise.all(reads);
});

test("after a lie on the device ring every request hears of it, be all descriptors taken or not", async () => {
  const { bus, device, disk } = await silentDisk({ numDescriptors: 16 });
  const reads = Array.from({ length: 40 }, (_, index) =>
    disk.read(new Uint8Array(512), (39 - index) * 512),
  );
  const settled = Promise.allSettled(reads);
  await until("the queue is full", () => device.held.length === 15);
  const devOffset = bus.barView().getUint32(Register.devOffset, true);
  bus.barView().setUint16(REGISTERS_BYTES + devOffset, 999, true);
  for (const result of await settled) expect(result).toMatchObject({ reason: code("PROTOCOL") });
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(code("PROTOCOL"));
});

test("closing twice closes nothing of others", async () => {
  const bus = await createBus({ endpointMemoryBytes: 131072 });
  const disc = MemoryDisc.create(bus, 65536);
  disc.close();
  const next = MemoryDisc.create(bus, 65536);
  disc.close();
  expect(MemoryDisc.create(bus, 65536).busRange.offset).not.toBe(next.busRange.offset);
  const path = makeImage(pattern(4096));
  const file = await FileDisc.open(path);
  file.close();
  const other = await FileDisc.open(path);
  file.close();
  expect(other.readInto(bus, bus.hostMemory.offset, 512, 0)).toBe(0);
  other.close();
  const view = openBus(bus.handle);
  view.close();
  view.close();
  bus.engine.fill(bus.hostMemory.offset, 0, 512);
});

test("what is no disc, a disc of another bus, or one twice, is not exported", async () => {
  const { bus, endpoint } = await makeEndpoint();
  const elsewhere = MemoryDisc.create(await createBus(), 512);
  const ofTheUser = { sizeBytes: 512, readInto: () => 0, close: () => {}, handle: () => {} };
  for (const disc of ["disk.img", undefined, {}, ofTheUser, elsewhere] as unknown as Disc[]) {
    await expect(endpoint.exportDisc("x", disc)).rejects.toEqual(code("INVALID_ARGUMENT"));
  }
  const disc = MemoryDisc.create(bus, 512);
  await endpoint.exportDisc("a", disc);
  await expect(endpoint.exportDisc("b", disc)).rejects.toEqual(code("EXISTS"));
  expect(endpoint.exports).toEqual(["a"]);
});

test("a whole name goes before a last component, and two of those are refused", async () => {
  const { bus, endpoint } = await makeEndpoint();
  for (const discName of ["/foo/x", "x", "/a/y", "/b/y"]) {
    await endpoint.exportDisc(discName, MemoryDisc.create(bus, 512), { discName });
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  expect((await rc.attach("x", { numDescriptors: 16 })).name).toBe("x");
  expect((await rc.attach("/foo/x", { numDescriptors: 16 })).name).toBe("/foo/x");
  await expect(rc.attach("y")).rejects.toEqual(code("NO_SUCH_DISC"));
  await rc.detach("x");
  expect(rc.disks.map((disk) => disk.name)).toEqual(["/foo/x"]);
});

test("a log that throws does not end the command handler", async () => {
  const bus = await createBus();
  const thrown: unknown[] = [];
  const heard = (error: unknown): void => void thrown.push(error);
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", heard);
  afterThisTest(() => {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  });
  const log = (): never => {
    throw new Error("a log of the user's");
  };
  const endpoint = await Endpoint.create(bus, { controller: "x", log });
  await endpoint.start();
  const driver = new RawDriver(bus);
  expect(await driver.command(1)).toBe(256);
  expect(await driver.command(1)).toBe(256);
  await endpoint.close();
  expect(thrown).toHaveLength(2);
});

test("stopping twice at once does not undo a later start", async () => {
  const { endpoint } = await makeEndpoint();
  await endpoint.start();
  const [first, second] = [endpoint.stop(), endpoint.stop()];
  await first;
  await endpoint.start();
  await second;
  expect(endpoint.started).toBe(true);
  await Promise.all([endpoint.close(), endpoint.close()]);
  expect(endpoint.started).toBe(false);
});

test("a root complex gives back its page, and its disks can be detached when the endpoint is gone", async () => {
  const { bus, endpoint } = await makeEndpoint({ hostMemoryBytes: 8 * 4096 });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  for (let round = 0; round < 20; round++) {
    const rc = await RootComplex.probe(bus);
    await rc.attach("ram0", { numDescriptors: 16 });
    await rc.close();
    await rc.close();
    await expect(rc.rescan()).rejects.toEqual(code("STATE"));
  }
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("ram0");
  await endpoint.stop();
  await expect(rc.attach("ram0")).rejects.toEqual(code("NO_ENDPOINT"));
  await rc.detach("ram0");
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toEqual(code("DETACHED"));
});

test("a late answer to a command that was given up does not pass for the next one's", async () => {
  const bus = await createBus();
  const device = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, [
    { name: "/dev/a", data: new Uint8Array(512) },
  ]);
  device.start();
  afterThisTest(() => device.stop());
  const rc = await RootComplex.probe(bus, { commandTimeoutMs: 1500 });
  device.stop();
  // The command is taken, and answered long after it was given up.
  const words = new Int32Array(bus.buffer, bus.bar.offset, 16);
  const rescan = rc.rescan();
  await until("the command", () => Atomics.exchange(words, Register.command / 4, 0) !== 0);
  await expect(rescan).rejects.toEqual(code("COMMAND_TIMEOUT"));
  setTimeout(() => Atomics.store(words, Register.status / 4, 1), 30);
  setTimeout(() => {
    bus.barView().setUint8(Register.devName + 5, "b".charCodeAt(0));
    device.start();
  }, 60);
  await rc.rescan();
  expect(device.commands.length).toBeGreaterThan(1);
});

test.each([Number.NaN, 0, -1, "x" as unknown as number])(
  "a command time-out of %s is refused",
  async (commandTimeoutMs) => {
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.start();
    await expect(RootComplex.probe(bus, { commandTimeoutMs })).rejects.toEqual(
      code("INVALID_ARGUMENT"),
    );
  },
);

test("STOP drains a file's queue behind more malformed descriptors than one batch holds", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("nvme0", await FileDisc.open(makeImage(pattern(65536))));
  await endpoint.start();
  const driver = new RawDriver(bus);
  const queue = driver.openQueue({ numDescriptors: 512 });
  expect(await driver.command(0x80 | 0x800 | 0x40, queue.arguments)).toBe(1);
  for (let index = 0; index < 300; index++) queue.fill(index, queue.read({ lenBytes: 1 }));
  queue.fill(300, queue.read());
  queue.push(...Array.from({ length: 301 }, (_, index) => index));
  expect(await driver.command(0x100 | 0x400)).toBe(1);
  expect(queue.deviceIdx).toBe(301);
  expect(queue.descriptor(300).status).toBe(0);
});

test("an endpoint whose root complex died without closing is taken over, and else refused", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("a", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const dead = await RootComplex.probe(bus);
  await (await dead.attach("a", { numDescriptors: 16 })).write(pattern(512), 0);
  // As far as the bus knows, a root complex that is never heard of again is dead.
  await expect(RootComplex.probe(bus)).rejects.toEqual(code("STATE"));
  const rc = await RootComplex.probe(openBus(bus.handle), { takeOver: true });
  const disk = await rc.attach("a");
  const back = new Uint8Array(512);
  await disk.read(back, 0);
  expect(Buffer.from(back).equals(pattern(512))).toBe(true);
  await rc.close();
  // The place is free again.
  await (await RootComplex.probe(bus)).close();
});

test("an endpoint without the extension block is there whatever is in the block's place", async () => {
  const bus = await createBus({ hostMemoryBytes: 1024 * 1024 });
  const discs = [{ name: "/dev/raw", data: new Uint8Array(512).fill(7) }];
  const device = new RawDevice(bus, discs, { extension: false });
  device.start();
  afterThisTest(() => device.stop());
  // What the reference endpoint has behind its names may be anything.
  for (const register of ["extMagic", "generation", "heartbeat"] as const) {
    device.write(register, 0x78656271);
  }
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("raw");
  // Looks whether the endpoint lives.
  await disk.whenOnline();
  const target = new Uint8Array(512);
  await disk.read(target, 0);
  expect(target[0]).toBe(7);
  await rc.close();
});

test("a queue whose worker cannot be made is told of, and holds nothing of the bus", async () => {
  let isAllowed = false;
  const queueWorker = (options: object): Worker => {
    if (!isAllowed) throw new Error("no threads here");
    return new Worker(new URL("../../dist/queue-worker.js", import.meta.url), options);
  };
  const { bus, endpoint, stopped } = await makeEndpoint({ engine: "typescript" }, { queueWorker });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  // As many threads as there may be, but for one.
  const threads: Bus[] = [];
  expect(() => {
    for (;;) threads.push(openBus(bus.handle));
  }).toThrow("close it in some of them");
  threads.pop()?.close();
  for (let attempt = 0; attempt < 3; attempt++) {
    await expect(rc.attach("ram0")).rejects.toEqual(code("COMMAND"));
  }
  const reason = "its worker cannot be started: Error: no threads here";
  expect(stopped).toEqual(Array(3).fill({ discName: "/dev/ram0", queue: 0, reason }));
  isAllowed = true;
  const disk = await rc.attach("ram0");
  await disk.write(pattern(512), 0);
  await rc.close();
});
