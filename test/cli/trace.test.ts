// `--trace` and `blockpt trace`: sessions are recorded, shown, counted and done again.

import { readFile, writeFile } from "node:fs/promises";
import { readTraceFile } from "blockpt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { type Ended, Place } from "./command-line.js";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

const SIZE_BYTES = 3 * 1024 * 1024;

/** A copy of an image, recorded. */
async function recordCopy(...options: string[]): Promise<Ended> {
  await writeFile(place.path("disk.img"), pattern(SIZE_BYTES));
  const args = ["copy", "disk.img", "copy.img", "--block-size", "64K", "--trace", "copy.trace"];
  return place.run([...args, ...options]);
}

const trace = (...args: string[]): Promise<Ended> => place.run(["trace", ...args]);

test("a copy is recorded, shown, filtered, and counted", async () => {
  const recorded = await recordCopy();
  expect(recorded).toMatchObject({ exitCode: 0 });
  expect(recorded.stderr).toMatch(/^blockpt: copy\.trace: \d+ records, none lost\n$/);

  const all = await trace("show", "copy.trace");
  expect(all).toMatchObject({ exitCode: 0, stderr: "" });
  expect(all.stdout).toContain("command SET_QUEUE + SET_IRQ devIdx=0 qidx=0 queueOffset=0");
  expect(all.stdout).toMatch(
    / {2}RC {2}\/dev\/source queue 0 {2}request +\d+ {2}READ sector 128, 65536 /,
  );
  expect(all.stdout).toMatch(
    /EP {2}\/dev\/target queue 0 {2}done +\d+ {2}OK {2}[\d.]+ µs {2}WRITE /,
  );

  const filter = ["--side", "root-complex", "--disc", "source", "--event", "descriptor", "--json"];
  const some = await trace("show", "copy.trace", ...filter);
  const records = some.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(records).toHaveLength(SIZE_BYTES / 65536);
  expect(records[0]).toMatchObject({ event: "descriptor", operation: "READ", lenBytes: 65536 });
  const tail = await trace("show", "copy.trace", "--tail", "3");
  expect(tail.stdout).toBe(`${all.stdout.trimEnd().split("\n").slice(-3).join("\n")}\n`);

  const counted = await trace("stats", "copy.trace", "--json", "--svg", "plot.svg");
  const stats = JSON.parse(counted.stdout);
  expect(stats).toMatchObject({
    lost: 0,
    unanswered: 0,
    faults: [],
    timeline: { side: "root-complex" },
  });
  const reads = { operation: "READ", count: SIZE_BYTES / 65536, bytes: SIZE_BYTES, errors: {} };
  expect(stats.requests).toContainEqual(expect.objectContaining({ side: "endpoint", ...reads }));
  expect(stats.requests).toContainEqual(
    expect.objectContaining({ side: "root-complex", ...reads }),
  );
  const depths = stats.timeline.moments.map(({ depth }: { depth: number }) => depth);
  expect(Math.max(...depths)).toBeGreaterThan(1);
  expect(await readFile(place.path("plot.svg"), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
  const shown = await trace("stats", "copy.trace");
  expect(shown.stdout).toMatch(/RC {4}\/dev\/source +0 +READ +48 +3M /);
  expect(shown.stdout).toContain("Requests in flight at the root complex");
});

describe.each(["root-complex", "endpoint"])("a replay, side %s", (side) => {
  test("comes out as it was, at once and in its own time", async () => {
    await recordCopy();
    for (const options of [[], ["--timing", "recorded", "--engine", "typescript"]]) {
      const replayed = await trace("replay", "copy.trace", "--side", side, "--json", ...options);
      expect(replayed).toMatchObject({ exitCode: 0, stderr: "" });
      expect(JSON.parse(replayed.stdout)).toMatchObject({ side, requests: 97, differences: [] });
    }
  });
});

test("a replay finds what is answered otherwise", async () => {
  await recordCopy();
  // The recorded status of the first write that the root complex saw answered.
  const bytes = await readFile(place.path("copy.trace"));
  const records = [...readTraceFile(place.path("copy.trace")).records()];
  const write = records.find(
    (record) =>
      record.event === "descriptor" &&
      record.side === "root-complex" &&
      record.operation === "WRITE",
  );
  const headerBytes = bytes.readUInt32LE(16);
  let changed = 0;
  for (let at = headerBytes; at < bytes.length && changed === 0; at += 64) {
    const [event, recordSide] = [bytes.readUInt8(at + 4), bytes.readUInt8(at + 5)];
    const isEnd = event === 10 && recordSide === 2;
    const isOfWrite = isEnd && bytes.readDoubleLE(at + 8) > (write as { timeUs: number }).timeUs;
    if (!isOfWrite) continue;
    changed = bytes.writeUInt32LE(3, at + 24);
  }
  expect(changed).toBeGreaterThan(0);
  await writeFile(place.path("planted.trace"), bytes);

  const found = await trace("replay", "planted.trace", "--json");
  expect(found.exitCode).toBe(1);
  expect(found.stderr).toBe(
    "blockpt: ERR_TRACE_DIFFERS: 1 answer differs from what planted.trace has\n",
  );
  expect(JSON.parse(found.stdout).differences).toMatchObject([
    { recorded: "NOSPC", replayed: "OK" },
  ]);
  // The other side answers what is recorded, and so does not differ.
  const answered = await trace("replay", "planted.trace", "--side", "endpoint");
  expect(answered).toMatchObject({ exitCode: 0, stderr: "" });

  // And a disc that is shorter than it was.
  const short = await trace("replay", "copy.trace", "--disc", "target=memory:64K");
  expect(short.exitCode).toBe(1);
  expect(short.stdout).toMatch(/num_sectors 6144, is num_sectors 128/);
  expect(short.stdout).toMatch(/target queue 0: WRITE sector \d+, 65536 .*: was OK, is INVAL/);
});

test("what runs is recorded until it is interrupted", async () => {
  const options = ["--disc", "ram0=memory:1M", "--trace", "run.trace"];
  const running = await place.startRun(options);
  running.kill("SIGTERM");
  const { exitCode, stderr } = await running.ended;
  expect({ exitCode, stderr }).toEqual({
    exitCode: 143,
    stderr: expect.stringMatching(/^blockpt: run\.trace: \d+ records, none lost\n$/),
  });
  const { stdout } = await trace("show", "run.trace", "--event", "command", "--side", "endpoint");
  expect(stdout).toMatch(/command STOP devIdx=0\n$/);
});

test("a bench of one engine is recorded, with few records some are lost, and that is said", async () => {
  const bench = ["bench", "--seconds", "0.01", "--rounds", "1", "--trace", "bench.trace", "--json"];
  const both = await place.run(bench);
  expect(both).toMatchObject({ exitCode: 2, stdout: "" });
  expect(both.stderr).toContain("--trace takes one engine");
  const one = await place.run([...bench, "--engine", "typescript", "--trace-records", "16"]);
  expect(one.exitCode).toBe(0);
  expect(one.stderr).toMatch(/records, \d+ of them lost; raise --trace-records\n$/);
  const { stdout } = await trace("show", "bench.trace", "--event", "lost");
  expect(stdout).toMatch(/\d+ records were lost here/);
});

test("what is no trace is not overwritten, and not read", async () => {
  const refused = await recordCopy("--trace", "disk.img");
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain("ERR_BLOCKPT_TRACE_FILE: disk.img cannot be written");
  expect((await readFile(place.path("disk.img"))).equals(pattern(SIZE_BYTES))).toBe(true);
  const unread = await trace("show", "disk.img");
  expect(unread).toMatchObject({ exitCode: 1, stdout: "" });
  expect(unread.stderr).toBe(
    "blockpt: ERR_BLOCKPT_TRACE_FILE: disk.img cannot be read: it is no trace\n",
  );
});
