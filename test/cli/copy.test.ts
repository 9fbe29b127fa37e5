// `blockpt copy`: what arrives, holes included, and what it says.

import { open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { CLI, type Ended, Place, until } from "./command-line.js";
import { allocatedBytes, makeSparse, writeMbr } from "./copy-images.js";
import { NO_TERMINAL, openTerminal } from "./terminal.js";

const KIB = 1024;
const MIB = 1024 * KIB;
/** A block at a time, and small ones: there is time to see it work. */
const SLOWLY = ["--queue-depth", "1", "--block-size", "4K"];
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

const write = (name: string, bytes: Uint8Array): Promise<void> =>
  writeFile(place.path(name), bytes);
const read = (name: string): Promise<Buffer> => readFile(place.path(name));

async function copy(...args: string[]): Promise<Ended> {
  const ended = await place.run(["copy", ...args]);
  expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
  return ended;
}

async function expectContents(name: string, bytes: Uint8Array): Promise<void> {
  // An assertion of the runner would print some millions of bytes.
  expect((await read(name)).equals(bytes), `${name} is as it should be`).toBe(true);
}

describe("a copy to a new file", () => {
  test.each([
    { what: "of one sector", sizeBytes: 512, options: [] },
    { what: "that ends in the middle of a block", sizeBytes: 5 * MIB + 7 * 512, options: [] },
    { what: "of small blocks, one at a time", sizeBytes: 300 * KIB, options: SLOWLY },
    {
      what: "of large blocks, many at a time",
      sizeBytes: 40 * MIB + 512,
      options: ["--queue-depth", "64", "--block-size", "16M", "--verify"],
    },
    { what: "by the other engine", sizeBytes: 3 * MIB, options: ["--engine", "typescript"] },
  ])("$what has the same bytes", async ({ sizeBytes, options }) => {
    const bytes = pattern(sizeBytes);
    await write("from", bytes);
    const { stdout } = await copy("from", "to", ...options);
    expect(stdout).toMatch(
      new RegExp(`^${sizeBytes} bytes copied, 0 of them zeros, in [\\d.]+ s, \\d+ MiB/s\n`),
    );
    expect(stdout.includes("verified: both are equal")).toBe(options.includes("--verify"));
    expect(stdout).not.toContain("\u001b");
    await expectContents("to", bytes);
  });

  test("keeps holes, and makes them where there were zeros", async ({ skip }) => {
    const data = pattern(4 * KIB);
    await makeSparse(place.path("from"), 64 * MIB, [
      [0, data],
      // Across the border of two blocks, zeros that are no hole, and the very end.
      [5 * MIB - 4 * KIB, data],
      [5 * MIB, data],
      [17 * MIB, new Uint8Array(2 * MIB)],
      [64 * MIB - 4 * KIB, data],
    ]);
    if ((await allocatedBytes(place.path("from"))) > 8 * MIB) return skip("no holes are kept here");
    const { stdout } = await copy("from", "to");
    expect(stdout).toContain(`${64 * MIB} bytes copied, ${64 * MIB - 16 * KIB} of them zeros`);
    await expectContents("to", await read("from"));
    expect(await allocatedBytes(place.path("to"))).toBeLessThan(MIB);
  });

  test("keeps the last byte of a block that is zeros before it", async () => {
    await makeSparse(place.path("from"), MIB, [[16 * KIB - 1, Uint8Array.of(1)]]);
    await copy("from", "to");
    await expectContents("to", await read("from"));
  });

  test("goes by paths with commas and equals signs", async () => {
    await write("a,b=c", pattern(512));
    await copy("a,,b=c", "d,,,,partition=1");
    await expectContents("d,,partition=1", pattern(512));
  });
});

describe("a copy to a file that is there", () => {
  test("overwrites its start, zeros as well, and leaves its size, its end and its holes", async () => {
    const old = pattern(64 * KIB, 2);
    await makeSparse(place.path("from"), 8 * MIB, [[2 * MIB, pattern(12 * KIB)]]);
    await makeSparse(place.path("to"), 64 * MIB, [
      [MIB, old],
      [2 * MIB, old],
      [8 * MIB - 512, old],
    ]);
    const expected = await read("to");
    (await read("from")).copy(expected);
    const { stdout } = await copy("from", "to");
    expect(stdout).toContain(`${8 * MIB - 12 * KIB} of them zeros`);
    await expectContents("to", expected);
    expect(await allocatedBytes(place.path("to"))).toBeLessThan(MIB);
  });
});

describe("partitions", () => {
  const FIRST = 64;
  const SECOND = 200;
  let disk: Buffer;
  let other: Uint8Array;

  beforeEach(async () => {
    disk = Buffer.from(pattern(512 * 512));
    writeMbr(disk, [
      [FIRST, 128],
      [SECOND, 300],
    ]);
    other = pattern(100 * 512, 3);
    await write("disk", disk);
    await write("other", other);
  });

  test.each(["disk,partition=2", "disk,partition=C0DEC402-02"])("%s is read", async (from) => {
    await copy(from, "to", "--verify");
    await expectContents("to", disk.subarray(SECOND * 512, (SECOND + 300) * 512));
    await expectContents("disk", disk);
  });

  test.each(["disk,partition=2", "disk,partition=c0dec402-02"])(
    "%s is written, and nothing beside it",
    async (to) => {
      await copy("other", to, "--verify");
      disk.set(other, SECOND * 512);
      await expectContents("disk", disk);
    },
  );

  test("of the same disk are copied to each other", async () => {
    await copy("disk,partition=1", "disk,partition=2", "--verify");
    disk.copy(disk, SECOND * 512, FIRST * 512, (FIRST + 128) * 512);
    await expectContents("disk", disk);
  });
});

describe("--json", () => {
  test("prints one document", async () => {
    await makeSparse(place.path("from"), 3 * MIB, [[MIB, pattern(8 * KIB)]]);
    const { stdout } = await copy("from", "to", "--json");
    expect(JSON.parse(stdout)).toEqual({
      source: "from",
      target: "to",
      bytes: 3 * MIB,
      dataBytes: 8 * KIB,
      zeroBytes: 3 * MIB - 8 * KIB,
      seconds: expect.any(Number),
      mibPerSecond: expect.any(Number),
      verified: null,
    });
  });

  test("says that both were found equal", async () => {
    await write("from", pattern(512));
    const { stdout } = await copy("from", "to", "--json", "--verify");
    expect(JSON.parse(stdout)).toMatchObject({ dataBytes: 512, zeroBytes: 0, verified: true });
  });

  test("says that both differ, which exits 1 and removes the new file", async () => {
    await makeSparse(place.path("from"), 32 * MIB, [[0, pattern(4 * KIB)]]);
    const copying = place.start(["copy", "from", "to", "--json", "--verify", ...SLOWLY]);
    await until(async () => (await allocatedBytes(place.path("to"))) > 0);
    // Its first block is copied, most others are not: what is read again is something else.
    const file = await open(place.path("from"), "r+");
    await file.write(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 0, 8, 512);
    await file.close();
    const { exitCode, stdout, stderr } = await copying.ended;
    expect(JSON.parse(stdout)).toMatchObject({ bytes: 32 * MIB, verified: false });
    expect(stderr).toMatch(
      /^blockpt: ERR_COPY_VERIFY: to differs from from, first at byte 51\d\n$/,
    );
    expect(exitCode).toBe(1);
    await expect(stat(place.path("to"))).rejects.toThrow("ENOENT");
  });
});

describe("on a terminal", () => {
  test("a bar shows how much, how fast and how long yet; Ctrl-C leaves neither file nor hidden cursor", async ({
    skip,
  }) => {
    await makeSparse(place.path("from"), 1024 * MIB, [[0, pattern(MIB)]]);
    const terminal = await openTerminal(place, { columns: 80, rows: 20 });
    if (terminal === undefined) return skip(NO_TERMINAL);
    try {
      const command = `'${process.execPath}' '${CLI}' copy from`;
      await terminal.type(`${command} to ${SLOWLY.join(" ")}; echo co''de $?`, "Enter");
      const bar = / {2}\[=* *\] \d+% {2}\d+ of 1024 MiB {2}\d+ MiB\/s {2}\d+:\d\d left$/m;
      await until(async () => bar.test(await terminal.screen()));
      expect(await terminal.state("#{cursor_flag}")).toBe("0");
      await terminal.type("C-c");
      const interrupted = await terminal.shows("code 130");
      // Drawn over and over on one line.
      expect(interrupted.match(/MiB\/s/g)).toHaveLength(1);
      expect(await terminal.state("#{cursor_flag}")).toBe("1");
      expect(await readdir(place.directory)).not.toContain("to");

      await terminal.type(
        `clear; truncate -s 1M from; ${command} to --verify; echo do''ne`,
        "Enter",
      );
      const done = (await terminal.shows("done")).split("\n");
      expect(done.filter((line) => /^ {2}\[={24}\] 100% {2}1 of 1 MiB /.test(line))).toHaveLength(
        2,
      );
      expect(done).toContain("verified: both are equal");
    } finally {
      await terminal.close();
    }
  });
});
