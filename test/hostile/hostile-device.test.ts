// A hostile endpoint against our root complex: a device ring that lies, registers that make no sense.
// Every request is rejected with a documented error, and nothing is written into a buffer that is not the device's.

import { type Bus, createBus, Endpoint, MemoryDisc, type RemoteDisk, RootComplex } from "blockpt";
import { queueLayout, REGISTERS_BYTES, Register, readRegisters } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { afterThisTest, pattern } from "../api/rig.js";
import { ForeignEndpoint } from "../peers/foreign-endpoint.js";

const NUM_DESCRIPTORS = 16;
const code = (name: string, more: object = {}) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}`, ...more });

interface Rig {
  bus: Bus;
  device: ForeignEndpoint;
  rc: RootComplex;
  disk: RemoteDisk;
  /** Puts entries on the device ring, true or not, and publishes. */
  complete(...entries: number[]): void;
  /** Publishes any `idx`. */
  publish(idx: number): void;
}

/** A root complex attached to a device that answers no request by itself. */
async function makeRig(engine: "wasm" | "typescript"): Promise<Rig> {
  const bus = await createBus({ engine, hostMemoryBytes: 1024 * 1024 });
  const discs = [{ name: "/dev/bad", data: new Uint8Array(65536) }];
  const device = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs);
  device.decide = () => "hold";
  device.start();
  afterThisTest(() => device.stop());
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("bad", { numDescriptors: NUM_DESCRIPTORS });
  const { queueBarOffset, queueOffset, devOffset } = readRegisters(bus.barView());
  const ring = new Uint16Array(
    bus.buffer,
    bus.bar.offset + queueBarOffset + queueOffset + devOffset,
  );
  let idx = 0;
  return {
    bus,
    device,
    rc,
    disk,
    complete(...entries) {
      for (const entry of entries) {
        ring[1 + idx] = entry;
        idx = (idx + 1) % NUM_DESCRIPTORS;
      }
      Atomics.store(ring, 0, idx);
    },
    publish: (value) => void Atomics.store(ring, 0, value),
  };
}

describe.each(["wasm", "typescript"] as const)("the %s engine", (engine) => {
  test.each([
    ["publishes an idx out of range", (rig: Rig) => rig.publish(NUM_DESCRIPTORS)],
    ["publishes an idx far out of range", (rig: Rig) => rig.publish(0xfffe)],
    ["completes a descriptor that is not there", (rig: Rig) => rig.complete(NUM_DESCRIPTORS)],
    ["completes a descriptor far out of range", (rig: Rig) => rig.complete(0xffff)],
    ["completes a descriptor that is not outstanding", (rig: Rig) => rig.complete(9)],
    ["completes a descriptor twice", (rig: Rig) => rig.complete(0, 0)],
  ])("ends the queue, and only it, when the device %s", async (_, attack) => {
    const rig = await makeRig(engine);
    const buffers = [0, 1, 2].map((seed) => pattern(512, seed + 1));
    const reads = buffers.map((buffer) => rig.disk.read(buffer, 0));
    const settled = Promise.allSettled(reads);
    await Promise.resolve();
    attack(rig);
    const results = await settled;
    const rejected = results.filter((result) => result.status === "rejected");
    // Of the one that was completed before the lie, the completion counted.
    expect(rejected.length).toBeGreaterThanOrEqual(2);
    for (const { reason } of rejected) expect(reason).toEqual(code("PROTOCOL"));
    for (const [index, { status }] of results.entries()) {
      if (status === "rejected") expect(buffers[index]).toEqual(pattern(512, index + 1));
    }
    expect(rig.disk.inFlight).toBe(0);
    await expect(rig.disk.read(new Uint8Array(512), 0)).rejects.toEqual(code("PROTOCOL"));
    await rig.rc.detach("bad");
    const again = await rig.rc.attach("bad", { numDescriptors: NUM_DESCRIPTORS });
    rig.device.decide = () => undefined;
    await again.read(new Uint8Array(512), 0);
  });

  test("a status that nobody knows is an error, and never success", async () => {
    const rig = await makeRig(engine);
    rig.device.decide = () => 200;
    await expect(rig.disk.read(new Uint8Array(512), 0)).rejects.toEqual(
      code("IO", { blkStatus: 200 }),
    );
  });
});

describe("an endpoint is refused", () => {
  /** A bus with an honest endpoint, whose registers the test then spoils. */
  async function spoil(offset: number, value: bigint, bytes: 4 | 8 = 4): Promise<Bus> {
    const bus = await createBus();
    const endpoint = await Endpoint.create(bus, { controller: "x" });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
    await endpoint.start();
    afterThisTest(() => endpoint.close());
    if (bytes === 4) bus.barView().setUint32(offset, Number(value), true);
    else bus.barView().setBigUint64(offset, value, true);
    return bus;
  }

  test.each([
    ["descriptor space begins in the registers", Register.queueBarOffset, 8n],
    ["descriptor space begins behind the BAR", Register.queueBarOffset, 131080n],
    ["descriptor space begins at 2^32 − 1", Register.queueBarOffset, 2n ** 32n - 1n],
    ["descriptor space is not aligned", Register.queueBarOffset, BigInt(REGISTERS_BYTES + 4)],
    ["descriptor space ends behind the BAR", Register.availableQsize, 131072n],
    ["descriptor space has 2^32 − 8 bytes", Register.availableQsize, 2n ** 32n - 8n],
  ])("when %s", async (_, offset, value) => {
    const bus = await spoil(offset, value);
    await expect(RootComplex.probe(bus)).rejects.toEqual(code("PROTOCOL"));
  });

  test("when its descriptor space has no room for one queue, at attach", async () => {
    const bus = await spoil(Register.availableQsize, 64n);
    const rc = await RootComplex.probe(bus);
    await expect(rc.attach("ram0", { numDescriptors: 16 })).rejects.toEqual(code("NO_SPACE"));
    expect(queueLayout(16).bytes).toBeGreaterThan(64);
  });

  test.each([0n, 2n ** 44n, 2n ** 64n - 1n])("when a disc claims %d sectors", async (sectors) => {
    const bus = await createBus();
    const discs = [{ name: "/dev/bad", data: new Uint8Array(512) }];
    const device = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs);
    device.start();
    afterThisTest(() => device.stop());
    const rc = await RootComplex.probe(bus);
    // Claimed over and over: the foreign endpoint writes the truth when it answers.
    const liar = setInterval(
      () => bus.barView().setBigUint64(Register.numSectors, sectors, true),
      0,
    );
    Object.defineProperty(discs[0]?.data, "length", { value: Number(sectors) * 512 });
    afterThisTest(() => clearInterval(liar));
    await expect(rc.attach("bad")).rejects.toEqual(code("PROTOCOL"));
  });
});
