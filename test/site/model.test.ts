// What the bench page computes, without a browser.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { encodeDescriptor, Operation } from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { COMPARISON_JOBS, rowOf } from "../../ts/site/model/comparison.js";
import { fieldsOf, hexLines, statusWords } from "../../ts/site/model/descriptor-view.js";
import { type Environment, lacksOf } from "../../ts/site/model/environment.js";
import { formatMibPerSecond, formatMicroseconds, formatRate } from "../../ts/site/model/format.js";
import {
  attachCommand,
  detachCommand,
  exportCommands,
  faultCommand,
  MOST_ENTRIES,
  PROBE_COMMAND,
  STOP_COMMAND,
  UNPROBE_COMMAND,
  withEntry,
} from "../../ts/site/model/log.js";
import { registerRows, takeChanges } from "../../ts/site/model/registers.js";
import {
  arcPath,
  isAtRest,
  mostInFlight,
  readPositions,
  slotDashes,
  type Trail,
  withPositions,
} from "../../ts/site/model/rings.js";
import { NOTHING, sampleOf, withSample } from "../../ts/site/model/series.js";
import { discNameOf, endpointMemoryBytesFor, sourceOf } from "../../ts/site/model/source.js";
import { descriptorOf, FIRST_REQUEST } from "../../ts/site/model/step.js";
import { apiOf, objection } from "../../ts/site/model/workload.js";

const PAGE = "https://example.org/bench/";
const form = {
  kind: "memory",
  sizeMib: 64,
  file: undefined,
  path: "a/disk.img",
  url: "x.img",
} as const;

describe("the environment", () => {
  const all: Environment = {
    isSecure: true,
    isIsolated: true,
    hasSharedMemory: true,
    hasWasm: true,
    hasOpfs: true,
  };

  test("nothing is missing where all is there", () => expect(lacksOf(all)).toEqual([]));

  test("what stops everything is told from what does not", () => {
    const fatal = (lacking: Partial<Environment>): boolean[] =>
      lacksOf({ ...all, ...lacking }).map(({ isFatal }) => isFatal);
    expect(fatal({ isIsolated: false, hasSharedMemory: false })).toEqual([true]);
    expect(fatal({ isSecure: false, isIsolated: false })).toEqual([true, true]);
    expect(fatal({ hasWasm: false })).toEqual([false]);
    expect(fatal({ hasOpfs: false })).toEqual([false]);
  });
});

describe("the disc", () => {
  test.each([
    [{}, { kind: "memory", sizeBytes: 64 * 1024 * 1024 }],
    [{ sizeMib: 0 }, "The size is a whole number of MiB from 1 to 2048."],
    [{ sizeMib: 2049 }, "The size is a whole number of MiB from 1 to 2048."],
    [{ sizeMib: Number.NaN }, "The size is a whole number of MiB from 1 to 2048."],
    [
      { kind: "null", sizeMib: 2049 },
      { kind: "null", sizeBytes: 2049 * 1024 * 1024 },
    ],
    [{ kind: "file" }, "Pick a file, or drop one on the page."],
    [{ kind: "opfs", path: " " }, "Give the file a name."],
    [{ kind: "http", url: "" }, "Give the address of an image."],
    [{ kind: "http", url: "http://[" }, "That is no address."],
    [{ kind: "http" }, { kind: "http", url: "https://example.org/bench/x.img" }],
  ] as const)("%o is %o", (changes, source) => {
    expect(sourceOf({ ...form, ...changes }, PAGE)).toEqual(source);
  });

  test("its name can stand in the register, whatever the file is called", () => {
    const file = (fileName: string) => discNameOf({ kind: "file", file: new Blob(), fileName });
    expect(file("disk.img")).toBe("disk.img");
    expect(file("my disk; of ü.img")).toBe("my-disk-of-.img");
    expect(file("x".repeat(99))).toHaveLength(40);
    expect(file("")).toBe("disc0");
    expect(discNameOf({ kind: "http", url: "https://example.org/a/b.img?x=1" })).toBe("b.img");
    expect(discNameOf({ kind: "opfs", path: "images/c.img", sizeBytes: 512 })).toBe("c.img");
  });

  test("endpoint memory is for memory discs, in whole pages", () => {
    expect(endpointMemoryBytesFor({ kind: "memory", sizeBytes: 65537 }) % 65536).toBe(0);
    expect(endpointMemoryBytesFor({ kind: "memory", sizeBytes: 65537 })).toBeGreaterThan(131071);
    expect(endpointMemoryBytesFor({ kind: "null", sizeBytes: 2 ** 40 })).toBe(65536);
  });
});

describe("rings", () => {
  const place = { numDescriptors: 16, driverRing: 0, deviceRing: 40 };
  const bar = (driverIdx: number, deviceIdx: number): Uint16Array => {
    const words = new Uint16Array(new SharedArrayBuffer(128));
    words[0] = driverIdx;
    words[20] = deviceIdx;
    return words;
  };

  test.each([
    [3, 1, 2],
    [1, 15, 2],
    [0, 0, 0],
    [15, 0, 15],
    [16, 0, undefined],
    [0, 0xffff, undefined],
  ])("driver at %i, device at %i: %s in flight", (driverIdx, deviceIdx, inFlight) => {
    const positions = readPositions(bar(driverIdx, deviceIdx), place);
    expect(positions).toEqual({ driverIdx, deviceIdx, inFlight, gone: deviceIdx === 0xffff });
  });

  test("what was in flight is seen for some frames, and then all is at rest", () => {
    const busy = readPositions(bar(9, 1), place);
    const idle = readPositions(bar(9, 9), place);
    let trail: Trail = withPositions(undefined, busy);
    trail = withPositions(trail, idle);
    expect(mostInFlight(trail)).toBe(8);
    expect(isAtRest(trail, idle)).toBe(false);
    for (let frame = 0; frame < 13; frame++) trail = withPositions(trail, idle);
    expect(mostInFlight(trail)).toBe(0);
    expect(isAtRest(trail, idle)).toBe(true);
  });

  test("arcs go clockwise from the top", () => {
    expect(arcPath(10, 0, 0)).toBe("");
    expect(arcPath(10, 0, 0.25)).toBe("M 0.00 -10.00 A 10 10 0 0 1 10.00 -0.00");
    expect(arcPath(10, 0.5, 0.75)).toBe("M 0.00 10.00 A 10 10 0 1 1 10.00 -0.00");
  });

  test("slots are drawn while they can be told apart", () => {
    expect(slotDashes(78, 16)).toBe("28.131 2.500");
    expect(slotDashes(78, 64)).toBeDefined();
    expect(slotDashes(78, 65)).toBeUndefined();
  });
});

test("a register that changes is counted, and the others stay what they were", () => {
  const bar = new DataView(new ArrayBuffer(1152));
  const before = registerRows(bar, []);
  bar.setUint32(0x18, 64, true);
  const after = registerRows(bar, before);
  const changed = after.filter((row) => !before.includes(row));
  expect(changed).toMatchObject([{ name: "num_desc", value: "0x00000040", changes: 1 }]);
  const kept = new Uint8Array(4);
  expect(takeChanges(kept, Uint8Array.of(0, 1, 0, 0))).toBe(true);
  expect(takeChanges(kept, Uint8Array.of(0, 1, 0, 0))).toBe(false);
});

describe("a workload", () => {
  const settings = {
    mode: "promises",
    isRandom: true,
    readPercent: 100,
    blockBytes: 4096,
    depth: 8,
    queues: 1,
  } as const;
  const disk = {
    sizeBytes: 1024 * 1024,
    readOnly: true,
    workerQueues: 1,
    numDescriptors: 16,
    hostMemoryBytes: 64 * 1024 * 1024,
  };

  test.each([
    [{}, undefined],
    [{ readPercent: 90 }, "read-only"],
    [{ queues: 2 }, "1 queue for workers"],
    [{ mode: "page", queues: 2 }, undefined],
    [{ depth: 15 }, undefined],
    [{ depth: 16 }, "at most 15"],
    [{ blockBytes: 2 * 1024 * 1024 }, "smaller than a block"],
  ] as const)("%o: %s", (changes, why) => {
    const said = objection({ ...settings, ...changes }, disk);
    if (why === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(why);
  });

  test("more than one at a time, in calls that block, are lists", () => {
    expect(apiOf("synchronous", 1)).toBe("sync");
    expect(apiOf("synchronous", 2)).toBe("batch");
    expect(apiOf("page", 2)).toBe("promise");
  });

  test("a sample adds up what the queues did at the same time", () => {
    const tick = (requests: number, ...latencies: number[]) => ({
      ...{ requests, milliseconds: 200, others: 7, errors: 1, firstError: "no" },
      latencies: Float64Array.from(latencies),
    });
    const sample = sampleOf([tick(100, 1, 2), tick(300, 3)], 1024 * 1024, 0.25);
    expect(sample).toMatchObject({ iops: 2000, mibPerSecond: 2000, p50: 2, errors: 2 });
    const one = withSample(NOTHING, sample, 414);
    const two = withSample(one, { ...sample, iops: 1000, seconds: 0.5 }, 200);
    expect(two).toMatchObject({ requests: 614, errors: 4, meanIops: 1500, mostIops: 2000 });
  });
});

test("the comparison has every size, depth and way; a ratio is of figures of one round", () => {
  expect(COMPARISON_JOBS).toHaveLength(12);
  const [job] = COMPARISON_JOBS;
  if (job === undefined) throw new Error("no job");
  // The second round was disturbed, both figures of it.
  const row = rowOf(job, { wasm: [300, 30, 330], typescript: [100, 10, 110] });
  expect(row).toMatchObject({ wasm: 300, typescript: 100, ratio: 3 });
});

describe("a descriptor", () => {
  const bytes = new Uint8Array(24);
  encodeDescriptor(bytes, 0, descriptorOf({ ...FIRST_REQUEST, opf: Operation.WRITE }, 0x12000));

  test("in its fields, which are all of its bytes", () => {
    const fields = fieldsOf(bytes, false);
    expect(fields.flatMap((field) => field.bytes)).toEqual([...bytes]);
    expect(fields.map(({ name, offset }) => `${offset} ${name}`)).toEqual([
      ...["0 s_sector", "8 addr", "16 len", "20 opf", "21 status", "22 flags", "23 reserved"],
    ]);
    expect(fields[1]?.value).toBe("0x12000");
    expect(fields[4]?.meaning).toBe("the endpoint writes the result here");
    expect(fieldsOf(bytes, true)[4]?.meaning).toContain("not answered yet");
  });

  test("without data it has no address", () => {
    expect(descriptorOf({ ...FIRST_REQUEST, opf: Operation.FLUSH }, 4096).address).toBe(0n);
  });

  test("statuses in words, and what is none", () => {
    expect(statusWords(0)).toBe("OK: done");
    expect(statusWords(19)).toBe("INVAL: the request makes no sense");
  });
});

test("bytes as hexdump has them", () => {
  expect(hexLines(new TextEncoder().encode("hello\0world, and more"), 0x200)).toEqual([
    "00000200  68 65 6c 6c 6f 00 77 6f  72 6c 64 2c 20 61 6e 64  |hello.world, and|",
    "00000210  20 6d 6f 72 65                                    | more|",
  ]);
  expect(hexLines(new TextEncoder().encode("hello"), 0, 8)).toEqual([
    "00000000  68 65 6c 6c 6f           |hello|",
  ]);
});

test("the log forgets the oldest, and numbers on", () => {
  let log: ReturnType<typeof withEntry> = [];
  for (let line = 0; line < MOST_ENTRIES + 5; line++) log = withEntry(log, "note", `${line}`, 0);
  expect(log).toHaveLength(MOST_ENTRIES);
  expect(log.at(-1)).toMatchObject({ id: MOST_ENTRIES + 5, text: `${MOST_ENTRIES + 4}` });
});

test("the commands of the log are what the shell takes", async () => {
  const lines = [
    ...exportCommands("ram0", true, 3),
    PROBE_COMMAND,
    attachCommand("ram0"),
    "lsblk -n",
    faultCommand("ram0", ["error=MEDIUM:read", "delay=1ms"]),
    "cat functions/pci_epf_blockpt/func1/ram0/fault",
    faultCommand("ram0", []),
    detachCommand("ram0"),
    UNPROBE_COMMAND,
    STOP_COMMAND,
  ];
  const cli = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
  const args = [cli, "sh", "--disc", "ram0=memory:1M", "-c", `set -e\n${lines.join("\n")}`];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toMatch(/pci-rd-ram0 .* 1M +1 disk/);
  expect(stdout).toContain("error=MEDIUM:read\ndelay=1ms");
});

test("numbers have three digits that matter, and a unit", () => {
  expect([870, 12_345, 1_234_567].map(formatRate)).toEqual(["870", "12.3 k", "1.23 M"]);
  expect([1.234, 99.96, 1500, 2.5e6].map(formatMicroseconds)).toEqual([
    ...["1.23 µs", "100 µs", "1.50 ms", "2.50 s"],
  ]);
  expect([0.5, 2048].map(formatMibPerSecond)).toEqual(["0.50 MiB/s", "2.00 GiB/s"]);
  expect(formatRate(Number.NaN)).toBe("–");
});
