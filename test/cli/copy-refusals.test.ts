// What `blockpt copy` refuses, and what it leaves when it fails or is interrupted.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { type Ended, Place, until } from "./command-line.js";
import { allocatedBytes, makeSparse, writeMbr } from "./copy-images.js";

const MIB = 1024 * 1024;
const SLOWLY = ["--queue-depth", "1", "--block-size", "4K"];
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

const copy = (...args: string[]): Promise<Ended> => place.run(["copy", ...args]);

/** An image with two partitions: sectors 64 to 191, and 200 to 499. */
function makeDisk(name: string): Buffer {
  const disk = Buffer.from(pattern(512 * 512));
  writeMbr(disk, [
    [64, 128],
    [200, 300],
  ]);
  writeFileSync(place.path(name), disk);
  return disk;
}

describe("what would destroy data exits 1, and destroys none", () => {
  test.each([
    { why: "the same file", from: "disk", to: "disk" },
    { why: "the same file, by a path with dots", from: "disk", to: "./disk" },
    { why: "the same file, by a link", from: "disk", to: "symbolic" },
    { why: "the same file, by another name", from: "hard", to: "disk" },
    { why: "a disk onto its partition", from: "disk", to: "disk,partition=2" },
    { why: "a partition onto its disk", from: "disk,partition=2", to: "hard" },
    { why: "the same partition", from: "disk,partition=1", to: "disk,partition=c0dec402-01" },
  ])("$why: ERR_COPY_SAME", async ({ from, to }) => {
    const disk = makeDisk("disk");
    symlinkSync("disk", place.path("symbolic"));
    linkSync(place.path("disk"), place.path("hard"));
    const { exitCode, stdout, stderr } = await copy(from, to);
    expect(stderr).toBe(`blockpt: ERR_COPY_SAME: ${from} and ${to} have bytes in common\n`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(readFileSync(place.path("disk")).equals(disk)).toBe(true);
  });

  test.each([
    { from: "from", to: "small", sizes: [512, 511] },
    { from: "from", to: "disk,partition=2", sizes: [512, 300] },
    { from: "disk,partition=2", to: "disk,partition=1", sizes: [300, 128] },
  ])("a target that is too small, $from to $to: ERR_COPY_SIZE", async ({ from, to, sizes }) => {
    const disk = makeDisk("disk");
    writeFileSync(place.path("from"), pattern(512 * 512, 7));
    writeFileSync(place.path("small"), new Uint8Array(511 * 512));
    const { exitCode, stderr } = await copy(from, to);
    const [ours, its] = sizes.map((sectors) => `${sectors * 512}`);
    expect(stderr).toBe(
      `blockpt: ERR_COPY_SIZE: ${to} is too small: it has ${its} bytes, ${from} has ${ours}\n`,
    );
    expect(exitCode).toBe(1);
    expect(readFileSync(place.path("disk")).equals(disk)).toBe(true);
    expect(readFileSync(place.path("small")).every((byte) => byte === 0)).toBe(true);
  });
});

describe("what is not there exits 1, and nothing is made", () => {
  test.each([
    { what: "a source", from: "none", to: "to", complaint: /ERR_BLOCKPT_DISC_OPEN: none / },
    { what: "a partition", from: "disk,partition=3", to: "to", complaint: /its MBR has 1, 2$/m },
    {
      what: "a partition of a new file",
      from: "disk",
      to: "to,partition=1",
      complaint: /ERR_COPY_TARGET: to is not there, so it has no partition 1$/m,
    },
    { what: "a directory", from: "disk", to: "none/to", complaint: /ENOENT: none\/to cannot be/ },
    { what: "a byte of a source", from: "empty", to: "to", complaint: /empty is empty/ },
  ])("$what", async ({ from, to, complaint }) => {
    makeDisk("disk");
    writeFileSync(place.path("empty"), "");
    const { exitCode, stdout, stderr } = await copy(from, to);
    expect(stderr).toMatch(/^blockpt: [^\n]*\n$/);
    expect(stderr).toMatch(complaint);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(readdirSync(place.directory).sort()).toEqual(["disk", "empty"]);
  });
});

describe("what cannot be understood exits 2 with one line", () => {
  test.each([
    [[], "missing required argument 'SRC'"],
    [["a"], "missing required argument 'DST'"],
    [["a", "b", "c"], "too many arguments"],
    [["a", ""], "path of a file or a block device, an NBD URI or a URL is wanted"],
    [["memory:64M", "b"], "a file that is called so is ./memory:64M"],
    [["a", "opfs:b"], "a file that is called so is ./opfs:b"],
    [["a", "MEMORY:64M"], "a file that is called so is ./MEMORY:64M"],
    [["a", "-"], "a file that is called so is ./-"],
    [["a,ro", "b"], '"ro" is no option of a disc: partition may stand there'],
    [["a,partition=0", "b"], "a number from 1 on, or a UUID"],
    [["a", "b,partition"], "a number from 1 on, or a UUID"],
    [["a", "b", "--queue-depth", "0"], "from 1 to 64"],
    [["a", "b", "--queue-depth", "65"], "from 1 to 64"],
    [["a", "b", "--block-size", "0"], "a multiple of 4096 and at most 16M"],
    [["a", "b", "--block-size", "5000"], "a multiple of 4096 and at most 16M"],
    [["a", "b", "--block-size", "17M"], "a multiple of 4096 and at most 16M"],
    [["a", "b", "--engine", "rust"], "Allowed choices are auto, wasm, typescript"],
  ])("%j", async (args, complaint) => {
    const { exitCode, stdout, stderr } = await copy(...args);
    expect(stderr).toMatch(/^blockpt: ERR_USAGE: [^\n]*; see blockpt --help\n$/);
    expect(stderr).toContain(complaint);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(readdirSync(place.directory)).toEqual([]);
  });
});

describe("in the middle of a copy", () => {
  const SIZE_BYTES = 1024 * MIB;

  /** A copy that takes a while, of which something is written already. */
  async function started(target: string) {
    await makeSparse(place.path("from"), SIZE_BYTES, [[0, pattern(MIB)]]);
    const copying = place.start(["copy", "from", target, ...SLOWLY]);
    await until(async () => (await allocatedBytes(place.path(target))) > 0);
    return copying;
  }

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s removes the new file, and exits %i", async (signal, exitCode) => {
    const copying = await started("to");
    copying.kill(signal);
    expect(await copying.ended).toEqual({ exitCode, stdout: "", stderr: "" });
    expect(readdirSync(place.directory)).toEqual(["from"]);
  });

  test("a failure removes the new file, and says where it was", async () => {
    const copying = await started("to");
    truncateSync(place.path("from"), MIB);
    const { exitCode, stdout, stderr } = await copying.ended;
    expect(stderr).toMatch(/^blockpt: ERR_BLOCKPT_IO: reading from at byte \d+: [^\n]*\n$/);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(readdirSync(place.directory)).toEqual(["from"]);
  });

  test("SIGINT leaves a file that was there before", async () => {
    await makeSparse(place.path("to"), SIZE_BYTES);
    const copying = await started("to");
    copying.kill("SIGINT");
    expect(await copying.ended).toMatchObject({ exitCode: 130, stderr: "" });
    expect(readdirSync(place.directory)).toEqual(["from", "to"]);
  });
});

describe("block devices", () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });

  /** A loop device over a file; undefined if none can be made, as without root. */
  function loopDevice(name: string, ...options: string[]): string | undefined {
    try {
      const args = ["--find", "--show", ...options, place.path(name)];
      const stdio = ["ignore", "pipe", "ignore"] as const;
      const device = execFileSync("losetup", args, { encoding: "utf8", stdio: [...stdio] }).trim();
      cleanups.push(() => execFileSync("losetup", ["--detach", device]));
      return device;
    } catch {
      return undefined;
    }
  }

  const NO_LOOP = "no loop device can be made here: it takes root and losetup";

  test("are written and read like files", async ({ skip }) => {
    writeFileSync(place.path("back"), new Uint8Array(4 * MIB));
    writeFileSync(place.path("from"), pattern(3 * MIB));
    const device = loopDevice("back");
    if (device === undefined) return skip(NO_LOOP);
    expect(await copy("from", device, "--verify")).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await copy(device, "to", "--verify")).toMatchObject({ exitCode: 0, stderr: "" });
    const copied = readFileSync(place.path("to"));
    expect(copied).toHaveLength(4 * MIB);
    expect(copied.subarray(0, 3 * MIB).equals(pattern(3 * MIB))).toBe(true);
    expect(copied.subarray(3 * MIB).every((byte) => byte === 0)).toBe(true);
  });

  test("have blocks that what is copied has to fill: ERR_COPY_SIZE", async ({ skip }) => {
    writeFileSync(place.path("back"), new Uint8Array(MIB));
    writeFileSync(place.path("from"), pattern(MIB - 512));
    const device = loopDevice("back", "--sector-size", "4096");
    if (device === undefined) return skip(NO_LOOP);
    expect((await copy("from", device)).stderr).toBe(
      `blockpt: ERR_COPY_SIZE: from has 1048064 bytes, and ${device} is written in blocks of 4096\n`,
    );
    expect(await copy(device, "to", "--verify")).toMatchObject({ exitCode: 0, stderr: "" });
  });

  test("that somebody uses are not written: ERR_COPY_BUSY", async ({ skip }) => {
    writeFileSync(place.path("back"), new Uint8Array(MIB));
    writeFileSync(place.path("from"), pattern(MIB));
    const device = loopDevice("back");
    if (device === undefined) return skip(NO_LOOP);
    // As a mounted file system has it.
    const held = openSync(device, constants.O_RDONLY | constants.O_EXCL);
    cleanups.push(() => closeSync(held));
    const { exitCode, stderr } = await copy("from", device);
    expect(stderr).toMatch(/^blockpt: ERR_COPY_BUSY: \/dev\/loop\d+ is in use: [^\n]*\n$/);
    expect(exitCode).toBe(1);
    expect(readFileSync(place.path("back")).every((byte) => byte === 0)).toBe(true);
  });

  test("are known by the file behind them, and where in it they are", async ({ skip }) => {
    const disk = makeDisk("back");
    const range = ["--offset", String(200 * 512), "--sizelimit", String(300 * 512)];
    const device = loopDevice("back", ...range);
    if (device === undefined) return skip(NO_LOOP);
    for (const [from, to] of [
      [device, "back"],
      [device, "back,partition=2"],
      ["back", device],
      [device, device],
    ] as const) {
      expect((await copy(from, to)).stderr).toContain("ERR_COPY_SAME");
    }
    expect(readFileSync(place.path("back")).equals(disk)).toBe(true);
    await expectOneCopied("back,partition=1", device, disk);
  });

  test("are known by the disk that they are a partition of", async ({ skip }) => {
    const disk = makeDisk("back");
    const device = loopDevice("back");
    if (device === undefined) return skip(NO_LOOP);
    const part = `${device}p2`;
    try {
      execFileSync("addpart", [device, "2", "200", "300"], { stdio: "ignore" });
      cleanups.push(() => execFileSync("delpart", [device, "2"]));
      readFileSync(part);
    } catch {
      return skip("the kernel's partitions cannot be made here: it takes addpart and a /dev");
    }
    for (const to of [device, `${device},partition=2`, "back", "back,partition=2"]) {
      expect((await copy(part, to)).stderr).toContain("ERR_COPY_SAME");
    }
    expect(readFileSync(place.path("back")).equals(disk)).toBe(true);
    await expectOneCopied("back,partition=1", part, disk);
  });

  /** Copies the first partition, and expects it at the start of the second one. */
  async function expectOneCopied(from: string, to: string, disk: Buffer): Promise<void> {
    expect(await copy(from, to)).toMatchObject({ exitCode: 0, stderr: "" });
    disk.copy(disk, 200 * 512, 64 * 512, 192 * 512);
    expect(readFileSync(place.path("back")).equals(disk)).toBe(true);
  }
});
