// A hostile root complex against a live endpoint: what section 4 of the protocol names,
// each with the status or the stopped queue that it gets, and not a byte elsewhere.
//
// Where each fault of that section is driven:
//    1  a failed read is an error            api/remote-disk, "cut behind the endpoint's back"
//    2  write to a read-only disc            here, and api/misuse (refused before it is submitted)
//    3  no exception out of a service loop   here, "stops the queue", and hostile-device
//    4  double fetch                         here, "copies a descriptor once"
//    5  bounds of everything                 here, peers/refusals, and crates/core (2^32 − 1, 2^64 − 1)
//    6  a full ring reads as empty           api/remote-disk, "queue of sixteen", and engine/conformance
//    7  descriptor space is given back       api/remote-disk and peers/foreign-endpoint
//    8  the first queue is at 0              peers/foreign-endpoint
//    9  dev_idx counts in the list           api/remote-disk, "keep their identity", and peers
//   10  a request that is not answered       peers/foreign-endpoint, "never completes"
//   11  STOP drains                          peers/foreign-root-complex, and here, "never stops submitting"

import { Worker } from "node:worker_threads";
import {
  type Bus,
  type Endpoint,
  FileDisc,
  MemoryDisc,
  type QueueStopped,
  RootComplex,
} from "blockpt";
import { BlkStatus, Command, DescriptorFlag, REGISTERS_BYTES, Status } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";
import { Canary, HostileDriver } from "./hostile-driver.js";

const DISC_BYTES = 65536;
const SECTORS = BigInt(DISC_BYTES / 512);
const SUCCESS = Status.SUCCESS;
const REFUSED = Status.ERROR;
const NO_QUEUE = Status.ERROR | Status.QUEUE_ADDRESS_INVALID;

const rings = { engine: ["wasm", "typescript"], disc: ["memory", "file"] } as const;
const cases = rings.engine.flatMap((engine) => rings.disc.map((disc) => ({ engine, disc })));

interface Rig {
  bus: Bus;
  endpoint: Endpoint;
  driver: HostileDriver;
  stopped: QueueStopped[];
}

/** An endpoint with three discs: one to attack, one read-only, one that must not suffer. */
async function makeRig(
  engine: "wasm" | "typescript",
  disc: "memory" | "file",
  iommu = false,
): Promise<Rig> {
  const { bus, endpoint, stopped } = await makeEndpoint({
    engine,
    iommu,
    hostMemoryBytes: 65536,
    endpointMemoryBytes: 4 * 65536,
    barBytes: 16384,
  });
  const attacked = disc === "memory" ? MemoryDisc.create(bus, DISC_BYTES) : await imageDisc();
  await endpoint.exportDisc("attacked", attacked, { queues: 2 });
  await endpoint.exportDisc("read-only", MemoryDisc.create(bus, DISC_BYTES), { readOnly: true });
  await endpoint.exportDisc("bystander", MemoryDisc.create(bus, DISC_BYTES));
  const memory = new Uint8Array(
    bus.buffer,
    bus.hostMemory.offset,
    bus.hostMemory.length + 4 * 65536,
  );
  memory.set(pattern(memory.length));
  await endpoint.start();
  return { bus, endpoint, driver: new HostileDriver(bus), stopped };
}

async function imageDisc(): Promise<FileDisc> {
  return FileDisc.open(makeImage(pattern(DISC_BYTES, 5)));
}

/** What any request may change: the registers, its queue, and the MSI-X pending bits. */
function ownBytes(driver: HostileDriver) {
  const { offset, length } = driver.bus.bar;
  return [
    { offset, length: REGISTERS_BYTES + driver.layout.bytes },
    { offset: offset + length - 8, length: 8 },
  ];
}

describe.each(cases)("the $engine engine with a $disc disc", ({ engine, disc }) => {
  test("answers every malformed descriptor, and goes on", async () => {
    const { bus, driver, stopped } = await makeRig(engine, disc);
    expect(await driver.start()).toBe(SUCCESS);
    const host = BigInt(bus.hostMemory.offset);
    const hostEnd = host + BigInt(bus.hostMemory.length);
    const canary = new Canary(bus);
    const attacks = [
      [{ flags: 0 }, BlkStatus.INVAL],
      [{ flags: 0xff & ~DescriptorFlag.IN_USE }, BlkStatus.INVAL],
      [{ lenBytes: 0 }, BlkStatus.INVAL],
      [{ lenBytes: 1 }, BlkStatus.INVAL],
      [{ lenBytes: 513 }, BlkStatus.INVAL],
      [{ lenBytes: 1024 * 1024 + 512 }, BlkStatus.INVAL],
      [{ lenBytes: 2 ** 32 - 512 }, BlkStatus.INVAL],
      [{ lenBytes: 2 ** 32 - 1 }, BlkStatus.INVAL],
      [{ opf: 2 }, BlkStatus.NOTSUPP],
      [{ opf: 255 }, BlkStatus.NOTSUPP],
      [{ startSector: SECTORS }, BlkStatus.INVAL],
      [{ startSector: SECTORS - 1n, lenBytes: 1024 }, BlkStatus.INVAL],
      [{ startSector: 2n ** 32n - 1n }, BlkStatus.INVAL],
      [{ startSector: 2n ** 55n }, BlkStatus.INVAL],
      [{ startSector: 2n ** 64n - 1n }, BlkStatus.INVAL],
      [{ address: host - 1n }, BlkStatus.INVAL],
      [{ address: hostEnd }, BlkStatus.INVAL],
      [{ address: hostEnd - 511n }, BlkStatus.INVAL],
      [{ address: 0n }, BlkStatus.INVAL],
      [{ address: BigInt(bus.bar.offset) }, BlkStatus.INVAL],
      [{ address: BigInt(bus.endpointMemory.offset) }, BlkStatus.INVAL],
      [{ address: 2n ** 32n + host }, BlkStatus.INVAL],
      [{ address: 2n ** 64n - 1n }, BlkStatus.INVAL],
      [{ address: 2n ** 64n - 512n }, BlkStatus.INVAL],
    ] as const;
    for (const [change, status] of attacks) {
      for (const opf of "opf" in change ? [change.opf] : [0, 1]) {
        const what = JSON.stringify(change, (_, value) =>
          typeof value === "bigint" ? `${value}` : value,
        );
        expect(await driver.submit(3, driver.read({ opf, ...change })), `${what}, opf ${opf}`).toBe(
          status,
        );
      }
    }
    expect(canary.changed(...ownBytes(driver))).toEqual([]);
    const last = { startSector: SECTORS - 1n, address: hostEnd - 512n };
    expect(await driver.submit(3, driver.read(last))).toBe(BlkStatus.OK);
    expect(
      canary.changed(...ownBytes(driver), { offset: Number(hostEnd) - 512, length: 512 }),
    ).toEqual([]);
    expect(stopped).toEqual([]);
  });

  test.each([
    ["a driver ring's idx out of range", (driver: HostileDriver) => driver.publish(16)],
    ["a driver ring's idx far out of range", (driver: HostileDriver) => driver.publish(0xffff)],
    ["a descriptor's index out of range", (driver: HostileDriver) => driver.push(16)],
    ["a descriptor's index far out of range", (driver: HostileDriver) => driver.push(0xffff)],
  ])("stops the queue at %s, and no other", async (_, attack) => {
    const { bus, driver, stopped } = await makeRig(engine, disc);
    expect(await driver.start()).toBe(SUCCESS);
    expect(await driver.submit(0, driver.read())).toBe(BlkStatus.OK);
    const canary = new Canary(bus);
    attack(driver);
    await until("the queue is reported as stopped", () => stopped.length > 0);
    expect(stopped).toMatchObject([{ discName: "/dev/attacked", queue: 0 }]);
    expect(canary.changed(...ownBytes(driver))).toEqual([]);
    const rc = await RootComplex.probe(bus);
    // The stopped queue is still the driver's; the bystander gets another part of the BAR.
    expect(await driver.command(Command.STOP, { devIdx: 0 })).toBe(SUCCESS);
    const bystander = await rc.attach("bystander", { numDescriptors: 64 });
    await bystander.read(new Uint8Array(4096), 0);
    await rc.close();
    expect(await driver.start()).toBe(SUCCESS);
    expect(await driver.submit(0, driver.read())).toBe(BlkStatus.OK);
  });

  test("survives the same descriptor many times over, and more than a queue full at once", async () => {
    const { bus, driver, stopped } = await makeRig(engine, disc);
    expect(await driver.start()).toBe(SUCCESS);
    const canary = new Canary(bus);
    driver.fill(0, driver.read());
    driver.push(...new Array(15).fill(0));
    await until("an end", () => stopped.length > 0 || driver.deviceIdx === 15);
    expect(
      canary.changed(...ownBytes(driver), { offset: bus.hostMemory.offset, length: 512 }),
    ).toEqual([]);
    // A memory disc has finished with the descriptor each time; a file's is still in service.
    expect(stopped.map((report) => report.reason)).toEqual(
      disc === "memory" ? [] : ["the driver ring holds a descriptor that is still in service"],
    );
  });

  test("copies a descriptor once: fields that change after the check change nothing", async () => {
    const { bus, driver, stopped } = await makeRig(engine, disc);
    expect(await driver.start()).toBe(SUCCESS);
    // Another thread flips the address and the sector of descriptor 0 between good and bad.
    const flipper = new Worker(
      `const { workerData: { buffer, at, good, bad, stop } } = require("node:worker_threads");
       const words = new Uint32Array(buffer);
       while (Atomics.load(stop, 0) === 0) {
         for (let spin = 0; spin < 64; spin++) {
           words[at / 4 + 2] = bad; words[at / 4] = 1e9;
           words[at / 4 + 2] = good; words[at / 4] = 0;
         }
       }`,
      {
        eval: true,
        workerData: {
          buffer: bus.buffer,
          at: bus.bar.offset + REGISTERS_BYTES,
          good: bus.hostMemory.offset,
          bad: bus.endpointMemory.offset + 3 * 65536,
          stop: new Int32Array(new SharedArrayBuffer(4)),
        },
      },
    );
    afterThisTest(async () => {
      await flipper.terminate();
    });
    const canary = new Canary(bus);
    const seen = new Set<number>();
    driver.fill(0, driver.read());
    for (let round = 0; round < 3000; round++) {
      const before = driver.deviceIdx;
      driver.push(0);
      await until("an answer", () => driver.deviceIdx !== before);
      seen.add(driver.status(0));
    }
    await flipper.terminate();
    for (const status of seen) expect([BlkStatus.OK, BlkStatus.INVAL]).toContain(status);
    expect(
      canary.changed(...ownBytes(driver), { offset: bus.hostMemory.offset, length: 512 }),
    ).toEqual([]);
    expect(stopped).toEqual([]);
  });

  test("refuses every queue that cannot be, and unknown commands, discs, queues and vectors", async () => {
    const { bus, endpoint, driver } = await makeRig(engine, disc);
    const available = driver.bar.getUint32(0x30, true);
    await driver.command(Command.GET_DEVICES);
    const canary = new Canary(bus);
    const queues = [
      { numDesc: 0 },
      { numDesc: 15 },
      { numDesc: 65536 },
      { numDesc: 2 ** 32 - 1 },
      { numDesc: 65535 },
      { queueOffset: available },
      { queueOffset: available - 8 },
      { queueOffset: 2 ** 32 - 8 },
      { queueOffset: 4 },
      { qsize: 0 },
      { qsize: driver.layout.bytes - 8 },
      { qsize: available + 8 },
      { qsize: 2 ** 32 - 1 },
      { drvOffset: 0 },
      { drvOffset: 383 },
      { drvOffset: 385 },
      { drvOffset: 2 ** 32 - 2 },
      { drvOffset: driver.layout.bytes },
      { devOffset: 0 },
      { devOffset: driver.layout.driverOffset },
      { devOffset: 2 ** 32 - 1 },
      { devOffset: 2 ** 32 - 2 },
    ];
    for (const change of queues) {
      const status = await driver.command(Command.SET_QUEUE, driver.queue(change));
      expect(status, JSON.stringify(change)).toBe(NO_QUEUE);
    }
    for (const [command, args] of [
      [Command.SET_QUEUE, { qidx: 2 }],
      [Command.SET_QUEUE, { devIdx: 3 }],
      [Command.SET_QUEUE, { devIdx: 255 }],
      [Command.SET_IRQ, { irq: 0 }],
      [Command.SET_IRQ, { irq: 33 }],
      [Command.SET_IRQ, { irq: 2 ** 32 - 1 }],
      [Command.SET_IRQ, { qidx: 255 }],
      [Command.START, {}],
      [Command.STOP, {}],
      [Command.NUM_SECTORS, { devIdx: 3 }],
      [1, {}],
      [2 ** 31, {}],
      [Command.GET_DEVICES | 1, {}],
    ] as const) {
      const status = await driver.command(command, { ...driver.queue(), ...args });
      expect(status, `${command} ${JSON.stringify(args)}`).toBe(REFUSED);
    }
    expect(canary.changed(...ownBytes(driver))).toEqual([]);
    // Queues may not share a byte, whoever's they are.
    expect(await driver.command(Command.SET_QUEUE, driver.queue())).toBe(SUCCESS);
    const overlapping = driver.queue({ qidx: 1, queueOffset: driver.layout.bytes - 8 });
    expect(await driver.command(Command.SET_QUEUE, overlapping)).toBe(NO_QUEUE);
    expect(await driver.command(Command.SET_QUEUE, { ...overlapping, devIdx: 2, qidx: 0 })).toBe(
      NO_QUEUE,
    );
    expect(
      await driver.command(
        Command.SET_QUEUE,
        driver.queue({ qidx: 1, queueOffset: driver.layout.bytes }),
      ),
    ).toBe(SUCCESS);
    expect(await driver.command(Command.START, { qidx: 0 })).toBe(SUCCESS);
    expect(await driver.command(Command.START)).toBe(REFUSED);
    expect(await driver.command(Command.SET_QUEUE, driver.queue())).toBe(REFUSED);
    expect(await driver.submit(0, driver.read())).toBe(BlkStatus.OK);
    expect(await driver.command(Command.STOP)).toBe(SUCCESS);
    expect(await driver.command(Command.STOP)).toBe(REFUSED);
    expect(endpoint.started).toBe(true);
  });

  test("keeps serving where it was put when registers are rewritten after START", async () => {
    const { bus, driver } = await makeRig(engine, disc);
    expect(await driver.start()).toBe(SUCCESS);
    new Uint8Array(bus.buffer, bus.bar.offset, 0x40).fill(0xa5, 0x0c);
    expect(await driver.submit(0, driver.read())).toBe(BlkStatus.OK);
  });

  test("drops interrupts whose entry points elsewhere than into host memory", async () => {
    const { bus, driver, stopped } = await makeRig(engine, disc);
    const table = REGISTERS_BYTES + driver.bar.getUint32(0x30, true);
    expect(await driver.start()).toBe(SUCCESS);
    for (const [low, high] of [
      [0, 0],
      [bus.bar.offset, 0],
      [bus.endpointMemory.offset, 0],
      [bus.hostMemory.offset + 1024, 1],
      [bus.hostMemory.offset + 1025, 0],
      [2 ** 32 - 4, 2 ** 32 - 1],
    ] as const) {
      driver.bar.setUint32(table, low, true);
      driver.bar.setUint32(table + 4, high, true);
      driver.bar.setUint32(table + 8, 0xdeadbeef, true);
      driver.bar.setUint32(table + 12, 0, true);
      const canary = new Canary(bus);
      expect(await driver.submit(0, driver.read())).toBe(BlkStatus.OK);
      const queue = { offset: bus.bar.offset + REGISTERS_BYTES, length: driver.layout.bytes };
      expect(canary.changed(queue, { offset: bus.hostMemory.offset, length: 512 })).toEqual([]);
    }
    expect(stopped).toEqual([]);
  });

  test("reaches only what is mapped when there is an IOMMU", async () => {
    const { bus, driver } = await makeRig(engine, disc, true);
    expect(await driver.start()).toBe(SUCCESS);
    const canary = new Canary(bus);
    const page = bus.hostMemory.offset + 8192;
    bus.iommu?.map(page, 4096);
    const at = (address: number) =>
      driver.submit(0, driver.read({ address: BigInt(address), lenBytes: 1024 }));
    expect(await at(page - 1024)).toBe(BlkStatus.INVAL);
    expect(await at(page - 512)).toBe(BlkStatus.INVAL);
    expect(await at(page + 4096 - 512)).toBe(BlkStatus.INVAL);
    expect(await at(page + 4096)).toBe(BlkStatus.INVAL);
    expect(canary.changed(...ownBytes(driver))).toEqual([]);
    expect(await at(page + 4096 - 1024)).toBe(BlkStatus.OK);
    bus.iommu?.unmap(page, 4096);
    expect(await at(page)).toBe(BlkStatus.INVAL);
  });
});

test("a write to a read-only disc is answered with PROTECTION, and the disc stays as it is", async () => {
  const { bus, driver } = await makeRig("wasm", "memory");
  expect(await driver.start({ devIdx: 1 })).toBe(SUCCESS);
  const canary = new Canary(bus);
  expect(await driver.submit(0, driver.read({ opf: 1 }))).toBe(BlkStatus.PROTECTION);
  expect(canary.changed(...ownBytes(driver))).toEqual([]);
  expect(await driver.submit(0, driver.read())).toBe(BlkStatus.OK);
});

test("a driver that never stops submitting does not hold up STOP", async () => {
  const { driver } = await makeRig("wasm", "memory");
  expect(await driver.start()).toBe(SUCCESS);
  for (let index = 0; index < 16; index++) driver.fill(index, driver.read());
  const pusher = setInterval(() => driver.push(0, 1, 2, 3, 4, 5, 6, 7), 0);
  afterThisTest(() => clearInterval(pusher));
  expect(await driver.command(Command.STOP, { devIdx: 0 })).toBe(SUCCESS);
});
