// PCI configuration space, read as code like lspci's reads it: by the offsets of the PCI specification.

import { createBus, Endpoint } from "blockpt";
import { REGISTERS_BYTES } from "blockpt/abi";
import { expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";

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

  await endpoint.stop();
  expect(bytes.every((byte) => byte === 0xff)).toBe(true);
});
