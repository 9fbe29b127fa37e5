// What a fault may be, as a rule and as text: what is accepted comes back the same, what is not is told.

import { type FaultRule, parseFault, printFault } from "blockpt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

/** Texts, and the rules that they are. */
const TEXTS: readonly (readonly [string, FaultRule])[] = [
  ["error", { kind: "error", status: "IOERR" }],
  ["error=EIO", { kind: "error", status: "IOERR" }],
  [
    "error=medium:read:sectors=100-199:every=10",
    {
      kind: "error",
      status: "MEDIUM",
      operations: ["read"],
      firstSector: 100,
      lastSector: 199,
      every: 10,
    },
  ],
  ["error:status=ENOSPC:write", { kind: "error", status: "NOSPC", operations: ["write"] }],
  ["error=200", { kind: "error", status: "200" }],
  ["delay=50ms", { kind: "delay", durationMs: 50 }],
  [
    "delay=1.1s:flush:discard",
    { kind: "delay", durationMs: 1100, operations: ["flush", "discard"] },
  ],
  ["stall=2s", { kind: "stall", durationMs: 2000 }],
  ["stall=2s:every=1", { kind: "stall", durationMs: 2000, every: 1 }],
  ["torn", { kind: "torn" }],
  ["torn=0:status=EIO", { kind: "torn", keepSectors: 0, status: "IOERR" }],
  ["lost-flush:after=3:times=1", { kind: "lost-flush", after: 3, times: 1 }],
  [
    "corrupt=8:sectors=7:seed=0",
    { kind: "corrupt", bits: 8, firstSector: 7, lastSector: 7, seed: 0 },
  ],
  ["corrupt:sectors=7-:probability=1%", { kind: "corrupt", firstSector: 7, probability: 0.01 }],
];

describe("a fault as text", () => {
  test.each(TEXTS)("%s is understood, and printed so that it is again", (text, rule) => {
    expect(parseFault(text)).toEqual(rule);
    expect(parseFault(printFault(rule))).toEqual(rule);
  });

  test("whatever a rule says comes back from its text", () => {
    const optional = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined });
    const count = (least: number) => optional(fc.integer({ min: least, max: 2 ** 40 }));
    const own = fc.oneof(
      fc.record({
        kind: fc.constant("error" as const),
        status: optional(fc.constantFrom("EIO", "MEDIUM", 77, "nospc")),
      }),
      fc.record({
        kind: fc.constantFrom("delay" as const, "stall" as const),
        durationMs: fc.integer({ min: 1, max: 86_400_000 }),
      }),
      fc.record({
        kind: fc.constant("torn" as const),
        keepSectors: count(0),
        status: optional(fc.constantFrom("OK", "EIO")),
      }),
      fc.record({ kind: fc.constant("lost-flush" as const) }),
      fc.record({
        kind: fc.constant("corrupt" as const),
        bits: optional(fc.integer({ min: 1, max: 4096 })),
      }),
    );
    const choice = fc.record({
      firstSector: count(0),
      after: count(0),
      every: count(1),
      times: count(1),
      seed: optional(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      probability: optional(fc.constantFrom(1, 0.5, 1e-9, 0.1 + 0.2)),
    });
    fc.assert(
      fc.property(own, choice, count(0), (rule, which, more) => {
        const lastSector = more === undefined ? undefined : (which.firstSector ?? 0) + more;
        const text = printFault({ ...rule, ...which, lastSector } as FaultRule);
        expect(text).not.toMatch(/[\s,;|&*?()<>$"'`\\]/);
        expect(printFault(parseFault(text))).toBe(text);
      }),
    );
  });

  test.each([
    ["eror=EIO", /"eror".*error, delay, stall, torn, lost-flush, corrupt/],
    ["", /kind is ""/],
    ["error=EBADF", /status is "EBADF".*MEDIUM.*EIO/],
    ["error=OK", /status is "OK"/],
    ["error=256", /from 1 to 255/],
    ["delay", /durationMs of a delay/],
    ["delay=5", /"5".*as 50ms or 1\.5s/],
    ["delay=0ms", /durationMs.*from 1 to 86400000/],
    ["delay=1.5ms", /whole milliseconds/],
    ["lost-flush=1", /no value/],
    ["torn:read", /"read".*write, write-zeroes/],
    ["corrupt:write", /"write".*read/],
    ["error:sectors=9-3", /lastSector is 3.*from 9/],
    ["error:sectors=-3", /sectors=100-199/],
    ["error:every=0", /every is 0/],
    ["error:evry=2", /"evry".*every/],
    ["error:every=2:every=3", /every stands twice/],
    ["error=EIO:status=EIO", /status stands twice/],
    ["error:probability=0", /probability is 0/],
    ["error:probability=101%", /probability is 1\.01/],
    ["error:probability=often", /as 0\.01 or 1%/],
    ["error:seed=4294967296", /seed is 4294967296/],
    ["corrupt=0", /bits is 0/],
  ])("%s is refused, and what would do is said", (text, why) => {
    expect(() => parseFault(text)).toThrow(
      expect.objectContaining({
        code: "ERR_BLOCKPT_INVALID_ARGUMENT",
        message: expect.stringMatching(why),
      }),
    );
  });

  test.each([
    [{ kind: "delay", durationMs: 5, status: "EIO" }, /kind delay has no status.*durationMs/],
    [{ kind: "error", operations: [] }, /operation is empty/],
    [{ kind: "error", often: true }, /kind error has no often/],
  ])("%o is refused", (rule, why) => {
    expect(() => printFault(rule as FaultRule)).toThrow(why);
  });
});
