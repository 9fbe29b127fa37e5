// Where a queue's doorbell block is: behind the rings, which stay where they are without it.

import { DOORBELL_ALIGNMENT, DOORBELL_BYTES, queueLayout } from "blockpt/abi";
import { expect, test } from "vitest";

test("a doorbell block lies behind the rings and moves nothing", () => {
  for (let count = 16; count <= 65535; count += count < 1024 ? 1 : 509) {
    const rings = queueLayout(count);
    const { doorbellOffset, ...layout } = queueLayout(count, { doorbell: true });
    const expected = Math.ceil(rings.bytes / DOORBELL_ALIGNMENT) * DOORBELL_ALIGNMENT;
    expect(doorbellOffset).toBe(expected);
    expect(layout).toEqual({ ...rings, bytes: expected + DOORBELL_BYTES });
  }
});

test("without it a layout is as ever", () => {
  const rings = { bytes: 28688, driverOffset: 24576, deviceOffset: 26632 };
  for (const options of [undefined, {}, { doorbell: false }, { doorbell: undefined }]) {
    expect(queueLayout(1024, options)).toStrictEqual({ ...rings, doorbellOffset: undefined });
  }
  expect(queueLayout(1024, { doorbell: true })).toEqual({
    ...rings,
    bytes: 28864,
    doorbellOffset: 28736,
  });
});
