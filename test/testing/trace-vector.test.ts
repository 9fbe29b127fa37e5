// A recorded session is a conformance vector: an endpoint that answers as that one did passes, one that does not is found out.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Bus,
  createBus,
  type Disc,
  Endpoint,
  MemoryDisc,
  openBatchQueue,
  type ReplayAnswer,
  ReplayDisc,
  RootComplex,
  readTraceFile,
  Trace,
  type TraceContents,
  TraceFile,
} from "blockpt";
import { BlkStatus, Command, Feature, Operation, Status } from "blockpt/abi";
import {
  type ConformanceVector,
  checkConformance,
  type RawArguments,
  RawDriver,
  vectorOfTrace,
} from "blockpt/testing";
import { expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";

const DISC_BYTES = 256 * 1024;
type Engine = "wasm" | "typescript";

async function endpointOn(
  engine: Engine,
  discs: (bus: Bus) => Disc[],
  trace?: Trace,
): Promise<{ bus: Bus; endpoint: Endpoint }> {
  const bus = await createBus({ engine });
  const endpoint = await Endpoint.create(bus, { controller: "x", trace });
  afterThisTest(() => endpoint.close());
  for (const [index, disc] of discs(bus).entries()) {
    await endpoint.exportDisc(`d${index}`, disc, { queues: 2, readOnly: index === 1 });
  }
  await endpoint.start();
  return { bus, endpoint };
}

const memory =
  (...sizes: number[]) =>
  (bus: Bus): Disc[] =>
    sizes.map((size) => MemoryDisc.create(bus, size));

/** What a session on two discs left in a file, the second of them read-only. */
async function record(
  engine: Engine,
  session: (bus: Bus, trace: Trace) => Promise<void>,
  traceOptions: { side: "endpoint" | "root-complex"; records?: number },
): Promise<TraceContents> {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-vector-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "session.trace");
  const trace = new Trace({ records: traceOptions.records });
  const isEndpoint = traceOptions.side === "endpoint";
  const made = await endpointOn(
    engine,
    memory(DISC_BYTES, DISC_BYTES),
    isEndpoint ? trace : undefined,
  );
  const file = TraceFile.create(path, trace, made.bus);
  await session(made.bus, trace);
  await made.endpoint.close();
  file.close();
  return readTraceFile(path);
}

/** Many requests at once on a queue of one disc, and a few of the other. */
async function driveLibrary(bus: Bus, trace: Trace): Promise<void> {
  const rc = await RootComplex.probe(bus, { trace });
  const disk = await rc.attach("d0", { queues: 2, numDescriptors: 32 });
  const queue = openBatchQueue(bus, disk.openQueue());
  const { byteOffset } = queue.allocate(4096);
  let next = 0;
  let ended = 0;
  while (ended < 200) {
    while (next < 200 && queue.available > 0) {
      const operation = next % 3 === 0 ? Operation.WRITE : Operation.READ;
      queue.put(operation, ((next * 37) % 500) * 512, 4096, byteOffset, next++);
    }
    queue.submit();
    ended += queue.wait();
  }
  queue.close();
  await disk.flush();
  const other = await rc.attach("d1");
  await other.read(new Uint8Array(8192), 4096);
  await rc.close();
}

/** Descriptors that nobody's driver makes, and commands that are refused. */
async function driveRaw(bus: Bus): Promise<void> {
  const driver = new RawDriver(bus);
  await driver.devices();
  const most = 2n ** 64n - 1n;
  const sectors = BigInt(DISC_BYTES / 512);
  const end = BigInt(bus.hostMemory.offset + bus.hostMemory.length);
  for (const devIdx of [0, 1]) {
    const queue = driver.openQueue({ devIdx, doorbell: devIdx === 1, queueOffset: devIdx * 4096 });
    const commands = Command.SET_QUEUE | Command.SET_IRQ | Command.START;
    expect(await driver.command(commands, queue.arguments)).toBe(Status.SUCCESS);
    expect(await driver.command(Command.SET_QUEUE, queue.arguments)).not.toBe(Status.SUCCESS);
    const write = { opf: Operation.WRITE };
    const protectedOr = (status: number) => (devIdx === 1 ? BlkStatus.PROTECTION : status);
    expect(await queue.submit(3, queue.read())).toBe(BlkStatus.OK);
    expect(await queue.submit(4, queue.read({ startSector: sectors - 1n, ...write }))).toBe(
      protectedOr(BlkStatus.OK),
    );
    expect(await queue.submit(5, queue.read({ startSector: sectors - 1n, lenBytes: 1024 }))).toBe(
      BlkStatus.INVAL,
    );
    expect(await queue.submit(6, queue.read({ startSector: most, address: most }))).toBe(
      BlkStatus.INVAL,
    );
    expect(await queue.submit(7, queue.read({ address: end - 511n }))).toBe(BlkStatus.INVAL);
    expect(await queue.submit(8, queue.read({ opf: 77 }))).toBe(BlkStatus.NOTSUPP);
    expect(await queue.submit(9, queue.read({ flags: 0 }))).toBe(BlkStatus.INVAL);
  }
  expect(await driver.command(2)).toBe(Status.ERROR);
  for (const devIdx of [0, 1]) await driver.command(Command.STOP, { devIdx });
}

test.each([
  ["wasm", "typescript"],
  ["typescript", "wasm"],
] as const)(
  "a session of the library with %s is kept by an endpoint with %s",
  async (one, other) => {
    for (const side of ["root-complex", "endpoint"] as const) {
      const contents = await record(
        one,
        (bus, trace) => driveLibrary(bus, side === "endpoint" ? new Trace() : trace),
        { side },
      );
      const vector = vectorOfTrace(contents, { name: "session.trace" });
      expect(vector.section).toBe("recorded");
      expect(vector.clause).toMatch(/^session\.trace: \d+ commands and 20\d requests are answered/);
      expect(JSON.parse(JSON.stringify(vector))).toEqual(vector);
      const { bus } = await endpointOn(other, memory(DISC_BYTES, 2 * DISC_BYTES));
      // Twice: it leaves the endpoint as it was.
      for (const report of await checkConformance(bus, { vectors: [vector, vector] })) {
        expect(report).toMatchObject({ outcome: "passed", section: "recorded" });
      }
    }
  },
);

test.each([
  ["wasm", "typescript"],
  ["typescript", "wasm"],
] as const)(
  "malformed descriptors with %s are answered alike with %s, on larger discs too",
  async (one, other) => {
    const vector = vectorOfTrace(await record(one, driveRaw, { side: "endpoint" }));
    expect(vector.clause).toContain(" 14 requests ");
    for (const factor of [1, 3]) {
      const { bus } = await endpointOn(other, memory(factor * DISC_BYTES, factor * DISC_BYTES));
      const [report] = await checkConformance(bus, { vectors: [vector] });
      expect(report).toMatchObject({ outcome: "passed" });
    }
  },
);

test("an endpoint that answers otherwise is found out, with the step", async () => {
  const contents = await record("wasm", driveLibrary, { side: "root-complex" });
  const vector = vectorOfTrace(contents);
  const answers: ReplayAnswer[] = [
    { opf: Operation.READ, startSector: 37, lenBytes: 4096, status: BlkStatus.MEDIUM, delayUs: 0 },
  ];
  const { bus } = await endpointOn("wasm", (on) => [
    ReplayDisc.create({ sizeBytes: DISC_BYTES, answers }),
    MemoryDisc.create(on, DISC_BYTES),
  ]);
  const [report] = await checkConformance(bus, { vectors: [vector] });
  expect(report?.outcome).toBe("failed");
  expect(report?.why).toMatch(/^descriptor \d+ is completed with MEDIUM, where OK is due$/);
  expect(vector.steps[report?.step as number]).toHaveProperty("completions");
});

test("fewer discs, smaller ones, or ones that may be written are said, and nothing is tried", async () => {
  const vectors = [vectorOfTrace(await record("wasm", driveRaw, { side: "endpoint" }))];
  const whyOf = async (...sizes: number[]): Promise<string | undefined> => {
    const { bus } = await endpointOn("wasm", memory(...sizes));
    const [report] = await checkConformance(bus, { vectors });
    expect(report?.outcome).toBe("skipped");
    return report?.why;
  };
  expect(await whyOf(DISC_BYTES)).toBe("the endpoint exports 1 discs, not 2");
  expect(await whyOf(DISC_BYTES, 512)).toBe("disc 1 of the list has 1 sectors, not 512");
  const bus = await createBus();
  const endpoint = await Endpoint.create(bus, { controller: "x" });
  afterThisTest(() => endpoint.close());
  for (const name of ["a", "b"])
    await endpoint.exportDisc(name, MemoryDisc.create(bus, DISC_BYTES));
  await endpoint.start();
  const [report] = await checkConformance(bus, { vectors });
  expect(report?.why).toBe("disc 1 of the list may be written");
});

test("what is completed before its step is kept for it, and what is not completed at all is missed", async () => {
  const { bus } = await endpointOn("wasm", memory(DISC_BYTES));
  const vector = (...completions: Record<number, "OK">[]): ConformanceVector => ({
    ...{ section: "recorded", clause: "x", disc: 0, list: [] },
    steps: [
      { open: {} },
      { command: ["SET_QUEUE", "SET_IRQ", "START"], queue: "a" },
      ...[1, 2, 3].map((index) => ({ descriptor: { index } })),
      { push: [1, 2, 3] },
      ...completions.map((each) => ({ completions: each, others: true })),
    ],
  });
  const [kept] = await checkConformance(bus, {
    vectors: [vector({ 3: "OK" }, { 1: "OK", 2: "OK" })],
  });
  const [broken] = await checkConformance(bus, {
    vectors: [vector({ 3: "OK" }, { 3: "OK" })],
    answerTimeoutMs: 3000,
  });
  expect(kept).toMatchObject({ outcome: "passed" });
  expect(broken).toMatchObject({ outcome: "failed", step: 7 });
  expect(broken?.why).toBe("descriptors 3 to be completed was waited for, and 3 is not");
});

test("a queue lies where SET_QUEUE's arguments have it, with its doorbell block; what cannot be is refused", async () => {
  const { bus } = await endpointOn("wasm", memory(DISC_BYTES));
  const driver = new RawDriver(bus);
  for (const numDescriptors of [16, 33, 256]) {
    for (const doorbell of [false, true]) {
      const queue = driver.openQueue({ numDescriptors, doorbell, queueOffset: 128, qidx: 1 });
      const args = { ...queue.arguments, extEnabled: Feature.DOORBELL } as Required<RawArguments>;
      const same = driver.openQueueOf(args);
      expect(same.layout).toEqual(queue.layout);
      expect([same.range, same.qidx]).toEqual([queue.range, 1]);
      expect(driver.openQueueOf({ ...args, extEnabled: 0 }).layout.doorbellOffset).toBeUndefined();
      for (const lie of [{ drvOffset: 385 }, { devOffset: 2 ** 20 }, { qsize: 2 ** 31 }]) {
        expect(() => driver.openQueueOf({ ...args, ...lie })).toThrow(
          expect.objectContaining({ code: "ERR_BLOCKPT_INVALID_ARGUMENT" }),
        );
      }
    }
  }
});

test("a trace that lacks records, or the start, makes no vector", async () => {
  const refused = (message: RegExp) =>
    expect.objectContaining({
      code: "ERR_BLOCKPT_TRACE_FILE",
      message: expect.stringMatching(message),
    });
  const few = await record("wasm", driveLibrary, { side: "root-complex", records: 16 });
  expect(() => vectorOfTrace(few, { name: "few.trace" })).toThrow(
    refused(/^few\.trace makes no vector: \d+ records were lost/),
  );
  const none = await record("wasm", async () => {}, { side: "endpoint" });
  expect(() => vectorOfTrace(none)).toThrow(refused(/no GET_DEVICES that was answered/));
  const all = await record("wasm", driveRaw, { side: "endpoint" });
  const withoutQueues: TraceContents = {
    ...all,
    *inOrder() {
      for (const record of all.inOrder()) {
        if (record.event !== "command" || !record.command.includes("SET_QUEUE")) yield record;
      }
    },
  };
  expect(() => vectorOfTrace(withoutQueues)).toThrow(refused(/on no queue that was set/));
});
