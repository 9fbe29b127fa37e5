// Scripts of calls on disks, as data and by chance: what a program asks for, several calls at once, through any of a disk's
// queues; a few of them make no sense.

import fc, { type Arbitrary } from "fast-check";

/** Disks that differ in what they refuse. */
export const DISKS = {
  plain: { sizeBytes: 2 * 1024 * 1024, logicalBlockBytes: 512, readOnly: false },
  blocks: { sizeBytes: 1024 * 1024, logicalBlockBytes: 4096, readOnly: false },
  fixed: { sizeBytes: 65536, logicalBlockBytes: 512, readOnly: true },
} as const;
export type DiskName = keyof typeof DISKS;

export interface Call {
  do: "read" | "write" | "writeZeroes" | "discard" | "flush";
  /** A queue that gives promises, one that blocks, or one of lists. */
  through: "promise" | "otherQueue" | "sync" | "batch";
  /** In bytes; where it makes sense a multiple of a block. */
  offset: number;
  len: number;
  fua: boolean;
  /** Whether the buffer lies in the bus. */
  inPlace: boolean;
  /** Whether numbers are given as bigint. */
  big: boolean;
  /** What is written. */
  seed: number;
}

export interface CallScript {
  disk: DiskName;
  /** Each is started before any of it has ended. */
  rounds: Call[][];
}

/** Whether a call would be done by any disk that is such: the least that is known of it. */
export function makesSense({ do: what, offset, len }: Call, disk: DiskName): boolean {
  const { sizeBytes, logicalBlockBytes, readOnly } = DISKS[disk];
  if (what === "flush") return true;
  if (readOnly && what !== "read") return false;
  const isWhole = offset % logicalBlockBytes === 0 && len % logicalBlockBytes === 0;
  return isWhole && offset >= 0 && len > 0 && offset + len <= sizeBytes;
}

/** Requests that are in flight together have no order: whoever meets another's bytes goes to a later round. */
export function withoutConflicts(calls: readonly Call[]): Call[][] {
  const rounds: Call[][] = [];
  for (const call of calls) {
    let round = rounds.length;
    while (round > 0 && !(rounds[round - 1] as Call[]).some((other) => conflict(call, other))) {
      round--;
    }
    const together = rounds[round];
    if (together === undefined) rounds.push([call]);
    else together.push(call);
  }
  return rounds;
}

function conflict(one: Call, other: Call): boolean {
  if (one.do === "flush" || other.do === "flush") return false;
  if (one.do === "read" && other.do === "read") return false;
  return one.offset < other.offset + other.len && other.offset < one.offset + one.len;
}

function callOn(disk: DiskName): Arbitrary<Call> {
  const { sizeBytes, logicalBlockBytes } = DISKS[disk];
  const blocks = sizeBytes / logicalBlockBytes;
  const often = <T>(weight: number, arbitrary: Arbitrary<T>) => ({ weight, arbitrary });
  return fc.record({
    do: fc.constantFrom(
      "read",
      "read",
      "read",
      "write",
      "write",
      "writeZeroes",
      "discard",
      "flush",
    ),
    through: fc.constantFrom("promise", "promise", "otherQueue", "sync", "batch"),
    offset: fc.oneof(
      often(
        30,
        fc.nat(blocks - 1).map((block) => block * logicalBlockBytes),
      ),
      often(1, fc.constantFrom(sizeBytes, sizeBytes - 512, -512, 1, 2 ** 53 - 512, 2 ** 60)),
    ),
    len: fc.oneof(
      often(
        20,
        fc.integer({ min: 1, max: 16 }).map((count) => count * logicalBlockBytes),
      ),
      often(2, fc.constantFrom(65536, 65536 + logicalBlockBytes, 2 ** 20, 2 ** 20 + 65536)),
      often(1, fc.constantFrom(0, 1, 513)),
    ),
    fua: fc.boolean(),
    inPlace: fc.boolean(),
    big: fc.boolean(),
    seed: fc.nat(0xffff),
  });
}

const on = (disk: DiskName): Arbitrary<CallScript> =>
  fc.record({
    disk: fc.constant(disk),
    rounds: fc.array(fc.array(callOn(disk), { minLength: 1, maxLength: 12, size: "max" }), {
      minLength: 1,
      maxLength: 8,
      size: "max",
    }),
  });

export const callScripts: Arbitrary<CallScript> = fc.oneof(
  { weight: 6, arbitrary: on("plain") },
  { weight: 3, arbitrary: on("blocks") },
  { weight: 1, arbitrary: on("fixed") },
);
