// nbdcopy, into a disc and out of one: every byte is as it was.

import { type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { allocatedBytes, makeSparse } from "../cli/copy-images.js";
import { startServer } from "./server-rig.js";
import { need, run, succeed, TOOL_ENV, TOOL_TEST_MS } from "./tools.js";

const MIB = 1024 ** 2;
const SIZE_BYTES = 64 * MIB;
/** Data at both ends, in the middle, and over no round number of blocks. */
const DATA: readonly (readonly [number, Uint8Array])[] = [
  [0, pattern(MIB)],
  [20 * MIB + 512, pattern(7 * MIB + 1536, 2)],
  [SIZE_BYTES - 1024, pattern(1024, 3)],
];

let place: Place;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(() => place.remove());

/** Fails unless two files have the same bytes. */
const cmp = (one: string, other: string) => succeed("cmp", [place.path(one), place.path(other)]);

describe.each([
  { how: "one connection", options: ["--connections=1", "--requests=1"] },
  { how: "four connections, many requests", options: ["--connections=4", "--requests=32"] },
  { how: "large requests", options: ["--connections=2", "--request-size=8388608"] },
  { how: "small requests", options: ["--connections=2", "--request-size=4096"] },
  { how: "one request at a time", options: ["--synchronous"] },
])("with $how", ({ options }) => {
  test("a sparse image goes in and comes out", { timeout: TOOL_TEST_MS }, async (context) => {
    need(context, "nbdcopy");
    await makeSparse(place.path("from"), SIZE_BYTES, DATA);
    // What was there before must not shine through the holes of what is copied.
    await makeSparse(place.path("disk.img"), SIZE_BYTES, [[10 * MIB, pattern(12 * MIB, 9)]]);
    const server = await startServer(place, ["ram0=memory:64M", "img=disk.img"]);
    for (const name of ["ram0", "img"]) {
      const uri = server.uri(name);
      await succeed("nbdcopy", [...options, "--flush", place.path("from"), uri]);
      await succeed("nbdcopy", [...options, uri, place.path(`out-${name}`)]);
      await cmp("from", `out-${name}`);
    }
    await cmp("from", "disk.img");
    await server.close();
  });
});

test("holes are found: what is copied out is as sparse", async (context) => {
  need(context, "nbdcopy");
  await makeSparse(place.path("disk.img"), SIZE_BYTES, DATA);
  context.skip((await allocatedBytes(place.path("disk.img"))) > 16 * MIB, "no holes are kept here");
  const server = await startServer(place, ["disk.img"]);
  await succeed("nbdcopy", ["--sparse=0", server.uri("disk.img"), place.path("out")]);
  await cmp("disk.img", "out");
  expect(await allocatedBytes(place.path("out"))).toBeLessThan(16 * MIB);
});

test("from one export to another, and without holes to the end of it", async (context) => {
  need(context, "nbdcopy");
  await makeSparse(place.path("from.img"), SIZE_BYTES, DATA);
  const server = await startServer(place, ["from.img,ro", "to=memory:64M"]);
  const uris = [server.uri("from.img"), server.uri("to")];
  // Zeros are written, by requests that may make no hole.
  await succeed("nbdcopy", ["--allocated", "--connections=4", ...uris]);
  await succeed("nbdcopy", ["--no-extents", server.uri("to"), place.path("out")]);
  await cmp("from.img", "out");
});

test("what is piped in is what is piped out", async (context) => {
  need(context, "nbdcopy");
  const server = await startServer(place, ["ram0=memory:8M"]);
  await writeFile(place.path("from"), pattern(8 * MIB, 5));
  const [from, out] = [place.path("from"), place.path("out")];
  await succeed("sh", ["-c", 'nbdcopy - "$0" < "$1"', server.uri("ram0"), from]);
  await succeed("sh", ["-c", 'nbdcopy "$0" - > "$1"', server.uri("ram0"), out]);
  await cmp("from", "out");
});

test("an image that is larger than the disc is refused, and an export that may only be read", async (context) => {
  need(context, "nbdcopy");
  await writeFile(place.path("from"), pattern(2 * MIB));
  await writeFile(place.path("ro.img"), pattern(2 * MIB, 7));
  const server = await startServer(place, ["ram0=memory:1M", "ro.img,ro"]);
  for (const name of ["ram0", "ro.img"]) {
    const { exitCode } = await run("nbdcopy", [place.path("from"), server.uri(name)]);
    expect({ name, exitCode }).toEqual({ name, exitCode: 1 });
  }
  expect(Buffer.from(pattern(2 * MIB, 7)).equals(await readFile(place.path("ro.img")))).toBe(true);
});

test("killed in the middle, again and again: the server goes on", {
  timeout: TOOL_TEST_MS,
}, async (context) => {
  need(context, "nbdcopy");
  await makeSparse(place.path("disk.img"), SIZE_BYTES);
  const server = await startServer(place, ["ram0=memory:64M", "img=disk.img"]);
  await writeFile(place.path("from"), pattern(SIZE_BYTES, 6));
  for (const name of ["ram0", "img", "ram0", "img"]) {
    const options = ["--progress=3", "--connections=2", "--request-size=65536"];
    const args = [...options, place.path("from"), server.uri(name)];
    const stdio: StdioOptions = ["ignore", "ignore", "inherit", "pipe"];
    const child = spawn("nbdcopy", args, { env: TOOL_ENV, stdio });
    // It says how far it is on this pipe: what it said means that it is in the middle.
    const ended = once(child, "exit");
    await Promise.race([once(child.stdio[3] as NodeJS.ReadableStream, "data"), ended]);
    child.kill("SIGKILL");
    await ended;
  }
  for (const name of ["ram0", "img"]) {
    await succeed("nbdcopy", ["--flush", place.path("from"), server.uri(name)]);
    await succeed("nbdcopy", [server.uri(name), place.path("out")]);
    await cmp("from", "out");
  }
  expect(await server.close()).toMatchObject({ exitCode: 143 });
});
