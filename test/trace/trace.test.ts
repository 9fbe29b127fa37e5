// A trace records what both sides do, in every engine, from every thread, and counts what it has no room for.

import {
  type Disc,
  FileDisc,
  MemoryDisc,
  NullDisc,
  openBatchQueue,
  RootComplex,
  Trace,
  type TraceRecord,
} from "blockpt";
import { Command, Operation } from "blockpt/abi";
import { RawDriver } from "blockpt/testing";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";
import { nextMessage, startThread } from "../threads/thread.js";
import type { QueueThreadData } from "./queue-thread.js";

const ENGINES = ["wasm", "typescript"] as const;
const DISC_BYTES = 1024 * 1024;

type Of<E extends TraceRecord["event"]> = Extract<TraceRecord, { event: E }>;

function those<E extends TraceRecord["event"]>(
  trace: Trace,
  event: E,
  side: TraceRecord["side"] = "endpoint",
): Of<E>[] {
  const isOne = (record: TraceRecord): record is Of<E> =>
    record.event === event && record.side === side;
  return trace.records().filter(isOne);
}

describe.each(ENGINES)("with the %s engine", (engine) => {
  const kinds = ["memory", "memory, word by word", "file"] as const;

  test.each(kinds)("a session on a disc (%s) is recorded by both sides alike", async (kind) => {
    const trace = new Trace();
    const { bus, endpoint } = await makeEndpoint({ engine }, { trace });
    const bytes = pattern(DISC_BYTES);
    const disc: Disc =
      kind === "file" ? await FileDisc.open(makeImage(bytes)) : MemoryDisc.create(bus, DISC_BYTES);
    await endpoint.exportDisc("d0", disc, { dma: kind !== "memory, word by word" });
    await endpoint.start();
    const rc = await RootComplex.probe(bus, { trace });
    const disk = await rc.attach("d0", { numDescriptors: 64 });

    const written = pattern(8192, 7);
    await disk.write(written, 4096);
    await disk.flush();
    const back = new Uint8Array(8192);
    await disk.read(back, 4096);
    await disk.writeZeroes(4096, 512);
    await disk.read(back.subarray(0, 512), 4096);
    expect(back.subarray(0, 512).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.from(back.subarray(512)).equals(written.subarray(512))).toBe(true);
    await rc.close();
    await endpoint.close();

    for (const side of ["endpoint", "root-complex"] as const) {
      const requests = those(trace, "descriptor", side);
      const what = requests.map(({ operation, startSector, lenBytes }) => [
        operation,
        startSector,
        lenBytes,
      ]);
      expect(what).toEqual([
        ["WRITE", 8, 8192],
        ["FLUSH", 0, 0],
        ["READ", 8, 8192],
        ["WRITE_ZEROES", 8, 512],
        ["READ", 8, 512],
      ]);
      expect(requests.every(({ disc, queue }) => disc === "/dev/d0" && queue === 0)).toBe(true);
      expect(requests.every(({ flags }) => flags.includes("IN_USE"))).toBe(true);
      const ends = those(trace, "completion", side);
      expect(ends.map(({ status }) => status)).toEqual(["OK", "OK", "OK", "OK", "OK"]);
      expect(ends.map(({ index }) => index)).toEqual(requests.map(({ index }) => index));
      expect(those(trace, "device", side).at(0)).toMatchObject({ devIdx: 0, disc: "/dev/d0" });
      const commands = those(trace, "command", side).map(({ command }) => command.join("+"));
      expect(commands).toContain("SET_QUEUE+SET_IRQ");
      expect(commands.at(-1)).toBe("STOP");
      const setQueue = those(trace, "command", side).find(({ command }) =>
        command.includes("SET_QUEUE"),
      );
      expect(setQueue?.arguments).toMatchObject({ devIdx: 0, qidx: 0, numDesc: 64 });
      const answers = those(trace, "answer", side);
      expect(answers.every(({ status }) => status === "SUCCESS")).toBe(true);
      const sized = answers.find(({ command }) => command.includes("NUM_SECTORS"));
      expect(sized?.values).toMatchObject({ numSectors: DISC_BYTES / 512, perm: 0 });
      expect([those(trace, "open", side).length, those(trace, "close", side).length]).toEqual([
        1, 1,
      ]);
    }
    // One clock: the endpoint has a request after it was put, and is done before that is seen.
    const [put] = those(trace, "descriptor", "root-complex");
    const [taken] = those(trace, "descriptor");
    const [done] = those(trace, "completion");
    const [seen] = those(trace, "completion", "root-complex");
    const times = [put, taken, done, seen].map((record) => record?.timeUs ?? Number.NaN);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(trace.lost).toBe(0);
  });

  test("a malformed descriptor is recorded as it stood there, and the queue that it stops", async () => {
    const trace = new Trace();
    const { bus, endpoint, stopped } = await makeEndpoint({ engine }, { trace });
    await endpoint.exportDisc("d0", MemoryDisc.create(bus, DISC_BYTES), { readOnly: true });
    await endpoint.start();
    const driver = new RawDriver(bus);
    const queue = driver.openQueue();
    await driver.command(Command.GET_DEVICES | Command.SET_QUEUE | Command.START, queue.arguments);
    await queue.submit(3, queue.read());
    const most = 2n ** 64n - 1n;
    await queue.submit(5, queue.read({ startSector: most, address: most - 1n, lenBytes: 513 }));
    await queue.submit(6, queue.read({ opf: 0x7f, flags: 0xfe }));
    await queue.submit(7, queue.read({ opf: Operation.WRITE }));
    await driver.command(0x2);
    queue.push(16);
    await until("the queue stops", () => stopped.length === 1);

    const requests = those(trace, "descriptor");
    expect(requests.map(({ index }) => index)).toEqual([3, 5, 6, 7]);
    expect(requests[1]).toMatchObject({
      operation: "READ",
      startSector: String(most),
      address: String(most - 1n),
      lenBytes: 513,
      flags: ["IN_USE"],
    });
    expect(requests[2]).toMatchObject({ operation: "0x7f", opf: 0x7f, flagBits: 0xfe });
    expect(those(trace, "completion").map(({ index, status }) => [index, status])).toEqual([
      [3, "OK"],
      [5, "INVAL"],
      [6, "NOTSUPP"],
      [7, "PROTECTION"],
    ]);
    expect(those(trace, "fault")).toMatchObject([{ fault: "DESCRIPTOR_INDEX", disc: "/dev/d0" }]);
    expect(those(trace, "stopped")).toMatchObject([{ reason: stopped[0]?.reason, queue: 0 }]);
    const unknown = those(trace, "command").find(({ commandBits }) => commandBits === 2);
    expect(unknown?.command).toEqual(["0x2"]);
    expect(those(trace, "answer").at(-1)).toMatchObject({ status: "ERROR", statusBits: 0x100 });
  });

  test("a batch of more than a list is recorded whole", async () => {
    const trace = new Trace();
    const { bus, endpoint } = await makeEndpoint({ engine }, { trace });
    await endpoint.exportDisc("d0", NullDisc.create(DISC_BYTES), { queues: 2 });
    await endpoint.start();
    const rc = await RootComplex.probe(bus, { trace });
    const disk = await rc.attach("d0", { queues: 2, numDescriptors: 1024 });
    const queue = openBatchQueue(bus, disk.openQueue());
    const { byteOffset } = queue.allocate(512);
    for (let tag = 0; tag < 600; tag++) queue.put(Operation.READ, tag * 512, 512, byteOffset, tag);
    queue.submit();
    while (queue.inFlight > 0) queue.wait();
    queue.close();
    await rc.close();
    for (const side of ["endpoint", "root-complex"] as const) {
      const requests = those(trace, "descriptor", side);
      const sectors = requests.map(({ startSector }) => startSector);
      expect(sectors).toEqual(Array.from({ length: 600 }, (_, sector) => sector));
      const indices = requests.map(({ index }) => index);
      const ends = those(trace, "completion", side).map(({ index }) => index);
      expect(ends.sort((one, other) => one - other)).toEqual(
        indices.sort((one, other) => one - other),
      );
    }
  });
});

test("threads record into one trace, each by its name; what is taken and what is lost is all there was", async () => {
  const trace = new Trace({ records: 64 });
  const { bus, endpoint } = await makeEndpoint({}, { trace });
  await endpoint.exportDisc("d0", MemoryDisc.create(bus, DISC_BYTES), { queues: 3 });
  await endpoint.start();
  const rc = await RootComplex.probe(bus, { trace });
  afterThisTest(() => rc.close());
  const disk = await rc.attach("d0", { queues: 3, numDescriptors: 64 });
  const taken = trace.take();
  const start = (): Promise<unknown> => {
    const data: QueueThreadData = { bus: bus.handle, queue: disk.openQueue(), reads: 1000 };
    return startThread("../trace/queue-thread.ts", data).then(nextMessage);
  };
  let isDone = false;
  const done = Promise.all([start(), start()]).then(() => {
    isDone = true;
  });
  while (!isDone) {
    taken.push(...trace.take());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  // Workers are idle: a record that was begun is written.
  for (let look = 0; look < 3; look++) taken.push(...trace.take());
  expect(trace.recorded).toBeGreaterThan(8000);
  expect(taken.length + trace.lost).toBe(trace.recorded);
  expect(new Set(taken.map(({ thread }) => thread)).size).toBeGreaterThan(2);
  for (const record of taken) {
    if (record.event !== "descriptor") continue;
    expect(record).toMatchObject({ operation: "READ", lenBytes: 512, disc: "/dev/d0" });
    expect(record.startSector).toBeLessThan(1000);
  }
});

test("the oldest is overwritten where nobody takes it, and counted", async () => {
  const trace = new Trace({ records: 20 });
  expect(trace.capacity).toBe(32);
  const { bus, endpoint } = await makeEndpoint({}, { trace });
  await endpoint.exportDisc("d0", MemoryDisc.create(bus, DISC_BYTES));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("d0");
  for (let sector = 0; sector < 100; sector++) await disk.read(new Uint8Array(512), sector * 512);
  expect(trace.records()).toHaveLength(32);
  expect(trace.lost).toBe(trace.recorded - 32);
  expect(those(trace, "descriptor").at(-1)?.startSector).toBe(99);
  expect(trace.take()).toHaveLength(32);
  expect(trace.take()).toEqual([]);
  expect(trace.lost).toBe(trace.recorded - 32);
  await rc.close();
});

test("without a trace of its own a side records nothing, and a number of records out of range is refused", async () => {
  const trace = new Trace();
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("d0", MemoryDisc.create(bus, DISC_BYTES));
  await endpoint.start();
  const rc = await RootComplex.probe(bus, { trace });
  await (await rc.attach("d0")).read(new Uint8Array(512), 0);
  await rc.close();
  expect(trace.records().filter(({ side }) => side === "endpoint")).toEqual([]);
  expect(those(trace, "completion", "root-complex")).toHaveLength(1);
  expect(() => new Trace({ records: 15 })).toThrow(/records is 15/);
});
