// The same calls on disks of both engines, with and without an IOMMU, on the block layer alone, and on an array: every call
// comes to the same, and so do all bytes of the disk.

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Call,
  type CallScript,
  callScripts,
  makesSense,
  withoutConflicts,
} from "./differential/calls.js";
import {
  blockLayerMachine,
  type CallMachine,
  type CallOutcome,
  dataOf,
  engineMachine,
} from "./differential/machine.js";

const RUNS = 100;
let machines: CallMachine[] = [];

beforeAll(async () => {
  machines = [
    await engineMachine("wasm", false),
    await engineMachine("typescript", false),
    await engineMachine("wasm", true),
    await engineMachine("typescript", true),
  ];
});
afterAll(async () => {
  for (const machine of machines) await machine.close();
});

/** What a call that makes sense gives, and does to the bytes of a disk. */
function performOn(bytes: Buffer, call: Call): Buffer {
  const { offset, len } = call;
  switch (call.do) {
    case "read":
      return Buffer.from(bytes.subarray(offset, offset + len));
    case "write":
      dataOf(call).copy(bytes, offset);
      break;
    // A disc in memory is zeros where it was discarded.
    case "writeZeroes":
    case "discard":
      bytes.fill(0, offset, offset + len);
  }
  return Buffer.alloc(0);
}

/** A disk's bytes as every script finds them. */
function atFirst(lenBytes: number): Buffer {
  const bytes = Buffer.alloc(lenBytes);
  for (let at = 0; at < lenBytes; at += 4) bytes.writeUInt32LE((at * 2654435761) >>> 0, at);
  return bytes;
}

interface Seen {
  done: number;
  refused: Map<string, number>;
}

async function run({ disk, rounds }: CallScript, seen: Seen): Promise<void> {
  // What the block layer refuses of itself is compared with it alone: a queue of lists has words of its own.
  const blockLayer = blockLayerMachine();
  const everybody = [...machines, blockLayer];
  const expected = atFirst(blockLayer.bytes(disk).length);
  for (const machine of everybody) expected.copy(machine.bytes(disk));
  for (const calls of rounds.flatMap(withoutConflicts)) {
    const outcomes = await Promise.all(everybody.map((machine) => machine.run(disk, calls)));
    for (const [index, call] of calls.entries()) {
      const all = outcomes.map((each) => each[index] as CallOutcome);
      const [first, ...others] = call.through === "batch" ? all.slice(0, -1) : all;
      const where = JSON.stringify({ disk, call });
      for (const other of others) expect(textOf(other), where).toBe(textOf(first as CallOutcome));
      note(first as CallOutcome, seen);
      // Calls without a length do nothing, and may say so in different ways.
      if (call.len === 0 && call.do !== "flush") continue;
      const isSensible =
        makesSense(call, disk) &&
        !(call.through === "batch" && call.len > 2 ** 20 && call.do !== "flush");
      if (isSensible)
        expect(textOf(first as CallOutcome), where).toBe(
          textOf({ data: performOn(expected, call) }),
        );
      else expect(first, where).toHaveProperty("code");
    }
    for (const [index, machine] of everybody.entries()) {
      if (index === everybody.length - 1 && calls.some(({ through }) => through === "batch"))
        continue;
      const isSame = machine.bytes(disk).equals(expected);
      expect(isSame, `bytes of machine ${index} after ${JSON.stringify({ disk, calls })}`).toBe(
        true,
      );
    }
    // What only lists refuse the block layer did.
    expected.copy(blockLayer.bytes(disk));
  }
}

function textOf(outcome: CallOutcome): string {
  return "code" in outcome ? outcome.code : outcome.data.toString("base64");
}

function note(outcome: CallOutcome, seen: Seen): void {
  if ("code" in outcome) seen.refused.set(outcome.code, (seen.refused.get(outcome.code) ?? 0) + 1);
  else seen.done++;
}

test("the same calls come to the same on every disk, and leave the same bytes", async () => {
  const seen: Seen = { done: 0, refused: new Map() };
  await fc.assert(
    fc.asyncProperty(callScripts, (script) => run(script, seen)),
    { numRuns: RUNS, unbiased: true },
  );
  expect(seen.done).toBeGreaterThan(20 * RUNS);
  for (const code of ["UNALIGNED", "OUT_OF_RANGE", "READ_ONLY"]) {
    expect(seen.refused.get(`ERR_BLOCKPT_${code}`), code).toBeGreaterThan(0);
  }
});
