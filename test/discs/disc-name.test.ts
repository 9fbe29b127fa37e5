// What a name of a disc opens, and what the disc is called by the root complex.

import { readdirSync, readlinkSync } from "node:fs";
import {
  createBus,
  exportedName,
  FileDisc,
  HttpDisc,
  MemoryDisc,
  openDiscNamed,
  PartitionDisc,
} from "blockpt";
import { describe, expect, test } from "vitest";
import { makeImage } from "../api/rig.js";
import { ImageServer } from "./image-server.js";
import { GPT_PARTITIONS, gptImage } from "./tables.js";

const KIB = 1024;

/** How many file descriptors of the process are that file. */
function timesOpen(path: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      // The one that lists the folder is closed by now.
      return false;
    }
  }).length;
}

describe("a name of a disc", () => {
  test.each([
    ["memory:512", 512],
    ["memory:1024B", KIB],
    ["memory:64K", 64 * KIB],
    ["MEMORY:64k", 64 * KIB],
    ["memory:64KiB", 64 * KIB],
    ["memory:64kb", 64 * KIB],
    ["Memory:2M", 2 * KIB ** 2],
    ["memory:2mib", 2 * KIB ** 2],
    ["memory:1G", KIB ** 3],
  ])("%s is a disc of zeros with %i bytes", async (name, sizeBytes) => {
    const bus = await createBus({ endpointMemoryBytes: Math.max(sizeBytes, 65536) });
    const disc = await openDiscNamed(bus, name);
    expect(disc).toBeInstanceOf(MemoryDisc);
    expect([disc.sizeBytes, disc.readOnly]).toEqual([sizeBytes, false]);
    expect((await disc.readBytes(512, sizeBytes - 512)).every((byte) => byte === 0)).toBe(true);
    disc.close();
  });

  test.each(["", "M", "-1", "1.5M", "64P", "64MM", "64iB", "64Mi", " 64M", "64 M", "0x200"])(
    "memory:%s is none",
    async (size) => {
      const opened = openDiscNamed(await createBus(), `memory:${size}`);
      await expect(opened).rejects.toMatchObject({ code: "ERR_BLOCKPT_INVALID_ARGUMENT" });
    },
  );

  test.each(["0", "64", "513", "99999999999999999999G"])(
    "memory:%s is no size of a disc",
    async (size) => {
      const opened = openDiscNamed(await createBus(), `memory:${size}`);
      await expect(opened).rejects.toMatchObject({ code: "ERR_BLOCKPT_DISC_SIZE" });
    },
  );

  test("more memory than there is", async () => {
    const opened = openDiscNamed(await createBus(), "memory:64T");
    await expect(opened).rejects.toMatchObject({ code: "ERR_BLOCKPT_NO_SPACE" });
  });

  test("is a path, and the partition of the file", async () => {
    const bus = await createBus();
    const path = makeImage(gptImage().bytes);
    const whole = await openDiscNamed(bus, path);
    expect(whole).toBeInstanceOf(FileDisc);
    expect([whole.sizeBytes, whole.readOnly]).toEqual([1024 * KIB, false]);
    whole.close();
    const [first, , last] = GPT_PARTITIONS;
    const part = await openDiscNamed(bus, path, { partition: first?.uuid, readOnly: true });
    expect(part).toBeInstanceOf(PartitionDisc);
    expect(part).toMatchObject({ number: 1, startBytes: first?.startBytes, readOnly: true });
    part.close();
    const other = await openDiscNamed(bus, path, { partition: 4 });
    expect(other).toMatchObject({ sizeBytes: last?.sizeBytes, readOnly: false });
    other.close();
  });

  test("is the URL of an image, or a file of a browser", async () => {
    const bus = await createBus();
    const server = await ImageServer.start(gptImage().bytes);
    const [first] = GPT_PARTITIONS;
    const part = await openDiscNamed(bus, server.url, { partition: first?.uuid });
    expect(part).toMatchObject({ startBytes: first?.startBytes, readOnly: true });
    expect((part as PartitionDisc).inner).toBeInstanceOf(HttpDisc);
    part.close();
    await expect(openDiscNamed(bus, "opfs:disk.img")).rejects.toMatchObject({
      code: "ERR_BLOCKPT_NOT_SUPPORTED",
      message: expect.stringContaining("FileDisc"),
    });
    await expect(openDiscNamed(bus, "https:disk.img")).rejects.toMatchObject({
      code: "ERR_BLOCKPT_DISC_OPEN",
      message: expect.stringContaining("ENOENT"),
    });
  });

  test("that fails leaves nothing open", async (context) => {
    const bus = await createBus({ endpointMemoryBytes: 65536 });
    await expect(openDiscNamed(bus, "memory:64K", { partition: 1 })).rejects.toMatchObject({
      code: "ERR_BLOCKPT_PARTITION",
    });
    // All of endpoint memory is free again.
    (await openDiscNamed(bus, "memory:64K")).close();
    await expect(openDiscNamed(bus, "/nowhere/disk.img")).rejects.toMatchObject({
      code: "ERR_BLOCKPT_DISC_OPEN",
    });
    if (process.platform !== "linux") return context.skip("/proc/self/fd is Linux's");
    const path = makeImage(gptImage().bytes);
    const disc = await openDiscNamed(bus, path, { partition: 1 });
    expect(timesOpen(path)).toBe(1);
    disc.close();
    await expect(openDiscNamed(bus, path, { partition: 2 })).rejects.toMatchObject({
      code: "ERR_BLOCKPT_PARTITION",
    });
    expect(timesOpen(path)).toBe(0);
  });
});

describe("the name that the root complex sees", () => {
  const LONG = `/srv/${"images/".repeat(10)}`;
  // 63 bytes fit: 31 of two bytes each, and one.
  const UMLAUTS = "ü".repeat(31);

  test.each([
    ["/dev/sda", undefined, "/dev/sda"],
    ["/dev/sda", 1, "/dev/sda1"],
    ["/dev/nvme0n1", undefined, "/dev/nvme0n1"],
    ["/dev/nvme0n1", 1, "/dev/nvme0n1p1"],
    ["/dev/mmcblk0", 2, "/dev/mmcblk0p2"],
    ["/dev/loop7", 12, "/dev/loop7p12"],
    ["disk.img", 3, "disk.img3"],
    ["memory:64M", 1, "memory:64M1"],
    [`/${"a".repeat(62)}`, undefined, `/${"a".repeat(62)}`],
    [`/${"a".repeat(62)}`, 1, `${"a".repeat(62)}1`],
    [`/${"a".repeat(61)}`, 1, `/${"a".repeat(61)}1`],
    [`${LONG}disk.img`, undefined, "disk.img"],
    [`${LONG}disk.img`, 5, "disk.img5"],
    [`${LONG}disk0`, 5, "disk0p5"],
    [`${LONG}${"a".repeat(63)}`, undefined, "a".repeat(63)],
    [`${LONG}${"a".repeat(64)}`, undefined, undefined],
    [`${LONG}${"a".repeat(63)}`, 1, undefined],
    [`${UMLAUTS}a`, undefined, `${UMLAUTS}a`],
    [`${UMLAUTS}ü`, undefined, undefined],
    [`${LONG}${UMLAUTS}`, 1, `${UMLAUTS}1`],
    ["/a;b/disk.img", 1, "disk.img1"],
    ["https://server/images/disk.img", undefined, "disk.img"],
    ["HTTP://server:8080/images/a%20b0?token=x#y", 2, "a b0p2"],
    ["https://server:8080", undefined, "server:8080"],
    ["https://%", undefined, "%"],
    ["https:disk.img", undefined, "https:disk.img"],
    ["opfs:images/disk.img", 1, "disk.img1"],
    ["opfs:", undefined, undefined],
    ["/a/disk;img", undefined, undefined],
    ["", undefined, undefined],
    ["", 1, undefined],
  ])("of %j, partition %j, is %j", (discName, partition, expected) => {
    if (expected !== undefined) return expect(exportedName(discName, partition)).toBe(expected);
    expect(() => exportedName(discName, partition)).toThrow(
      expect.objectContaining({
        code: "ERR_BLOCKPT_NAME",
        message: expect.stringMatching(/set export_name$/),
      }),
    );
  });
});
