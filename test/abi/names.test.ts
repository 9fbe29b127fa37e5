// Values and bits by their names.

import { BlkStatus, bitNames, nameOf } from "blockpt/abi";
import { expect, test } from "vitest";

test.each([
  [0, ""],
  [5, "A C"],
  [8, "0x8"],
  [0x80000001, "A 0x80000000"],
])("bits of %i are %j", (value, names) => {
  expect(bitNames({ A: 1, B: 2, C: 4 }, value).join(" ")).toBe(names);
});

test("a value has the name that its table gives it, or none", () => {
  expect(nameOf(BlkStatus, 0)).toBe("OK");
  expect(nameOf(BlkStatus, BlkStatus.PROTECTION)).toBe("PROTECTION");
  expect(nameOf(BlkStatus, 255)).toBeUndefined();
});
