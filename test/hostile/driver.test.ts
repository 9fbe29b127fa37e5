// The hostile driver: it finds out an endpoint that is wrong, plays the same again from a seed, and says what it lacks;
// and what our endpoint tells of a queue that a lie has stopped.

import { createBus, FileDisc, MemoryDisc } from "blockpt";
import { BlkStatus, Command, DescriptorFlag, Status } from "blockpt/abi";
import {
  attackEndpoint,
  driverAttacks,
  HostileDriver,
  RawDevice,
  RawDriver,
  type RawRequest,
} from "blockpt/testing";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";

const DISC_BYTES = 65536;
const SMALL = { hostMemoryBytes: 256 * 1024, barBytes: 16384, endpointMemoryBytes: 4 * DISC_BYTES };
const NOT_IN_USE = "the descriptor is not in use";

function named(name: string) {
  const attack = driverAttacks.find((each) => each.name === name);
  if (attack === undefined) throw new Error(`no attack is called ${name}`);
  return attack;
}

/** A driver, and a device of its own kind that it attacks: one that checks next to nothing. */
async function makeCareless() {
  const bus = await createBus(SMALL);
  const discs = ["/dev/a", "/dev/b"].map((name) => ({ name, data: new Uint8Array(DISC_BYTES) }));
  const device = new RawDevice(bus, discs);
  device.start();
  const driver = new HostileDriver(bus, { seed: 1, answerTimeoutMs: 2000, rounds: 2 });
  afterThisTest(async () => {
    await driver.close();
    device.stop();
  });
  return { bus, device, driver, bystander: discs[1]?.data ?? new Uint8Array() };
}

/** Answers what is not in use rightly, and does something else besides. */
const rightlyBut = (harm: () => void) => (request: RawRequest) => {
  if ((request.descriptor.flags & DescriptorFlag.IN_USE) !== 0) return undefined;
  harm();
  return BlkStatus.INVAL;
};

test("every attack has a name of its own, a section and something that is due", () => {
  expect(new Set(driverAttacks.map(({ name }) => name)).size).toBe(driverAttacks.length);
  for (const { section, due } of driverAttacks) {
    expect(section).toMatch(/^[235]$/);
    expect(due.length).toBeGreaterThan(0);
  }
});

describe("a device that checks nothing is found out", () => {
  test("when it serves a descriptor that is not in use", async () => {
    const { driver } = await makeCareless();
    const result = await named(NOT_IN_USE).run(driver);
    expect(result).toMatchObject({ passed: false, due: ["INVAL"], section: "3" });
    expect(result.got[0]).toBe("OK");
  });

  test("when it writes where nobody asked it to, though its answer is right", async () => {
    const { bus, device, driver } = await makeCareless();
    const host = new Uint8Array(bus.buffer, bus.hostMemory.offset);
    device.lies.decide = rightlyBut(() => {
      // The byte is by chance.
      host[5] = 1 + (host[5] ?? 0);
    });
    const result = await named("the descriptor has every flag but in use").run(driver);
    expect(result).toMatchObject({ passed: false });
    expect(result.got).toEqual(["INVAL", "wrote at 0x5 of host memory"]);
  });

  test("when another disc suffers", async () => {
    const { device, driver, bystander } = await makeCareless();
    device.lies.decide = rightlyBut(() => bystander.fill(1, 513, 514));
    const result = await named(NOT_IN_USE).run(driver);
    expect(result.got).toEqual(["INVAL", "/dev/b was changed at byte 513 of what is watched"]);
  });

  test("when it takes a queue that cannot be", async () => {
    const { driver } = await makeCareless();
    const result = await named("num_desc is 15").run(driver);
    expect(result).toMatchObject({ passed: false, due: ["ERROR, QUEUE_ADDRESS_INVALID"] });
    expect(result.got[0]).toContain("SUCCESS");
  });

  test("by chance, with a seed that has it again", async () => {
    const { driver } = await makeCareless();
    await expect(driver.play(200)).rejects.toThrow(/^seed 1, step \d+: /);
  });
});

test.each(["wasm", "typescript"] as const)(
  "what is played is the same from the same seed, on the %s engine",
  async (engine) => {
    const { bus, endpoint } = await makeEndpoint({ ...SMALL, engine });
    await endpoint.exportDisc("a", MemoryDisc.create(bus, DISC_BYTES), { queues: 2 });
    await endpoint.exportDisc("b", MemoryDisc.create(bus, DISC_BYTES));
    await endpoint.start();
    const play = async (seed?: number) => {
      const driver = new HostileDriver(bus, { seed, rounds: 2 });
      const log = await driver.play(30);
      await driver.close();
      return log.map(({ attack, rewriting, due }) => ({ attack, rewriting, due }));
    };
    expect(await play(20_241)).toEqual(await play(20_241));
    await play();
  },
);

test("what an endpoint has nothing for is skipped, and says why", async () => {
  const { bus, endpoint } = await makeEndpoint(SMALL);
  await endpoint.exportDisc("a", MemoryDisc.create(bus, DISC_BYTES));
  await endpoint.start();
  const driver = new HostileDriver(bus);
  for (const [name, skipped] of [
    ["a write is to a read-only disc", "no disc is read-only"],
    ["the queue is another queue's", "no other disc may be written"],
    ["addr is not mapped", "the bus has no IOMMU"],
    ["an interrupt's address is not mapped", "the bus has no IOMMU"],
  ] as const) {
    expect(await named(name).run(driver)).toMatchObject({ passed: undefined, got: [], skipped });
  }
  await driver.close();
});

test("a hostile driver refuses what it cannot attack", async () => {
  const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });
  const { bus, endpoint } = await makeEndpoint({ ...SMALL, hostMemoryBytes: 65536 });
  expect(() => new HostileDriver(bus)).toThrow(code("NO_ENDPOINT"));
  await endpoint.start();
  expect(() => new HostileDriver(bus)).toThrow(code("INVALID_ARGUMENT"));

  const { bus: roomy, endpoint: readOnly } = await makeEndpoint(SMALL);
  await readOnly.exportDisc("a", MemoryDisc.create(roomy, DISC_BYTES), { readOnly: true });
  await readOnly.start();
  await expect(attackEndpoint(roomy)).rejects.toEqual(code("NO_SUCH_DISC"));
});

describe.each([
  ["wasm", "memory"],
  ["wasm", "file"],
  ["typescript", "memory"],
  ["typescript", "file"],
] as const)("the %s engine with a %s disc", (engine, kind) => {
  test.each([
    ["idx", "the driver ring's idx is out of range"],
    ["entry", "the driver ring holds the index of no descriptor"],
  ])("tells which queue was stopped, and why, at an %s out of range", async (lie, reason) => {
    const { bus, endpoint, stopped } = await makeEndpoint({ ...SMALL, engine });
    const image = () => FileDisc.open(makeImage(pattern(DISC_BYTES)));
    const disc = kind === "memory" ? MemoryDisc.create(bus, DISC_BYTES) : await image();
    await endpoint.exportDisc("a", disc, { queues: 2 });
    await endpoint.start();
    const driver = new RawDriver(bus);
    const queue = driver.openQueue({ qidx: 1 });
    const status = await driver.command(Command.SET_QUEUE | Command.START, queue.arguments);
    expect(status).toBe(Status.SUCCESS);
    if (lie === "idx") queue.publish(16);
    else queue.push(0xffff);
    await until("the queue is reported as stopped", () => stopped.length > 0);
    expect(stopped).toEqual([{ discName: "/dev/a", queue: 1, reason }]);
    expect(endpoint.started).toBe(true);
  });
});

test("an endpoint is attacked that does not have section 5", async () => {
  const { bus, endpoint } = await makeEndpoint(SMALL);
  await endpoint.exportDisc("a", MemoryDisc.create(bus, DISC_BYTES));
  await endpoint.exportDisc("b", MemoryDisc.create(bus, DISC_BYTES));
  await endpoint.start();
  const driver = new HostileDriver(bus, { seed: 1 });
  // As far as the driver sees: nothing is enabled, and the endpoint serves as one that has none.
  driver.write("extMagic", 0);
  const lies = driverAttacks.filter(({ name }) => name.startsWith("the driver ring"));
  expect(lies.length).toBeGreaterThan(5);
  for (const attack of lies) {
    expect(await attack.run(driver)).toMatchObject({ attack: attack.name, passed: true });
  }
  await driver.close();
});
