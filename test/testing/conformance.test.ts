// The conformance suite: our endpoint keeps every clause, an endpoint that was written from the page alone keeps what it
// offers, and one that breaks a clause is found out.

import { type Bus, createBus, Endpoint, FileDisc, MemoryDisc } from "blockpt";
import { BlkStatus, Command } from "blockpt/abi";
import { CONFORMANCE_VECTORS, type ConformanceVector, checkConformance } from "blockpt/testing";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeImage, pattern } from "../api/rig.js";
import {
  type ForeignDisc,
  ForeignEndpoint,
  type ForeignOptions,
} from "../peers/foreign-endpoint.js";

const MIB = 1024 * 1024;
const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

describe.each(["wasm", "typescript"] as const)("our endpoint, %s engine", (engine) => {
  test.each(["memory", "file"] as const)("keeps every clause with %s discs", async (kind) => {
    const bus = await createBus({ engine });
    const endpoint = await Endpoint.create(bus, { controller: "x", msixInterrupts: 40 });
    afterThisTest(() => endpoint.close());
    const disc = async (mib: number) =>
      kind === "memory"
        ? MemoryDisc.create(bus, mib * MIB)
        : FileDisc.open(makeImage(pattern(mib * MIB, 3)));
    await endpoint.exportDisc("rom0", await disc(1), { readOnly: true });
    await endpoint.exportDisc("ram0", await disc(2), { queues: 2 });
    await endpoint.exportDisc("ram1", await disc(1));
    await endpoint.start();
    const clauses = await checkConformance(bus);
    const rest = clauses.filter(({ outcome }) => outcome !== "passed");
    // Node has no call that discards in a file.
    const skipped =
      kind === "file"
        ? ["skipped: DISCARD is answered OK, and checked for its len and its sectors."]
        : [];
    expect(rest.map(({ outcome, clause }) => `${outcome}: ${clause}`)).toEqual(skipped);
    expect(clauses.length).toBe(CONFORMANCE_VECTORS.length);
    // It is left as it was found.
    await expect(endpoint.unexportDisc("ram0")).resolves.toBeUndefined();
  });
});

/** An endpoint that knows docs/protocol.md and nothing of blockpt. */
async function foreign(
  discs: ForeignDisc[],
  options: ForeignOptions,
): Promise<[Bus, ForeignEndpoint]> {
  const bus = await createBus();
  const endpoint = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs, options);
  endpoint.start();
  afterThisTest(() => endpoint.stop());
  return [bus, endpoint];
}

const ram = (): ForeignDisc[] => [{ name: "/dev/ram0", data: new Uint8Array(MIB) }];
const clause = (text: RegExp): ConformanceVector[] => {
  const found = CONFORMANCE_VECTORS.filter((vector) => text.test(vector.clause));
  expect(found.length).toBeGreaterThan(0);
  return found;
};

test("what an endpoint does not offer is skipped, and says why", async () => {
  const [bus] = await foreign(ram(), {});
  const clauses = await checkConformance(bus, {
    vectors: clause(
      /may only be read|takes a byte of another|second queue|heartbeat|What was written/,
    ),
  });
  expect(clauses.map(({ outcome, why }) => why ?? outcome).sort()).toEqual([
    "no read-only disc is exported",
    "no read-only disc is exported",
    "no read-only disc is exported",
    "no second disc is exported",
    "passed",
    "the disc has 1 queues, not 2",
    "the endpoint does not offer it",
  ]);
});

describe("an endpoint is found out", () => {
  test("that answers every request with an error", async () => {
    const [bus, endpoint] = await foreign(ram(), {});
    endpoint.decide = () => BlkStatus.IOERR;
    const [report] = await checkConformance(bus, { vectors: clause(/What was written is read/) });
    expect(report).toEqual({
      section: "3",
      clause: "What was written is read.",
      outcome: "failed",
      step: 5,
      why: "descriptor 3 is completed with IOERR, where OK is due",
    });
  });

  test("that says OK and moves nothing", async () => {
    const [bus, endpoint] = await foreign(ram(), {});
    endpoint.decide = () => BlkStatus.OK;
    const [report] = await checkConformance(bus, { vectors: clause(/What was written is read/) });
    expect(report).toMatchObject({ outcome: "failed", step: 9 });
    expect(report?.why).toMatch(/^byte \d+ of 4096 at host \+ 8192 is 0, where \d+ is due$/);
  });

  test("that does not answer a request at all", async () => {
    const [bus, endpoint] = await foreign(ram(), {});
    endpoint.decide = () => "hold";
    const [report] = await checkConformance(bus, {
      vectors: clause(/What was written is read/),
      answerTimeoutMs: 1000,
    });
    expect(report).toMatchObject({ outcome: "failed", step: 5 });
  });

  test("that refuses a command, and one that never raises a vector", async () => {
    const [bus] = await foreign(ram(), { refuse: Command.GET_PERMISSION, raise: false });
    const clauses = await checkConformance(bus, {
      vectors: clause(/clears bit 0|writes its data to its address/),
      answerTimeoutMs: 1000,
    });
    expect(clauses.map(({ outcome, why }) => [outcome, why])).toEqual([
      ["failed", "GET_PERMISSION is answered ERROR, where SUCCESS is due"],
      ["failed", "an interrupt to write 14600926 at host + 65536 was waited for, and 0 is there"],
    ]);
  });
});

test("a bus without an endpoint, and an endpoint without a disc to write to, cannot be checked", async () => {
  await expect(checkConformance(await createBus())).rejects.toEqual(code("NO_ENDPOINT"));
  const [bus] = await foreign([{ name: "/dev/small", data: new Uint8Array(512) }], {});
  await expect(checkConformance(bus)).rejects.toEqual(code("NO_SUCH_DISC"));
  const small = await createBus({ hostMemoryBytes: 65536 });
  await expect(checkConformance(small)).rejects.toEqual(code("NO_SPACE"));
});

test("an amount that makes no sense is the caller's mistake", async () => {
  const [bus] = await foreign(ram(), {});
  const vector = (amount: string): ConformanceVector => ({
    section: "3",
    clause: "x",
    steps: [{ open: {} }, { descriptor: { index: 0, address: amount } }],
  });
  for (const amount of ["", "hosts", "host 512", "1 +", "0x"]) {
    const [report] = await checkConformance(bus, { vectors: [vector(amount)] });
    expect(report?.why, amount).toMatch(/is no amount: a sum of numbers/);
  }
  const [report] = await checkConformance(bus, { vectors: [vector("host.end - 0x200+2^9 -512")] });
  expect(report?.outcome).toBe("passed");
});

test("vectors are data: as JSON they are the same", () => {
  expect(JSON.parse(JSON.stringify(CONFORMANCE_VECTORS))).toEqual(CONFORMANCE_VECTORS);
});
