// What an endpoint tells of itself: registers, vectors, discs, queues, what is in flight, and what was done.

import { truncateSync } from "node:fs";
import {
  type Endpoint,
  FileDisc,
  MemoryDisc,
  type QueueReport,
  type QueueStatistics,
  type RingsReport,
  RootComplex,
} from "blockpt";
import {
  Command,
  DescriptorFlag,
  EXT_MAGIC,
  MAGIC,
  MAX_LEN_BYTES,
  Operation,
  queueLayout,
  REGISTERS_BYTES,
  Register,
  RING_GONE,
  readRegisters,
  Status,
} from "blockpt/abi";
import { RawDriver } from "blockpt/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeEndpoint, makeImage, pattern, until } from "./rig.js";

const MIB = 1024 * 1024;
const NOTHING: QueueStatistics = {
  reads: 0,
  writes: 0,
  flushes: 0,
  discards: 0,
  bytesRead: 0,
  bytesWritten: 0,
  errors: 0,
  interrupts: 0,
};
const ENGINES = ["wasm", "typescript"] as const;
/** SET_QUEUE, and nobody serves it: what is on the rings stays there. */
const SET_QUEUE = Command.GET_DEVICES | Command.SET_IRQ | Command.SET_QUEUE;

function queueOf(endpoint: Endpoint, name = "ram0", index = 0): QueueReport {
  const queue = endpoint.inspect().discs.find((disc) => disc.name === name)?.queues[index];
  if (queue === undefined) throw new Error(`${name} has no queue ${index}`);
  return queue;
}

function ringsOf(endpoint: Endpoint): RingsReport {
  const { rings } = queueOf(endpoint);
  if (rings === undefined) throw new Error("the queue is not placed");
  return rings;
}

/** An endpoint with a queue that is set and not served, and who drives it. */
async function makeStandingQueue(numDescriptors = 16) {
  const { bus, endpoint } = await makeEndpoint({ barBytes: 16384 });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB));
  await endpoint.start();
  const raw = new RawDriver(bus);
  const driver = raw.openQueue({ numDescriptors });
  const status = await raw.command(SET_QUEUE, { ...driver.arguments, irq: 3 });
  expect(status).toBe(Status.SUCCESS);
  const rings = new Uint16Array(bus.buffer, bus.bar.offset + REGISTERS_BYTES);
  const answer = (deviceIdx: number, ...indices: number[]): void => {
    const at = driver.layout.deviceOffset / 2;
    const from = deviceIdx - indices.length + numDescriptors;
    for (const [count, index] of indices.entries()) {
      rings[at + 1 + ((from + count) % numDescriptors)] = index;
    }
    rings[at] = deviceIdx;
  };
  return { bus, endpoint, driver, answer };
}

describe.each(ENGINES)("with the %s engine", (engine) => {
  test.each(["memory", "file"] as const)("what was done on a %s disc is counted", async (kind) => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    const image = makeImage(pattern(MIB));
    const open = async () =>
      kind === "memory" ? MemoryDisc.create(bus, MIB) : await FileDisc.open(image);
    await endpoint.exportDisc("a", await open());
    await endpoint.start();
    expect(queueOf(endpoint, "a").statistics).toEqual(NOTHING);
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("a", { numDescriptors: 16 });
    for (let write = 0; write < 3; write++) await disk.write(new Uint8Array(4096), write * 8192);
    for (let read = 0; read < 5; read++) await disk.read(new Uint8Array(512), read * 8192);
    await disk.flush();
    await disk.writeZeroes(0, 8192);
    await disk.writeZeroes(8192, 512);
    await rc.detach("a");
    const done = {
      reads: 5,
      writes: 3,
      flushes: 1,
      discards: 2,
      bytesRead: 5 * 512,
      bytesWritten: 3 * 4096,
      errors: 0,
    };
    const { interrupts, ...first } = queueOf(endpoint, "a").statistics;
    expect(first).toEqual(done);
    expect(interrupts).toBeGreaterThanOrEqual(1);
    // One for a round, and each of these requests was alone.
    expect(interrupts).toBeLessThanOrEqual(11);

    // Another attachment has another worker, and goes on counting.
    const again = await rc.attach("a", { numDescriptors: 16 });
    await again.read(new Uint8Array(512), 0);
    await until("the worker says so", () => queueOf(endpoint, "a").statistics.reads === 6);
    if (kind === "file") {
      truncateSync(image, MIB / 2);
      const cut = await again.read(new Uint8Array(4096), MIB / 2).catch((error) => error);
      expect(cut).toMatchObject({ code: "ERR_BLOCKPT_IO" });
    }
    await rc.close();
    const all = queueOf(endpoint, "a").statistics;
    const errors = kind === "file" ? 1 : 0;
    expect(all).toMatchObject({ ...done, reads: 6, bytesRead: 6 * 512, errors });
    expect(all.interrupts).toBeGreaterThan(interrupts);

    await endpoint.unexportDisc("a");
    await endpoint.exportDisc("a", await open());
    expect(queueOf(endpoint, "a").statistics).toEqual(NOTHING);
  });

  test("malformed requests are errors, and a vector that is set is raised once a round", async () => {
    const { bus, endpoint } = await makeEndpoint({ engine });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB));
    await endpoint.start();
    const driver = new RawDriver(bus);
    const queue = driver.openQueue();
    await driver.command(Command.SET_IRQ | SET_QUEUE | Command.START, queue.arguments);
    await queue.submit(0, queue.read({ lenBytes: 100 }));
    await queue.submit(1, queue.read({ flags: 0 }));
    await queue.submit(2, queue.read({ lenBytes: 1024 }));
    await driver.command(Command.STOP);
    const expected = { ...NOTHING, reads: 1, bytesRead: 1024, errors: 2, interrupts: 3 };
    expect(queueOf(endpoint).statistics).toEqual(expected);
    await endpoint.stop();
    expect(queueOf(endpoint).statistics).toEqual(expected);

    // Without a vector nothing is raised: the link was down, and forgot it.
    await endpoint.start();
    const bits = Command.GET_DEVICES | Command.SET_QUEUE | Command.START;
    const unheard = driver.openQueue();
    expect(await driver.command(bits, unheard.arguments)).toBe(Status.SUCCESS);
    await unheard.submit(0, unheard.read());
    // The round is over once it was counted: the vector takes effect at once.
    await until("the worker says so", () => queueOf(endpoint).statistics.reads === 2);
    await driver.command(Command.SET_IRQ, { irq: 1 });
    await unheard.submit(1, unheard.read());
    await until("the worker says so", () => queueOf(endpoint).statistics.reads === 3);
    expect(queueOf(endpoint).statistics.interrupts).toBe(4);
    // An endpoint that goes says so by the vectors of those that are attached.
    await endpoint.stop();
    expect(queueOf(endpoint).statistics.interrupts).toBe(5);
  });
});

test("an endpoint tells what it is and what it exports, before, while and after it is up", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, MIB, { logicalBlockBytes: 4096 }));
  const file = await FileDisc.open(makeImage(pattern(65536)), { readOnly: true });
  await endpoint.exportDisc("image", file, { discName: "/dev/nvme0n1", queues: 3 });
  const before = endpoint.inspect();
  expect(before).toMatchObject({ started: false, generation: 0, msix: [] });
  expect(before.registers).toMatchObject({ magic: 0, extension: undefined });

  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  await rc.attach("nvme0n1", { numDescriptors: 64, queues: 2 });
  const report = endpoint.inspect();
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  const { started, controller, generation, registers, discs } = report;
  expect({ started, controller }).toEqual({ started: true, controller: "44100000.pcie" });
  expect(registers).toMatchObject({
    magic: MAGIC,
    queueBarOffset: REGISTERS_BYTES,
    numSectors: 128,
    devName: "/dev/ram0;/dev/nvme0n1;",
    extension: {
      extVersion: 1,
      generation,
      logicalBlockSize: 512,
      maxLen: MAX_LEN_BYTES,
    },
  });
  expect(generation).toBeGreaterThan(0);
  expect(registers.extension?.extEnabled).toBeGreaterThan(0);
  const free = { placed: undefined, rings: undefined, irq: 0, statistics: NOTHING };
  expect(discs[0]).toEqual({
    name: "ram0",
    discName: "/dev/ram0",
    kind: "memory",
    sectors: 2048,
    logicalBlockBytes: 4096,
    readOnly: false,
    mayHaveHoles: true,
    attached: false,
    features: ["doorbell", "flush", "discard", "write_zeroes", "fua"],
    faults: [],
    queues: [{ index: 0, ...free }],
  });
  const { queues, ...image } = discs[1] ?? { queues: [] };
  expect(image).toEqual({
    name: "image",
    discName: "/dev/nvme0n1",
    kind: "file",
    sectors: 128,
    logicalBlockBytes: 512,
    readOnly: true,
    mayHaveHoles: false,
    attached: true,
    features: ["doorbell", "flush", "write_zeroes", "fua", "resize"],
    faults: [],
  });
  const layout = queueLayout(64, { doorbell: true });
  expect(queues.map(({ placed }) => placed?.numDescriptors)).toEqual([64, 64, undefined]);
  expect(queues[0]?.placed).toMatchObject({
    drvOffset: layout.driverOffset,
    devOffset: layout.deviceOffset,
    doorbell: true,
  });
  expect(queues[0]?.placed?.offset).toBeGreaterThanOrEqual(REGISTERS_BYTES);
  expect(queues[2]).toEqual({ index: 2, ...free });
  expect(queues[0]?.irq).toBeGreaterThan(0);
  expect(queues[1]?.irq).not.toBe(queues[0]?.irq);
  expect(queues[0]?.rings).toEqual({
    driverIdx: 0,
    deviceIdx: 0,
    gone: false,
    inFlight: 0,
    descriptors: [],
    moreDescriptors: 0,
  });
  const facts = queues.map(({ index, irq, statistics }) => ({ index, irq, statistics }));
  expect(endpoint.exported("image")).toEqual({ ...image, queues: facts });
  expect(() => endpoint.exported("nvme0n1")).toThrow(
    expect.objectContaining({ code: "ERR_BLOCKPT_NO_SUCH_DISC" }),
  );

  await rc.close();
  expect(queueOf(endpoint, "image").placed).toBeUndefined();
  await endpoint.stop();
  expect(endpoint.inspect()).toMatchObject({ started: false, generation, msix: [] });
});

test("vectors that are programmed, unmasked or pending are told, counted from 1", async () => {
  const { bus, endpoint } = await makeEndpoint({}, { msixInterrupts: 40 });
  await endpoint.start();
  expect(endpoint.inspect().msix).toEqual([]);
  const address = bus.hostMemory.offset;
  bus.msix.program(0, address, 7);
  bus.msix.unmask(2);
  bus.msix.program(39, address + 4, -1);
  bus.msix.raise(39);
  bus.msix.raise(33);
  expect(endpoint.inspect().msix).toEqual([
    { vector: 1, address, data: 7, masked: true, pending: false },
    { vector: 3, address: 0, data: 0, masked: false, pending: false },
    { vector: 34, address: 0, data: 0, masked: true, pending: true },
    { vector: 40, address: address + 4, data: 0xffff_ffff, masked: true, pending: true },
  ]);
  const table = bus.configSpace.read()?.msix?.tableOffset ?? 0;
  bus.barView().setUint32(table + 4, 1, true);
  expect(endpoint.inspect().msix[0]?.address).toBe(2 ** 32 + address);
});

test("the extension block's registers are read by name, where the block is there", () => {
  const bytes = new DataView(new ArrayBuffer(REGISTERS_BYTES));
  expect(readRegisters(bytes).extension).toBeUndefined();
  bytes.setUint32(Register.extMagic, EXT_MAGIC, true);
  const names = [
    "extVersion",
    "extFeatures",
    "extEnabled",
    "commandBell",
    "commandSleeping",
    "generation",
    "heartbeat",
    "logicalBlockSize",
    "maxLen",
  ] as const;
  for (const [index, name] of names.entries()) {
    bytes.setUint32(Register[name], 0xffff_ff00 + index, true);
  }
  const expected = Object.fromEntries(names.map((name, index) => [name, 0xffff_ff00 + index]));
  expect(readRegisters(bytes).extension).toEqual(expected);
});

test("what was published and not answered is in flight", async () => {
  const { bus, endpoint, driver, answer } = await makeStandingQueue();
  expect(queueOf(endpoint)).toMatchObject({
    irq: 3,
    placed: { offset: REGISTERS_BYTES, numDescriptors: 16, doorbell: false },
    rings: { inFlight: 0, descriptors: [] },
  });
  const address = bus.hostMemory.offset + 4096;
  driver.fill(5, driver.read({ startSector: 9n, address: BigInt(address), lenBytes: 1024 }));
  driver.fill(
    2,
    driver.read({ opf: Operation.WRITE, flags: DescriptorFlag.IN_USE | DescriptorFlag.FUA }),
  );
  driver.fill(7, driver.read({ opf: 77, startSector: 2n ** 64n - 1n }));
  // Filled, but not published.
  driver.fill(1, driver.read());
  driver.push(5, 2, 7);
  const rings = ringsOf(endpoint);
  expect(rings).toMatchObject({ driverIdx: 3, deviceIdx: 0, gone: false, inFlight: 3 });
  expect(rings.descriptors.map(({ index, operation }) => [index, operation])).toEqual([
    [5, "read"],
    [2, "write"],
    [7, "unknown"],
  ]);
  expect(rings.descriptors[0]).toEqual({
    index: 5,
    operation: "read",
    opf: 0,
    startSector: 9,
    address,
    lenBytes: 1024,
    status: 0xff,
    flags: DescriptorFlag.IN_USE,
  });
  expect(rings.descriptors[2]).toMatchObject({ opf: 77, startSector: 2 ** 64 });
  driver.fill(1, driver.read({ flags: 0 }));

  // The last one is answered first: in use until the driver takes the answer, but not in flight.
  answer(1, 7);
  const indices = () => ringsOf(endpoint).descriptors.map(({ index }) => index);
  expect([ringsOf(endpoint).inFlight, indices()]).toEqual([2, [5, 2]]);
  driver.fill(7, driver.read({ flags: 0 }));
  expect(indices()).toEqual([5, 2]);
  answer(3, 2, 5);
  expect([ringsOf(endpoint).inFlight, indices()]).toEqual([0, []]);
});

test("an idx that is out of range tells nothing of what is in flight", async () => {
  const { endpoint, driver, answer } = await makeStandingQueue();
  driver.fill(0, driver.read());
  driver.push(0);
  const unknown = { inFlight: undefined, descriptors: [], moreDescriptors: 0 };
  for (const idx of [16, 0x7fff, 0xffff]) {
    driver.publish(idx);
    expect(ringsOf(endpoint)).toEqual({ driverIdx: idx, deviceIdx: 0, gone: false, ...unknown });
  }
  driver.publish(1);
  answer(16);
  expect(ringsOf(endpoint)).toEqual({ driverIdx: 1, deviceIdx: 16, gone: false, ...unknown });
  answer(RING_GONE);
  expect(ringsOf(endpoint)).toEqual({
    driverIdx: 1,
    deviceIdx: RING_GONE,
    gone: true,
    ...unknown,
  });
});

test("of more than 64 in flight the oldest are listed, and the others counted", async () => {
  const { bus, endpoint, driver } = await makeStandingQueue(200);
  const queue = bus.bar.offset + REGISTERS_BYTES;
  const geometry = {
    descriptors: queue,
    driverRing: queue + driver.layout.driverOffset,
    deviceRing: queue + driver.layout.deviceOffset,
    numDescriptors: 200,
  };
  const end = bus.engine.openDriverQueue(geometry);
  for (let sector = 0; sector < 150; sector++) {
    end.put(sector, bus.hostMemory.offset, 512, Operation.READ, 0, sector);
  }
  end.publish();
  const { inFlight, descriptors, moreDescriptors } = ringsOf(endpoint);
  expect([inFlight, descriptors.length, moreDescriptors]).toEqual([150, 64, 86]);
  const first = Array.from({ length: 64 }, (_, sector) => sector);
  expect(descriptors.map(({ startSector }) => startSector)).toEqual(first);
  end.close();
});

test("in flight is what is in flight, in whatever order a device answers and however late", async () => {
  const { endpoint, driver, answer } = await makeStandingQueue();
  /** An honest driver takes answers in order; picks and counts are fast-check's. */
  const step = fc.record({
    publish: fc.nat(8),
    answers: fc.array(fc.nat(14), { maxLength: 8 }),
    take: fc.nat(8),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let deviceIdx = 0;
      const free = Array.from({ length: 15 }, (_, index) => index);
      const waiting: number[] = [];
      const untaken: number[] = [];
      for (let index = 0; index < 16; index++) driver.fill(index, driver.read({ flags: 0 }));
      driver.driverPosition = 0;
      driver.publish(0);
      answer(0);
      for (const { publish, answers, take } of steps) {
        for (const index of free.splice(0, publish)) {
          driver.fill(index, driver.read());
          driver.push(index);
          waiting.push(index);
        }
        for (const pick of answers) {
          const [index] = waiting.splice(pick, 1);
          if (index === undefined) continue;
          deviceIdx = (deviceIdx + 1) % 16;
          answer(deviceIdx, index);
          untaken.push(index);
        }
        for (const index of untaken.splice(0, take)) {
          driver.fill(index, driver.read({ flags: 0 }));
          free.push(index);
        }
        const { inFlight, descriptors } = ringsOf(endpoint);
        expect(inFlight).toBe(waiting.length);
        const found = descriptors.map(({ index }) => index);
        expect(found.toSorted()).toEqual(waiting.toSorted());
      }
    }),
  );
});

test("nothing that is in the BAR makes it throw", async () => {
  const { bus, endpoint, driver } = await makeStandingQueue();
  const bar = new Uint8Array(bus.buffer, bus.bar.offset, bus.bar.length);
  const rings = new Uint16Array(bus.buffer, bus.bar.offset + REGISTERS_BYTES);
  let listed = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1 }),
      fc.constantFrom(0, 0xff, undefined),
      fc.option(fc.tuple(fc.nat(16), fc.nat(16))),
      (seed, byte, positions) => {
        // Patterns of one byte, too: a name without an end, an address of all ones.
        if (byte === undefined) bar.set(pattern(bar.length, seed));
        else bar.fill(byte);
        if (positions !== null) {
          rings[driver.layout.driverOffset / 2] = positions[0];
          rings[driver.layout.deviceOffset / 2] = positions[1];
        }
        const report = endpoint.inspect();
        expect(JSON.parse(JSON.stringify(report))).toEqual(report);
        listed += report.discs[0]?.queues[0]?.rings?.descriptors.length ?? 0;
      },
    ),
    { numRuns: 500 },
  );
  // Or it was never looked at.
  expect(listed).toBeGreaterThan(0);
  // The command handler shall not serve what is left.
  bar.fill(0);
});
