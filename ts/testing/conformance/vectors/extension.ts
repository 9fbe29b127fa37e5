// Vectors of section 5: the extension block.

import { DescriptorFlag, EXT_MAGIC, EXT_VERSION, Feature, RING_GONE } from "../../../abi/layout.js";
import type { ConformanceVector, Step } from "../vector.js";
import { answered, started } from "./steps.js";

const FUA = DescriptorFlag.IN_USE | DescriptorFlag.FUA;

const vector = (clause: string, features: number, steps: readonly Step[]): ConformanceVector => ({
  section: "5",
  clause,
  features,
  steps,
});

const withDoorbell = { doorbell: true, extEnabled: Feature.DOORBELL };

export const EXTENSION: readonly ConformanceVector[] = [
  vector("The block has its magic and a version, and offers DOORBELL.", Feature.DOORBELL, [
    { registers: { extMagic: EXT_MAGIC, extVersion: EXT_VERSION } },
    { bits: { of: "extFeatures", set: Feature.DOORBELL } },
  ]),
  vector("The heartbeat moves.", Feature.DOORBELL, [{ moves: "heartbeat" }]),
  vector("With DOORBELL a queue's requests are served that are rung for.", Feature.DOORBELL, [
    ...started(withDoorbell),
    ...Array.from({ length: 20 }, () => answered("OK")).flat(),
  ]),
  vector(
    "With DOORBELL a queue that does not start at a multiple of 64 is refused.",
    Feature.DOORBELL,
    [
      { open: { doorbell: true } },
      ...[8, 16, 32, 56].map(
        (queueOffset): Step => ({
          command: ["SET_QUEUE"],
          queue: "a",
          with: { queueOffset, extEnabled: Feature.DOORBELL },
          status: ["ERROR", "QUEUE_ADDRESS_INVALID"],
        }),
      ),
    ],
  ),
  vector("With DOORBELL a queue without room for the block is refused.", Feature.DOORBELL, [
    { open: {} },
    {
      command: ["SET_QUEUE"],
      queue: "a",
      with: { extEnabled: Feature.DOORBELL },
      status: ["ERROR", "QUEUE_ADDRESS_INVALID"],
    },
  ]),
  vector("A queue that was stopped for what was on its ring says 0xffff.", Feature.DOORBELL, [
    ...started(withDoorbell),
    ...answered("OK"),
    { publish: 0xfff0 },
    { deviceIdx: RING_GONE },
    { command: ["STOP"] },
  ]),
  vector("FLUSH with len 0 is answered OK, whatever its sector and address are.", Feature.FLUSH, [
    ...started({ extEnabled: Feature.FLUSH }),
    ...answered("OK", { operation: "FLUSH", lenBytes: 0 }),
    ...answered("OK", {
      operation: "FLUSH",
      lenBytes: 0,
      startSector: "2^64 - 1",
      address: "2^64 - 1",
    }),
  ]),
  vector("FLUSH with a len is answered INVAL.", Feature.FLUSH, [
    ...started({ extEnabled: Feature.FLUSH }),
    ...answered("INVAL", { operation: "FLUSH" }),
    ...answered("INVAL", { operation: "FLUSH", lenBytes: "2^32 - 1" }),
  ]),
  vector("A write with FUA is answered OK where that is enabled.", Feature.FUA, [
    ...started({ extEnabled: Feature.FUA }),
    ...answered("OK", { operation: "WRITE", flags: FUA }),
    ...answered("OK", { flags: FUA }),
  ]),
  vector("After WRITE_ZEROES a range reads as zeros, and no other.", Feature.WRITE_ZEROES, [
    ...started({ extEnabled: Feature.WRITE_ZEROES }),
    { fill: { at: "host", lenBytes: 2048, seed: 21 } },
    ...answered("OK", { operation: "WRITE", startSector: 8, lenBytes: 2048 }),
    ...answered("OK", { operation: "WRITE_ZEROES", startSector: 9, lenBytes: 1024 }),
    ...answered("OK", { startSector: 8, lenBytes: 2048 }),
    { holds: { at: "host", lenBytes: 512, seed: 21 } },
    { holds: { at: "host + 512", lenBytes: 1024, seed: 0 } },
  ]),
  vector("WRITE_ZEROES and DISCARD have no address.", Feature.WRITE_ZEROES, [
    ...started({ extEnabled: Feature.WRITE_ZEROES }),
    ...answered("OK", { operation: "WRITE_ZEROES", address: "2^64 - 1" }),
  ]),
  vector("WRITE_ZEROES is checked for its len and its sectors.", Feature.WRITE_ZEROES, [
    ...started({ extEnabled: Feature.WRITE_ZEROES }),
    ...answered("INVAL", { operation: "WRITE_ZEROES", lenBytes: 0 }),
    ...answered("INVAL", { operation: "WRITE_ZEROES", lenBytes: 511 }),
    ...answered("INVAL", { operation: "WRITE_ZEROES", startSector: "sectors" }),
    ...answered("INVAL", { operation: "WRITE_ZEROES", startSector: "2^64 - 1" }),
  ]),
  vector("DISCARD is answered OK, and checked for its len and its sectors.", Feature.DISCARD, [
    ...started({ extEnabled: Feature.DISCARD }),
    ...answered("OK", { operation: "DISCARD" }),
    ...answered("INVAL", { operation: "DISCARD", lenBytes: 0 }),
    ...answered("INVAL", { operation: "DISCARD", startSector: "sectors" }),
  ]),
];
