// The shell's `dd` and `hexdump` on disks: what is copied arrives in the image, and what is said of it is right.

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open, readFile, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Place } from "./command-line.js";
import { DISCS, onceAttached, SETUP, START, statementsOf } from "./shell-rig.js";

const MIB = 1024 * 1024;
const IMAGE_MIB = 96;

let place: Place;
let random: Buffer;

beforeAll(async () => {
  place = await Place.create();
  random = randomBytes(64 * MIB);
  await writeFile(place.path("random"), random);
  await writeFile(place.path("disk.img"), "");
  await truncate(place.path("disk.img"), IMAGE_MIB * MIB);
});

afterAll(() => place.remove());

/** Bytes of the image. */
async function imageBytes(position: number, length: number): Promise<Buffer> {
  const file = await open(place.path("disk.img"));
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  await file.close();
  return buffer;
}

/** What `dd` says of a copy, but for how long it took. */
const report = (records: string, bytes: string): RegExp =>
  new RegExp(
    `^${records.replaceAll("+", "\\+")} records in\n${records.replaceAll("+", "\\+")} records out\n` +
      `${bytes.replace(/[()]/g, "\\$&")} copied, [\\d.e-]+ s, [\\d.]+ [kMG]?B/s\n$`,
  );

test("the sizes of a file, of memory, and of a block device", async ({ skip }) => {
  const sizes = (names: string): string =>
    `for name in ${names}; do blockdev --getsize64 /dev/$name; done; lsblk -bn -o NAME,SIZE`;
  const [statement] = await statementsOf(place, sizes("img ram0"), DISCS);
  expect(statement?.stdout).toBe(`${IMAGE_MIB * MIB}\n${MIB}\n`);
  await writeFile(place.path("loop.img"), new Uint8Array(3 * MIB));
  let device: string;
  try {
    const args = ["--find", "--show", place.path("loop.img")];
    device = execFileSync("losetup", args, { encoding: "utf8" }).trim();
  } catch {
    return skip("no loop device can be made here: it takes root and losetup");
  }
  try {
    const args = ["--disc", `loop=${device}`];
    const [one, all] = await statementsOf(place, sizes("loop"), args);
    expect(one?.stdout).toBe(`${3 * MIB}\n`);
    expect(all?.stdout).toBe(`loop ${3 * MIB}\n`);
  } finally {
    execFileSync("losetup", ["--detach", device]);
  }
});

describe("dd", () => {
  test("copies a file to a disk, and it is in the image when it is done", async () => {
    const [copied] = await onceAttached(
      place,
      "dd if=random of=/dev/pci-rd-img bs=1M seek=2 conv=fsync",
    );
    expect(copied).toMatchObject({ stdout: "", exitCode: 0 });
    expect(copied?.stderr).toMatch(report("64+0", "67108864 bytes (67 MB, 64 MiB)"));
    expect((await imageBytes(2 * MIB, random.length)).equals(random)).toBe(true);
    expect((await imageBytes(0, 2 * MIB)).every((byte) => byte === 0)).toBe(true);
    expect((await imageBytes(66 * MIB, 4096)).every((byte) => byte === 0)).toBe(true);
  });

  test("copies a disk to a file, a part of it, and into another disk", async () => {
    await writeFile(place.path("disk.img"), random);
    await truncate(place.path("disk.img"), IMAGE_MIB * MIB);
    const statements = await onceAttached(
      place,
      "dd if=/dev/pci-rd-img of=whole bs=64k count=1024",
      "dd if=/dev/pci-rd-img of=part bs=1000 skip=3 count=5",
      "dd if=/dev/pci-rd-img of=/dev/pci-rd-ram0 bs=4k count=256 skip=16 status=none",
      "dd if=/dev/pci-rd-ram0 of=ram bs=1M status=noxfer",
    );
    expect(statements.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    const [whole, part, quiet, noxfer] = statements.map(({ stderr }) => stderr);
    expect(whole).toMatch(report("1024+0", "67108864 bytes (67 MB, 64 MiB)"));
    expect(part).toMatch(report("5+0", "5000 bytes (5.0 kB, 4.9 KiB)"));
    expect(quiet).toBe("");
    expect(noxfer).toBe("1+0 records in\n1+0 records out\n");
    expect((await readFile(place.path("whole"))).equals(random)).toBe(true);
    expect((await readFile(place.path("part"))).equals(random.subarray(3000, 8000))).toBe(true);
    expect((await readFile(place.path("ram"))).equals(random.subarray(65536, 65536 + MIB))).toBe(
      true,
    );
  });

  test("stops at the end of a disk, and says how far it came", async () => {
    const [full, exact] = await onceAttached(
      place,
      "dd if=/dev/zero of=/dev/pci-rd-ram0 bs=300k",
      "dd if=random of=/dev/pci-rd-ram0 bs=1M count=1",
    );
    expect(full).toMatchObject({ exitCode: 1 });
    expect(full?.stderr).toMatch(
      /^dd: error writing '\/dev\/pci-rd-ram0': No space left on device.*\n4\+0 records in\n3\+0 records out\n921600 bytes /,
    );
    expect(exact).toMatchObject({ exitCode: 0 });
  });

  test("says once that the endpoint is gone, and how far it came", async () => {
    const offline = "No such device: pci-rd-ram0 is offline: the endpoint is gone";
    const [, copy, echo] = await onceAttached(
      place,
      `echo 0 > ${START}`,
      "dd if=/dev/zero of=/dev/pci-rd-ram0 count=1 status=noxfer",
      "echo > /dev/pci-rd-ram0",
    );
    const records = "1+0 records in\n0+0 records out\n";
    expect(copy?.stderr.replace(/^pci-remote-disk .*\n/gm, "")).toBe(
      `dd: error writing '/dev/pci-rd-ram0': ${offline}\n${records}`,
    );
    expect(echo?.stderr).toBe(`bash: /dev/pci-rd-ram0: ${offline}\n`);
  });

  test("takes what is piped into it, and gives to a pipe", async () => {
    const [first, second, third] = await onceAttached(
      place,
      "echo hello | dd of=/dev/pci-rd-ram0 conv=notrunc status=none; head -c 6 /dev/pci-rd-ram0",
      "dd if=/dev/pci-rd-img bs=1M count=32 status=none | dd of=piped bs=64k status=none",
      "dd < random of=redirected bs=1M status=none",
    );
    expect(first).toMatchObject({ stdout: "hello\n", exitCode: 0 });
    expect(second).toMatchObject({ stderr: "", exitCode: 0 });
    expect((await readFile(place.path("piped"))).equals(await imageBytes(0, 32 * MIB))).toBe(true);
    expect(third).toMatchObject({ stderr: "", exitCode: 0 });
    expect((await readFile(place.path("redirected"))).equals(random)).toBe(true);
  });

  test("takes the shell's own stdin as /dev/stdin", async () => {
    const script = `${SETUP}dd if=/dev/stdin of=/dev/pci-rd-ram0 skip=1 count=2 status=none`;
    await writeFile(place.path("stdin.sh"), `${script}\nhead -c 1024 /dev/pci-rd-ram0 | md5sum\n`);
    const text = Array.from({ length: 512 }, (_, index) => `${index}`.padStart(4)).join("");
    const ended = await place.run(["sh", ...DISCS, "stdin.sh"], {}, text);
    expect(ended.exitCode).toBe(0);
    const [expected] = await statementsOf(place, `printf '${text.slice(512, 1536)}' | md5sum\n`);
    expect(ended.stdout).toBe(expected?.stdout);
  });

  test("keeps a file's length with notrunc, and cuts it where it writes without", async () => {
    await writeFile(place.path("long"), "x".repeat(2000));
    await writeFile(place.path("short"), "x".repeat(2000));
    const input = "dd if=/dev/zero bs=500 count=1 seek=1 status=none";
    await onceAttached(place, `${input} of=long conv=notrunc`, `${input} of=short`);
    const zeroes = "\0".repeat(500);
    expect(await readFile(place.path("long"), "utf8")).toBe(
      "x".repeat(500) + zeroes + "x".repeat(1000),
    );
    expect(await readFile(place.path("short"), "utf8")).toBe("x".repeat(500) + zeroes);
  });

  test("reads attributes, and counts what is no whole block", async () => {
    const [config, attribute] = await onceAttached(
      place,
      "dd if=/sys/bus/pci/devices/0001:01:00.0/config bs=3k | wc -c",
      "dd if=/sys/bus/pci/devices/0001:01:00.0/vendor",
    );
    expect(config?.stdout).toBe("4096\n");
    expect(config?.stderr).toMatch(report("1+1", "4096 bytes (4.1 kB, 4.0 KiB)"));
    expect(attribute?.stdout).toBe("0x0000\n");
    expect(attribute?.stderr).toMatch(report("0+1", "7 bytes"));
  });

  test("copies nothing of nothing", async () => {
    const [nothing, none] = await onceAttached(
      place,
      "true | dd of=empty",
      "dd if=random of=empty count=0",
    );
    for (const statement of [nothing, none]) {
      expect(statement).toMatchObject({ exitCode: 0 });
      expect(statement?.stderr).toMatch(report("0+0", "0 bytes"));
    }
    expect(await readFile(place.path("empty"))).toHaveLength(0);
  });

  test.each([
    ["if=nope", "failed to open 'nope': No such file or directory"],
    ["if=/sys/class", "failed to open '/sys/class': Is a directory"],
    [
      "if=/dev/zero of=/dev/nope",
      "failed to open '/dev/nope': No such file or directory: in /dev there are img, ",
    ],
    ["if=/dev/zero of=nope/x", "failed to open 'nope/x': No such file or directory"],
    ["of=/sys/class/pci_epc", "failed to open '/sys/class/pci_epc': Is a directory"],
    ["bs=0", "bs is 0: 1 to 1073741824 bytes are wanted"],
    ["bs=2G", "bs is 2147483648: 1 to 1073741824 bytes are wanted"],
    ["bs=4X", "invalid number '4X' for bs: a whole number, with one of c, b, K, M, G, T"],
    ["count=-1", "invalid number '-1' for count: "],
    ["conv=ucase", "invalid conversion: 'ucase'; there are notrunc, fsync, fdatasync"],
    ["status=loud", "invalid status level: 'loud'; there are none, noxfer, progress"],
    ["-v", "unrecognized operand '-v'; see dd --help"],
    ["ibs=4", "unrecognized operand 'ibs=4'; see dd --help"],
  ])("refuses %s", async (operands, says) => {
    const [statement] = await statementsOf(place, `dd ${operands}\n`, DISCS);
    expect(statement).toMatchObject({ exitCode: 1, stdout: "" });
    expect(statement?.stderr.startsWith(`dd: ${says}`)).toBe(true);
  });
});

describe("hexdump", () => {
  test("shows disks, files, attributes and pipes", async () => {
    await writeFile(place.path("text"), "The quick brown fox\n\x00\xff");
    const cases: Record<string, string> = {
      "hexdump -C text": `00000000  54 68 65 20 71 75 69 63  6b 20 62 72 6f 77 6e 20  |The quick brown |
00000010  66 6f 78 0a 00 c3 bf                              |fox....|
00000017
`,
      "hexdump text": `0000000 6854 2065 7571 6369 206b 7262 776f 206e
0000010 6f66 0a78 c300 00bf                    
0000017
`,
      "hexdump -C -s 4 -n 5 text": `00000004  71 75 69 63 6b                                    |quick|
00000009
`,
      "echo abc | hexdump -C": `00000000  61 62 63 0a                                       |abc.|
00000004
`,
      "cat text | hexdump -C -s 16 -": `00000010  66 6f 78 0a 00 c3 bf                              |fox....|
00000017
`,
      "hexdump -n 64 /dev/pci-rd-ram0": `0000000 0000 0000 0000 0000 0000 0000 0000 0000
*
0000040
`,
      "hexdump -v -n 32 /dev/pci-rd-ram0": `0000000 0000 0000 0000 0000 0000 0000 0000 0000
0000010 0000 0000 0000 0000 0000 0000 0000 0000
0000020
`,
      "hexdump -C -s 0xffff0 /dev/pci-rd-ram0": `000ffff0  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
00100000
`,
      "hexdump -C /sys/bus/pci/devices/0001:01:00.0/class": `00000000  30 78 66 66 30 30 30 30  0a                       |0xff0000.|
00000009
`,
      "hexdump -C -s 18 text text": `00000012  78 0a 00 c3 bf 54 68 65  20 71 75 69 63 6b 20 62  |x....The quick b|
00000022  72 6f 77 6e 20 66 6f 78  0a 00 c3 bf              |rown fox....|
0000002e
`,
      "hexdump -C -s 1M text": "",
      "true | hexdump": "",
    };
    const statements = await onceAttached(place, ...Object.keys(cases));
    for (const [index, [command, stdout]] of Object.entries(cases).entries()) {
      expect(statements[index]).toEqual({ command, stdout, stderr: "", exitCode: 0 });
    }
  });

  test("squeezes a disk that is all zeroes", async () => {
    const [dumped] = await onceAttached(place, "hexdump -C /dev/pci-rd-ram0");
    expect(dumped?.stdout.split("\n")).toEqual([
      `00000000  ${"00 ".repeat(8)} ${"00 ".repeat(8)} |................|`,
      ...["*", "00100000", ""],
    ]);
  });

  test.each([
    ["nope", "nope: No such file or directory"],
    ["/sys/class", "/sys/class: Is a directory"],
    ["-n x text", "invalid number 'x' for -n: "],
    ["-Z", "Unknown option '-Z'; see hexdump --help"],
  ])("refuses %s", async (operands, says) => {
    const [statement] = await statementsOf(place, `hexdump ${operands}\n`);
    expect(statement).toMatchObject({ exitCode: 1, stdout: "" });
    expect(statement?.stderr.startsWith(`hexdump: ${says}`)).toBe(true);
  });
});
