// QEMU's block layer as the client: qemu-img, qemu-io and qemu-nbd.

import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { startServer } from "./server-rig.js";
import { json, need, run, succeed, TOOL_TEST_MS } from "./tools.js";

const MIB = 1024 ** 2;
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

describe("qemu-img", () => {
  /** Data here and there in an image of 32 MiB. */
  const makeImage = (name: string) =>
    makeSparse(place.path(name), 32 * MIB, [
      [0, pattern(65536)],
      [9 * MIB, pattern(2 * MIB, 2)],
      [32 * MIB - 512, pattern(512, 3)],
    ]);

  test("info has the size, and qemu-nbd --list each export", async (context) => {
    need(context, "qemu-img", "qemu-nbd");
    const server = await startServer(place, ["ram0=memory:8M", "b=memory:1M,ro"]);
    const info = await json("qemu-img", ["info", "--output=json", server.uri("ram0")]);
    expect(info).toMatchObject({ "virtual-size": 8 * MIB, format: "raw" });
    const list = await succeed("qemu-nbd", ["--list", "-k", server.socket]);
    expect(list).toContain("exports available: 2");
    const [, first = "", second = ""] = list.split(/ export: /);
    expect(first).toMatch(/^'ram0'\n[\s\S]*size: +8388608\n[\s\S]*base:allocation/);
    expect(second).toMatch(/^'b'\n[\s\S]*size: +1048576\n[\s\S]*readonly[\s\S]*base:allocation/);
    expect(first).toMatch(/min block: 512\n +opt block: 4096\n +max block: 33554432\n/);
  });

  test("convert, in and out, by many requests at a time, and compare", {
    timeout: TOOL_TEST_MS,
  }, async (context) => {
    need(context, "qemu-img");
    await makeImage("from");
    await makeSparse(place.path("disk.img"), 32 * MIB, [[MIB, pattern(20 * MIB, 9)]]);
    const server = await startServer(place, ["ram0=memory:32M", "img=disk.img"]);
    const [from, qcow2] = [place.path("from"), place.path("out.qcow2")];
    for (const name of ["ram0", "img"]) {
      const uri = server.uri(name);
      const many = ["-m", "16", "-W"];
      await succeed("qemu-img", ["convert", "-n", ...many, "-f", "raw", "-O", "raw", from, uri]);
      await succeed("qemu-img", ["compare", "-f", "raw", "-F", "raw", from, uri]);
      await succeed("qemu-img", ["convert", ...many, "-f", "raw", "-O", "qcow2", uri, qcow2]);
      await succeed("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", uri, qcow2]);
      await succeed("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", from, qcow2]);
    }
    await succeed("cmp", [from, place.path("disk.img")]);
    // Of what is compared it is known that it can differ.
    await succeed("qemu-io", ["-f", "raw", "-c", "write -P 1 31M 512", server.uri("ram0")]);
    const { exitCode, stdout } = await run("qemu-img", ["compare", from, server.uri("ram0")]);
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 1 });
    expect(stdout).toContain(`mismatch at offset ${31 * MIB}`);
  });

  test("map has the holes", async (context) => {
    need(context, "qemu-img");
    await makeImage("disk.img");
    const server = await startServer(place, ["disk.img"]);
    const uri = server.uri("disk.img");
    const map = await json<{ start: number; length: number; data: boolean; zero: boolean }[]>(
      "qemu-img",
      ["map", "--output=json", "-f", "raw", uri],
    );
    const at = (offset: number) =>
      map.find(({ start, length }) => start <= offset && offset < start + length);
    expect(at(9 * MIB)).toMatchObject({ data: true, zero: false });
    expect(at(11 * MIB - 1)).toMatchObject({ data: true, zero: false });
    expect(at(32 * MIB - 1)).toMatchObject({ data: true, zero: false });
    expect(at(5 * MIB)).toMatchObject({ data: false, zero: true });
    expect(at(20 * MIB)).toMatchObject({ data: false, zero: true });
  });

  test.for([
    { what: "reads", options: [] },
    { what: "writes", options: ["-w", "--pattern=85"] },
    { what: "writes, and flushes between", options: ["-w", "--flush-interval=64"] },
  ])("bench: $what at depth 64", { timeout: TOOL_TEST_MS }, async ({ options }, context) => {
    need(context, "qemu-img");
    await writeFile(place.path("disk.img"), pattern(8 * MIB));
    const server = await startServer(place, ["ram0=memory:8M", "img=disk.img"]);
    for (const name of ["ram0", "img"]) {
      const how = ["-f", "raw", "-c", "5000", "-d", "64", "-s", "4096", "-S", "12288"];
      const stdout = await succeed("qemu-img", ["bench", ...how, ...options, server.uri(name)]);
      expect(stdout).toContain("Run completed");
    }
  });
});

describe("qemu-io", () => {
  /** What commands print, each by a `-c`; they have to succeed. */
  async function commands(uri: string, ...list: readonly string[]): Promise<string> {
    const args = list.flatMap((command) => ["-c", command]);
    const stdout = await succeed("qemu-io", ["-f", "raw", "-d", "unmap", ...args, uri]);
    // It ends with 0 although a pattern is another.
    expect(stdout).not.toMatch(/verification failed|failed:/i);
    return stdout;
  }

  test("what is written is read, by patterns, from the first sector to the last", async (context) => {
    need(context, "qemu-io");
    await makeSparse(place.path("disk.img"), 8 * MIB);
    const server = await startServer(place, ["ram0=memory:8M", "img=disk.img"]);
    for (const name of ["ram0", "img"]) {
      await commands(
        server.uri(name),
        "write -P 0x11 0 8M",
        "write -P 0x22 512 512",
        "write -f -P 0x33 7M 1M",
        "write -P 0x44 8388096 512",
        "aio_write -P 0x55 1M 512k",
        "aio_write -P 0x66 2M 512k",
        "aio_flush",
        "read -P 0x11 0 512",
        "read -P 0x22 512 512",
        "read -P 0x11 1k 1023k",
        "read -P 0x55 1M 512k",
        "read -P 0x66 2M 512k",
        "read -P 0x33 7M 1048064",
        "read -P 0x44 8388096 512",
        "flush",
      );
    }
    const bytes = await readFile(place.path("disk.img"));
    expect([0, 512, MIB, 2 * MIB, 7 * MIB, 8 * MIB - 1].map((at) => bytes[at])).toEqual([
      0x11, 0x22, 0x55, 0x66, 0x33, 0x44,
    ]);
  });

  test("vectors, and what lies across blocks that are not aligned", async (context) => {
    need(context, "qemu-io");
    const server = await startServer(place, ["ram0=memory:8M"]);
    // Ours has blocks of 512: what is smaller QEMU reads, changes and writes back.
    await commands(
      server.uri("ram0"),
      "write -P 0xaa 0 64k",
      "writev -P 0xbb 3 512 4096 77",
      "read -P 0xaa 0 3",
      "readv -P 0xbb 3 512 4096 77",
      "read -P 0xaa 4688 4096",
    );
  });

  test("what is written as zeros is zeros, with and without holes", async (context) => {
    need(context, "qemu-io");
    await makeSparse(place.path("disk.img"), 8 * MIB);
    const server = await startServer(place, ["ram0=memory:8M", "img=disk.img"]);
    for (const name of ["ram0", "img"]) {
      await commands(
        server.uri(name),
        "write -P 0x77 0 8M",
        "write -z 1M 1M",
        "write -z -u 3M 1M",
        "write -z -f 5M 512",
        "read -P 0x77 0 1M",
        "read -P 0 1M 1M",
        "read -P 0x77 2M 1M",
        "read -P 0 3M 1M",
        "read -P 0x77 4M 1M",
        "read -P 0 5M 512",
        "read -P 0x77 5243392 1M",
      );
    }
    // Zeros that have to be fast are refused where they would be written one by one.
    await commands(server.uri("ram0"), "write -z -n -u 0 1M", "read -P 0 0 1M");
    const fast = ["-f", "raw", "-c", "write -z -n -u 0 1M", server.uri("img")];
    const refused = await run("qemu-io", fast);
    expect(refused.stdout + refused.stderr).toContain("Operation not supported");
  });

  test("what is discarded in memory reads as zeros, and is a hole", async (context) => {
    need(context, "qemu-io", "qemu-img");
    const server = await startServer(place, ["ram0=memory:8M"]);
    const uri = server.uri("ram0");
    await commands(
      uri,
      "write -P 0x77 0 8M",
      "discard 2M 4M",
      "read -P 0x77 0 2M",
      "read -P 0 2M 4M",
      "read -P 0x77 6M 2M",
    );
    const map = await json("qemu-img", ["map", "--output=json", "-f", "raw", uri]);
    expect(map).toMatchObject([
      { start: 0, length: 2 * MIB, data: true },
      { start: 2 * MIB, length: 4 * MIB, data: false, zero: true },
      { start: 6 * MIB, length: 2 * MIB, data: true },
    ]);
  });

  test("an export that may only be read is opened so, and not for writing", async (context) => {
    need(context, "qemu-io");
    await writeFile(place.path("disk.img"), Buffer.alloc(MIB, 0x5a));
    const server = await startServer(place, ["disk.img,ro"]);
    const uri = server.uri("disk.img");
    const args = (command: string) => ["-f", "raw", "-c", command, uri];
    expect(await succeed("qemu-io", ["-r", ...args("read -P 0x5a 0 1M")])).not.toContain("failed");
    const refused = await run("qemu-io", args("write 0 512"));
    expect(refused.stdout + refused.stderr).toMatch(/Permission denied/);
    expect((await readFile(place.path("disk.img"))).every((byte) => byte === 0x5a)).toBe(true);
  });

  test("past the end is refused, and what is before it goes on", async (context) => {
    need(context, "qemu-io");
    const server = await startServer(place, ["ram0=memory:1M"]);
    // The client grows no disc by itself, and each of these would reach over the end.
    const list = ["read 1M 512", "write 1048064 1k", "write -z 1M 1M", "discard 1M 512"];
    const args = list.flatMap((command) => ["-c", command]);
    const failing = await run("qemu-io", ["-f", "raw", ...args, server.uri("ram0")]);
    expect((failing.stdout + failing.stderr).match(/failed:/g)?.length).toBe(4);
    await commands(server.uri("ram0"), "write -P 3 1048064 512", "read -P 3 1048064 512");
  });
});
