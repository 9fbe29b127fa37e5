// A trace file: what is in it is what was recorded, and one that is damaged says so.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  MemoryDisc,
  RootComplex,
  readTraceFile,
  Trace,
  TraceFile,
  type TraceRecord,
} from "blockpt";
import { expect, test } from "vitest";
import { makeEndpoint, makeImage } from "../api/rig.js";

const LONG = `/dev/${"n".repeat(58)}`;
const FILE = { code: "ERR_BLOCKPT_TRACE_FILE" };

/** Records a short session, into a file. */
async function record(records?: number): Promise<{ path: string; trace: Trace }> {
  const path = join(dirname(makeImage(new Uint8Array(512))), "session.trace");
  const trace = new Trace({ records });
  const { bus, endpoint } = await makeEndpoint({}, { trace });
  const file = TraceFile.create(path, trace, bus);
  await endpoint.exportDisc("d0", MemoryDisc.create(bus, 65536), { discName: LONG });
  await endpoint.start();
  const rc = await RootComplex.probe(bus, { trace });
  const disk = await rc.attach(LONG, { numDescriptors: 256 });
  const reads = Array.from({ length: 100 }, (_, sector) =>
    disk.read(new Uint8Array(512), (sector % 128) * 512),
  );
  await Promise.all(reads);
  await rc.close();
  await endpoint.close();
  file.close();
  return { path, trace };
}

test("has the records that the trace had, names that span records, and the bus", async () => {
  const { path, trace } = await record();
  const { header, cutBytes, records } = readTraceFile(path);
  expect(header).toMatchObject({
    startedAt: trace.startedAt.toISOString(),
    bar: { length: 131072 },
    hostMemory: { length: 4 * 1024 * 1024 },
  });
  expect(cutBytes).toBe(0);
  const read = [...records()];
  expect(read).toEqual(trace.records());
  expect(read.some((each) => "disc" in each && each.disc === LONG)).toBe(true);
});

test("says where records were lost, and how many", async () => {
  const { path, trace } = await record(16);
  const read = [...readTraceFile(path).records()];
  const lost = read.reduce((sum, each) => sum + (each.event === "lost" ? each.count : 0), 0);
  expect(lost).toBeGreaterThan(0);
  expect(lost).toBe(trace.lost);
  expect(read.filter(({ event }) => event !== "lost").length + lost).toBe(trace.recorded);
});

test("that was cut off is read as far as it is whole", async () => {
  const { path, trace } = await record();
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length - 100));
  const { cutBytes, records } = readTraceFile(path);
  expect(cutBytes).toBe(28);
  expect([...records()]).toEqual(trace.records().slice(0, -2));
});

test("that is damaged is refused, with what is wrong", async () => {
  const { path } = await record();
  const bytes = readFileSync(path);
  const damaged = (change: (copy: Buffer) => Buffer | undefined): (() => unknown) => {
    const copy = Buffer.from(bytes);
    writeFileSync(path, change(copy) ?? copy);
    return () => [...readTraceFile(path).records()];
  };
  const expectRefusal = (read: () => unknown, why: RegExp): void => {
    expect(read).toThrow(expect.objectContaining(FILE));
    expect(read).toThrow(why);
  };
  expectRefusal(
    damaged((copy) => void copy.write("x")),
    /it is no trace/,
  );
  expectRefusal(
    damaged((copy) => void copy.writeUInt32LE(2, 8)),
    /version 2 .* reads 1/,
  );
  expectRefusal(
    damaged((copy) => void copy.writeUInt32LE(48, 12)),
    /header makes no sense/,
  );
  expectRefusal(
    damaged((copy) => void copy.writeUInt32LE(2 ** 31, 16)),
    /header makes no sense/,
  );
  expectRefusal(
    damaged((copy) => void copy.write("x", 24)),
    /header makes no sense/,
  );
  expectRefusal(
    damaged((copy) => void copy.write('{} "', 24)),
    /header makes no sense/,
  );
  expectRefusal(
    damaged((copy) => copy.subarray(0, 30)),
    /ends within its header/,
  );
  expectRefusal(
    damaged((copy) => copy.subarray(0, 10)),
    /ends within its header/,
  );
  expectRefusal(
    damaged((copy) => copy.subarray(0, 0)),
    /it is no trace/,
  );
  const last = bytes.length - 64;
  expectRefusal(
    damaged((copy) => void copy.writeUInt8(99, last + 4)),
    /record \d+ of \d+ makes no/,
  );
  expect(() => readTraceFile(`${path}.absent`)).toThrow(/ENOENT/);
});

test("is overwritten by another one, and nothing else is", async () => {
  const { path } = await record();
  const { bus } = await makeEndpoint();
  const size = statSync(path).size;
  TraceFile.create(path, new Trace(), bus).close();
  expect(statSync(path).size).toBeLessThan(size);
  expect([...readTraceFile(path).records()]).toEqual<TraceRecord[]>([]);
  const image = makeImage(new Uint8Array(512).fill(7));
  expect(() => TraceFile.create(image, new Trace(), bus)).toThrow(/no trace: remove it first/);
  expect(readFileSync(image).every((byte) => byte === 7)).toBe(true);
  expect(() => TraceFile.create(dirname(image), new Trace(), bus)).toThrow(
    expect.objectContaining(FILE),
  );
});
