// PCI configuration space, read as code like lspci's reads it: by the offsets of the PCI specification.

import { createBus, Endpoint } from "blockpt";
import { REGISTERS_BYTES } from "blockpt/abi";
import { expect, test } from "vitest";
import { afterThisTest, makeEndpoint } from "../api/rig.js";

test("reads as all ones without a link, and as a function of class ff00 with one", async () => {
  const bus = await createBus();
  const { offset, length } = bus.configSpace.range;
  expect(length).toBe(4096);
  const bytes = Buffer.from(bus.buffer, offset, length);
  expect(bytes.every((byte) => byte === 0xff)).toBe(true);
  expect(bus.configSpace.read()).toBeUndefined();

  const endpoint = await Endpoint.create(bus, {
    controller: "44100000.pcie",
    vendorId: 0x0000,
    deviceId: 0xc402,
    msixInterrupts: 512,
    identity: { revisionId: 3, subsystemVendorId: 0x1af4, subsystemId: 0x0002 },
  });
  await endpoint.start();
  afterThisTest(() => (endpoint.started ? endpoint.close() : undefined));
  expect(bytes.readUInt16LE(0x00)).toBe(0x0000);
  expect(bytes.readUInt16LE(0x02)).toBe(0xc402);
  expect(bytes.readUInt16LE(0x04) & 0b110).toBe(0b110);
  expect(bytes.readUInt16LE(0x06) & 0x10).toBe(0x10);
  expect(bytes.readUInt8(0x08)).toBe(3);
  expect(bytes.readUInt16LE(0x0a)).toBe(0xff00);
  expect(bytes.readUInt8(0x0e) & 0x7f).toBe(0);
  expect(bytes.readUInt32LE(0x10)).toBe(bus.bar.offset);
  for (let bar = 1; bar < 6; bar++) expect(bytes.readUInt32LE(0x10 + bar * 4)).toBe(0);
  expect(bytes.readUInt16LE(0x2c)).toBe(0x1af4);
  expect(bytes.readUInt16LE(0x2e)).toBe(0x0002);

  // The capability list: MSI-X, and nothing after it.
  const capability = bytes.readUInt8(0x34);
  expect(bytes.readUInt8(capability)).toBe(0x11);
  expect(bytes.readUInt8(capability + 1)).toBe(0);
  expect(bytes.readUInt16LE(capability + 2)).toBe(0x8000 | 511);
  const available = 131072 - 1152 - 8192 - 64;
  expect(available).toBe(121664);
  expect(bus.barView().getUint32(0x30, true)).toBe(available);
  expect(bytes.readUInt32LE(capability + 4)).toBe(REGISTERS_BYTES + available);
  expect(bytes.readUInt32LE(capability + 8)).toBe(REGISTERS_BYTES + available + 8192);
  expect(bus.configSpace.read()).toMatchObject({
    deviceId: 0xc402,
    classCode: 0xff0000,
    bars: [bus.bar.offset],
    msix: { vectors: 512 },
  });

  // Nobody asked for the rest.
  expect(bytes.readUInt8(0x0c)).toBe(0);
  expect(bytes.readUInt8(0x3d)).toBe(0);
  expect(bus.configSpace.read()).toMatchObject({ cacheLineSize: 0, interruptPin: 0 });
  expect(bus.configSpace.read()?.msi).toBeUndefined();

  await endpoint.stop();
  expect(bytes.every((byte) => byte === 0xff)).toBe(true);
});

test.each([
  [1, 0],
  [2, 1],
  [3, 2],
  [16, 4],
  [17, 5],
  [32, 5],
])("shows MSI of %d messages as 2 to the %d, and not enabled", async (msiInterrupts, order) => {
  const { bus, endpoint } = await makeEndpoint({}, { msiInterrupts });
  expect(endpoint.msiInterrupts).toBe(msiInterrupts);
  await endpoint.start();
  const { offset, length } = bus.configSpace.range;
  const bytes = Buffer.from(bus.buffer, offset, length);
  const msix = bytes.readUInt8(0x34);
  const msi = bytes.readUInt8(msix + 1);
  expect(bytes.readUInt8(msix)).toBe(0x11);
  expect(msi).toBeGreaterThanOrEqual(msix + 12);
  expect([bytes.readUInt8(msi), bytes.readUInt8(msi + 1)]).toEqual([0x05, 0]);
  // Bit 7: its address has 64 bits. Bits 1 to 3: how many messages. Bit 0, enable, is clear.
  expect(bytes.readUInt16LE(msi + 2)).toBe(0x80 | (order << 1));
  expect(bytes.subarray(msi + 4, msi + 14).every((byte) => byte === 0)).toBe(true);
  expect(bus.configSpace.read()).toMatchObject({
    msi: { messages: 2 ** order },
    msix: { vectors: 32 },
  });
  expect(bus.configSpace.msixMaySend).toBe(true);
});

test("shows the cache line size and the interrupt pin of the identity", async () => {
  const identity = { cacheLineSize: 0xff, interruptPin: 4 };
  const { bus, endpoint } = await makeEndpoint({}, { identity });
  await endpoint.start();
  const { offset, length } = bus.configSpace.range;
  const bytes = Buffer.from(bus.buffer, offset, length);
  expect(bytes.readUInt32LE(0x0c)).toBe(0xff);
  expect(bytes.readUInt32LE(0x3c)).toBe(4 << 8);
  expect(bus.configSpace.read()).toMatchObject(identity);
});

test.each([
  { identity: { cacheLineSize: 0x100 } },
  { identity: { cacheLineSize: -1 } },
  { identity: { interruptPin: 5 } },
  { identity: { interruptPin: 0.5 } },
  { msiInterrupts: 33 },
  { msiInterrupts: -1 },
])("refuses %j", async (options) => {
  await expect(makeEndpoint({}, options)).rejects.toEqual(
    expect.objectContaining({ code: "ERR_BLOCKPT_INVALID_ARGUMENT" }),
  );
});
