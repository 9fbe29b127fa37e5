// The hostile device: it finds out a root complex that is wrong, plays the same again from a seed, and what our root
// complex calls each lie.

import { createBus, RootComplex } from "blockpt";
import { type AttackedRootComplex, deviceAttacks, HostileDevice, RawDevice } from "blockpt/testing";
import { describe, expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";

const MIB = 1024 * 1024;

function named(name: string) {
  const attack = deviceAttacks.find((each) => each.name === name);
  if (attack === undefined) throw new Error(`no attack is called ${name}`);
  return attack;
}

/** A device that attacks our root complex, or one that is made worse. */
async function makeDevice(
  engine: "wasm" | "typescript" = "wasm",
  worsen: (rc: RootComplex) => AttackedRootComplex = (rc) => rc,
): Promise<HostileDevice> {
  const bus = await createBus({ engine, hostMemoryBytes: MIB });
  const probe = async () => worsen(await RootComplex.probe(bus));
  const device = new HostileDevice(bus, probe, { seed: 5, answerTimeoutMs: 5000, rounds: 1 });
  afterThisTest(() => device.close());
  return device;
}

test("every attack has a name of its own, a section and something that is due", () => {
  expect(new Set(deviceAttacks.map(({ name }) => name)).size).toBe(deviceAttacks.length);
  for (const { section, due } of deviceAttacks) {
    expect(section).toMatch(/^[235]$/);
    expect(due.length).toBeGreaterThan(0);
  }
});

describe.each(["wasm", "typescript"] as const)("the %s engine", (engine) => {
  test.each([
    ["the device ring's idx is num_desc", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["the device ring's idx is 0xfffe", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["the device ring's idx is ahead of what is outstanding", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["a descriptor is completed that is not there", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["descriptor 0xffff is completed", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["a descriptor is completed that is free", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["a descriptor is completed twice", "failed (ERR_BLOCKPT_PROTOCOL) and served"],
    ["a descriptor is completed that is no longer in use", "failed (ERR_BLOCKPT_PROTOCOL)"],
    ["a request is answered with status 200, unknown", "failed (ERR_BLOCKPT_IO)"],
  ])("calls it what it is when %s", async (name, outcome) => {
    const device = await makeDevice(engine);
    expect(await named(name).run(device)).toMatchObject({ passed: true, got: [outcome] });
  });
});

test.each([
  ["descriptor space begins in the registers", "ERR_BLOCKPT_PROTOCOL"],
  ["descriptor space has no room for a queue", "ERR_BLOCKPT_NO_SPACE"],
  ["num_sectors is 2^64 − 1", "ERR_BLOCKPT_PROTOCOL"],
  ["logical_block_size is 513", "ERR_BLOCKPT_PROTOCOL"],
  ["START is answered with an error", "ERR_BLOCKPT_COMMAND"],
])("an endpoint is refused when %s", async (name, code) => {
  const device = await makeDevice();
  expect(await named(name).run(device)).toMatchObject({ passed: true, got: [`refused (${code})`] });
});

test("a status that nobody knows is told with the error", async () => {
  const bus = await createBus({ hostMemoryBytes: MIB });
  const device = new RawDevice(bus, [{ name: "/dev/a", data: new Uint8Array(512) }]);
  device.lies.decide = () => 200;
  device.start();
  afterThisTest(() => device.stop());
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("a");
  await expect(disk.read(new Uint8Array(512), 0)).rejects.toMatchObject({
    code: "ERR_BLOCKPT_IO",
    blkStatus: 200,
  });
  await rc.close();
});

describe("a root complex is found out", () => {
  const lie = named("a descriptor is completed that is free");

  /** Each disk's read is another. */
  const reading =
    (read: (target: Uint8Array, right: Promise<void>) => Promise<void>) =>
    (rc: RootComplex): AttackedRootComplex => ({
      close: () => rc.close(),
      async attach(name) {
        const disk = await rc.attach(name);
        return {
          read: (target, offset) => read(target, disk.read(target, offset)),
          write: (source, offset) => disk.write(source, offset),
        };
      },
    });

  test("that tells nobody of a failure", async () => {
    const worsen = reading((_, right) => right.catch(() => undefined));
    const result = await lie.run(await makeDevice("wasm", worsen));
    expect(result).toMatchObject({ passed: false, got: ["served other bytes"] });
  });

  test("that writes into the buffer of a request that failed", async () => {
    const worsen = reading((target, right) =>
      right.catch((error: unknown) => {
        target.fill(0);
        throw error;
      }),
    );
    const result = await lie.run(await makeDevice("wasm", worsen));
    expect(result).toMatchObject({ passed: false });
    expect(result.got[0]).toBe("failed, and wrote (ERR_BLOCKPT_PROTOCOL)");
  });

  test("that hangs", async () => {
    const worsen = reading((_, right) => right.catch(() => new Promise(() => undefined)));
    const result = await lie.run(await makeDevice("wasm", worsen));
    expect(result).toMatchObject({ passed: false, got: ["a read: hangs"] });
  });

  test("that does not come back", async () => {
    let attached = 0;
    const worsen = (rc: RootComplex): AttackedRootComplex => ({
      close: () => rc.close(),
      attach: (name) => (++attached > 2 ? Promise.reject(new Error("no more")) : rc.attach(name)),
    });
    const result = await lie.run(await makeDevice("wasm", worsen));
    expect(result.passed).toBe(false);
    expect(result.got[1]).toBe("afterwards: refused (Error: no more)");
  });
});

test("what is played is the same from the same seed", async () => {
  const play = async () => {
    const device = await makeDevice();
    const log = await device.play(8);
    await device.close();
    return log.map(({ attack, rewriting }) => ({ attack, rewriting }));
  };
  expect(await play()).toEqual(await play());
});
