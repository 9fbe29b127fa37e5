// What nbdinfo sees of a server: its exports, what each can do, where its holes are; and the two commands
// that serve.

import { stat, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { type Extent, stateAt } from "./extents.js";
import { startRunWithServer, startServer } from "./server-rig.js";
import { json, need, run, succeed } from "./tools.js";

const MIB = 1024 ** 2;
let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

interface Info {
  readonly protocol: string;
  readonly TLS: boolean;
  readonly structured: boolean;
  readonly exports: readonly (Readonly<Record<string, unknown>> & { "export-name": string })[];
}

describe("an export", () => {
  test("in memory can do all that there is", async (context) => {
    need(context, "nbdinfo");
    const server = await startServer(place, ["ram0=memory:8M"]);
    const info = await json<Info>("nbdinfo", ["--json", server.uri("ram0")]);
    expect(info).toMatchObject({ protocol: "newstyle-fixed", TLS: false, structured: true });
    expect(info.exports).toHaveLength(1);
    expect(info.exports[0]).toMatchObject({
      "export-name": "ram0",
      contexts: ["base:allocation"],
      "export-size": 8 * MIB,
      is_read_only: false,
      is_rotational: false,
      can_cache: true,
      can_df: true,
      can_fast_zero: true,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      block_size_minimum: 512,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MIB,
    });
  });

  test("of a file is as large as the file, and has no discard", async (context) => {
    need(context, "nbdinfo");
    await writeFile(place.path("disk.img"), pattern(3 * MIB + 512));
    const server = await startServer(place, ["disk.img"]);
    const info = await json<Info>("nbdinfo", ["--json", server.uri("disk.img")]);
    expect(info.exports[0]).toMatchObject({
      "export-name": "disk.img",
      "export-size": 3 * MIB + 512,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: false,
      can_zero: true,
    });
  });

  test("that may only be read says so, and offers no change", async (context) => {
    need(context, "nbdinfo");
    await writeFile(place.path("disk.img"), pattern(MIB));
    const server = await startServer(place, ["img=disk.img,ro"]);
    const uri = server.uri("img");
    const can = async (what: string): Promise<number | null> =>
      (await run("nbdinfo", ["--can", what, uri])).exitCode;
    expect(await run("nbdinfo", ["--is", "read-only", uri])).toMatchObject({ exitCode: 0 });
    // 2 is nbdinfo's for "no".
    for (const what of ["write", "trim", "zero"])
      expect([what, await can(what)]).toEqual([what, 2]);
    for (const what of ["read", "flush", "df", "multi-conn", "structured-reply"]) {
      expect([what, await can(what)]).toEqual([what, 0]);
    }
  });

  test("that is not there is refused, and its size is not told", async (context) => {
    need(context, "nbdinfo");
    const server = await startServer(place, ["a=memory:1M", "b=memory:1M"]);
    // Of several none is the default.
    for (const name of ["c", ""]) {
      const { exitCode, stdout } = await run("nbdinfo", ["--size", server.uri(name)]);
      expect({ name, exitCode, stdout }).toEqual({ name, exitCode: 1, stdout: "" });
    }
    expect(await succeed("nbdinfo", ["--size", server.uri("b")])).toBe(`${MIB}\n`);
  });
});

describe("exports", () => {
  test("are listed, each under its name, with what it is", async (context) => {
    need(context, "nbdinfo");
    await writeFile(place.path("my disk,1.img"), pattern(MIB));
    const discs = ["my disk,,1.img,ro", "ram0=memory:8M", "größer=memory:64K"];
    const server = await startServer(place, discs);
    const { exports } = await json<Info>("nbdinfo", ["--list", "--json", server.uri()]);
    const found = exports.map((each) => [
      each["export-name"],
      each["export-size"],
      each.is_read_only,
    ]);
    expect(found).toEqual([
      ["my disk,1.img", MIB, true],
      ["ram0", 8 * MIB, false],
      ["größer", 65536, false],
    ]);
    // What the server says when it is ready can be given to a program as it is.
    expect(server.ready.nbd.map(({ name }) => name)).toEqual(found.map(([name]) => name));
    for (const [index, { uri }] of server.ready.nbd.entries()) {
      expect(await succeed("nbdinfo", ["--size", uri])).toBe(`${found[index]?.[1]}\n`);
    }
  });

  test("that are the only one are the default as well", async (context) => {
    need(context, "nbdinfo");
    const server = await startServer(place, ["ram0=memory:8M"]);
    expect(await succeed("nbdinfo", ["--size", server.uri("")])).toBe(`${8 * MIB}\n`);
    const { exports } = await json<Info>("nbdinfo", ["--list", "--json", server.uri()]);
    expect(exports.map((each) => each["export-name"])).toContain("ram0");
  });

  test("are reached over TCP, on a port that was free", async (context) => {
    need(context, "nbdinfo");
    const server = await startServer(place, ["ram0=memory:8M"], { listen: "nbd://localhost:0" });
    expect(await succeed("nbdinfo", ["--size", server.uri("ram0")])).toBe(`${8 * MIB}\n`);
  });
});

describe("the map", () => {
  const DATA: readonly (readonly [number, Uint8Array])[] = [
    [0, pattern(65536)],
    [20 * MIB, pattern(MIB, 2)],
    [64 * MIB - 512, pattern(512, 3)],
  ];

  test("of a sparse file has its holes, and no byte of data in them", async (context) => {
    need(context, "nbdinfo");
    await makeSparse(place.path("disk.img"), 64 * MIB, DATA);
    const server = await startServer(place, ["disk.img"]);
    const map = await json<Extent[]>("nbdinfo", ["--map", "--json", server.uri("disk.img")]);
    expect(stateAt(map, 0, 65536)).toEqual(["data"]);
    expect(stateAt(map, 20 * MIB, MIB)).toEqual(["data"]);
    expect(stateAt(map, 64 * MIB - 512, 512)).toEqual(["data"]);
    expect(stateAt(map, 2 * MIB, 17 * MIB)).toEqual(["hole,zero"]);
    expect(stateAt(map, 22 * MIB, 41 * MIB)).toEqual(["hole,zero"]);
    expect(map.at(-1)).toMatchObject({ offset: expect.any(Number) });
    const [first] = map;
    expect(first?.offset).toBe(0);
    expect(map.reduce((sum, { length }) => sum + length, 0)).toBe(64 * MIB);
  });

  test("of memory is a hole, but where something was written", async (context) => {
    need(context, "nbdinfo", "qemu-io");
    const server = await startServer(place, ["ram0=memory:64M"]);
    const uri = server.uri("ram0");
    const map = () => json<Extent[]>("nbdinfo", ["--map", "--json", uri]);
    expect(stateAt(await map(), 0, 64 * MIB)).toEqual(["hole,zero"]);
    await succeed("qemu-io", ["-f", "raw", "-c", "write -P 7 33M 1M", uri]);
    expect(stateAt(await map(), 33 * MIB, MIB)).toEqual(["data"]);
    expect(stateAt(await map(), 0, 32 * MIB)).toEqual(["hole,zero"]);
    expect(stateAt(await map(), 35 * MIB, 29 * MIB)).toEqual(["hole,zero"]);
    const totals = await succeed("nbdinfo", ["--map", "--totals", uri]);
    expect(totals).toMatch(/^ *\d+ +\d+\.\d% +0 data$/m);
    expect(totals).toMatch(/^ *\d+ +\d+\.\d% +3 hole,zero$/m);
  });
});

describe("the commands", () => {
  test("blockpt serve with a command behind -- tells it the URI, and ends with it", async (context) => {
    need(context, "nbdinfo");
    const command = 'nbdinfo --size "$BLOCKPT_NBD_URI"; exit 7';
    const args = ["serve", "ram0=memory:8M", "--", "sh", "-c", command];
    expect(await place.run(args)).toMatchObject({ exitCode: 7, stdout: `${8 * MIB}\n` });
  });

  test("blockpt run --nbd serves what it attached", async (context) => {
    need(context, "nbdinfo");
    await writeFile(place.path("disk.img"), pattern(MIB));
    const discs = ["--disc", "img=disk.img,ro", "--disc", "ram0=memory:8M"];
    const server = await startRunWithServer(place, discs);
    expect(server.ready.disks).toHaveLength(2);
    const { exports } = await json<Info>("nbdinfo", ["--list", "--json", server.uri()]);
    expect(exports.map((each) => each["export-size"])).toEqual([MIB, 8 * MIB]);
    const ended = await server.close();
    expect(ended).toMatchObject({ exitCode: 143, stderr: "" });
    await expect(stat(server.socket)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("SIGTERM ends blockpt serve, and its socket is gone", async (context) => {
    need(context, "nbdinfo");
    const server = await startServer(place, ["ram0=memory:8M"]);
    await succeed("nbdinfo", [server.uri("ram0")]);
    expect(await server.close()).toMatchObject({ exitCode: 143, stderr: "" });
    await expect(stat(server.socket)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
