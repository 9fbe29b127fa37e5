// MSI-X as PCI says: masks, pending bits, and interrupts as writes to host memory.

import { type Bus, createBus, Endpoint, openBus } from "blockpt";
import { beforeEach, describe, expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";

const VECTORS = 70;
const VECTOR = 65;

describe("a vector", () => {
  let bus: Bus;
  let word: Int32Array;

  beforeEach(async () => {
    bus = await createBus({ engine: "typescript" });
    const endpoint = await Endpoint.create(bus, { controller: "x", msixInterrupts: VECTORS });
    await endpoint.start();
    afterThisTest(() => endpoint.close());
    word = new Int32Array(bus.buffer, bus.hostMemory.offset + 64, 1);
    bus.msix.program(VECTOR, word.byteOffset, 7);
  });

  test("is masked after a reset, and pends until it is unmasked", () => {
    bus.msix.raise(VECTOR);
    bus.msix.raise(VECTOR);
    expect(word[0]).toBe(0);
    expect(bus.msix.isPending(VECTOR)).toBe(true);
    bus.msix.unmask(VECTOR);
    expect(word[0]).toBe(7);
    expect(bus.msix.isPending(VECTOR)).toBe(false);
  });

  test("that is unmasked is written at once, each time", () => {
    bus.msix.unmask(VECTOR);
    for (let round = 0; round < 3; round++) {
      word[0] = 0;
      bus.msix.raise(VECTOR);
      expect(word[0]).toBe(7);
    }
    bus.msix.mask(VECTOR);
    word[0] = 0;
    bus.msix.raise(VECTOR);
    expect(word[0]).toBe(0);
  });

  test("that is pending is sent by the endpoint when its mask was cleared by a bare write", () => {
    bus.msix.raise(VECTOR);
    const table = bus.configSpace.read()?.msix?.tableOffset ?? 0;
    bus.barView().setUint32(table + VECTOR * 16 + 12, 0, true);
    expect(word[0]).toBe(0);
    bus.msix.sendPending(VECTOR);
    expect(word[0]).toBe(7);
  });

  test("is held back while the function is masked, or MSI-X is disabled", () => {
    bus.msix.unmask(VECTOR);
    const control = bus.configSpace.range.offset + 0x42;
    const view = new DataView(bus.buffer, control, 2);
    const enabled = view.getUint16(0, true);
    expect(enabled & 0x7ff).toBe(VECTORS - 1);
    for (const value of [enabled | 0x4000, enabled & ~0x8000]) {
      view.setUint16(0, value, true);
      bus.msix.raise(VECTOR);
      expect(word[0]).toBe(0);
    }
    view.setUint16(0, enabled, true);
    bus.msix.sendPending(VECTOR);
    expect(word[0]).toBe(7);
  });

  test("that is not there is dropped", () => {
    bus.msix.raise(VECTORS);
    bus.msix.raise(-1);
    expect(word[0]).toBe(0);
  });

  test("wakes a waiter in another view of the bus", async () => {
    const other = openBus(bus.handle);
    const waiter = Atomics.waitAsync(new Int32Array(other.buffer, word.byteOffset, 1), 0, 0, 5000);
    bus.msix.unmask(VECTOR);
    bus.msix.raise(VECTOR);
    expect(await waiter.value).not.toBe("timed-out");
    expect(word[0]).toBe(7);
    other.close();
  });
});
