// Parts of the demo whose cases a whole run does not meet.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkCopy } from "../../ts/cli/demo/checks.js";
import { firstDifference, firstFileDifference, pattern } from "../../ts/cli/demo/pattern.js";
import { formatSize } from "../../ts/view/size.js";

const MIB = 1024 * 1024;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "blockpt-test-parts-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

test.each([
  [512, "512B"],
  [1536, "1.5K"],
  [64 * MIB, "64M"],
  [MIB - 1, "1024K"],
  // The disk of the user guide, capacity 0x3a386030.
  [0x3a386030 * 512, "465.8G"],
  [2 ** 53 - 512, "8P"],
])("lsblk shows %i bytes as %s", (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});

test("patterns of two seeds, and of two offsets, differ in nearly every word", () => {
  const words = (seed: number): Uint32Array => new Uint32Array(pattern(4096, seed).buffer);
  expect(firstDifference(pattern(4096, 1), pattern(4096, 1))).toBeUndefined();
  expect(new Set([...words(0), ...words(1), ...words(2)]).size).toBeGreaterThan(3 * 1024 - 4);
});

test("the first difference of two files is found in any piece of them, and at the end of the shorter one", async () => {
  const bytes = pattern(2 * MIB + 512, 3);
  const file = async (name: string, content: Uint8Array): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  };
  const a = await file("a", bytes);
  expect(await firstFileDifference(a, await file("same", bytes))).toBeUndefined();
  for (const offset of [0, 511, MIB - 1, MIB, 2 * MIB + 511]) {
    const changed = bytes.slice();
    changed[offset] = (changed[offset] ?? 0) ^ 1;
    expect(await firstFileDifference(a, await file("changed", changed))).toBe(offset);
  }
  expect(await firstFileDifference(a, await file("short", bytes.subarray(0, MIB)))).toBe(MIB);
});

test("a copy that differs is a failed check that names the first byte", () => {
  const copy = { disk: "/dev/nvme0n1", bytes: 4096, seconds: 1, sha256: "a", imageSha256: "b" };
  expect(checkCopy({ ...copy, equal: false, firstDifferenceBytes: 1234 })).toEqual({
    name: "copy-equals-image",
    passed: false,
    detail:
      "/dev/nvme0n1: all 4096 bytes copied, SHA-256 differs: the first byte that differs is at offset 1234",
  });
});
