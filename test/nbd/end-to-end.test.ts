// From one end to the other: somebody else's server, our endpoint, the rings, our server, somebody else's client.
//
//   nbdkit ──► disc_name=nbd+unix://… ──► endpoint ──► rings ──► disk ──► blockpt serve ──► nbdcopy, qemu-img

import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { type NbdServer, startRunWithServer, startServer } from "./server-rig.js";
import { startNbdkit } from "./servers.js";
import { need, succeed, TOOL_TEST_MS } from "./tools.js";

const MIB = 1024 ** 2;
const SIZE_BYTES = 32 * MIB;
/** Data at both ends, and over no round number of blocks. */
const DATA: readonly (readonly [number, Uint8Array])[] = [
  [0, pattern(MIB)],
  [9 * MIB + 512, pattern(5 * MIB + 1536, 2)],
  [SIZE_BYTES - 1024, pattern(1024, 3)],
];
let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await makeSparse(place.path("from"), SIZE_BYTES, DATA);
});

afterEach(() => place.remove());

/** nbdkit in front of a file; gives the URI of what it serves. */
async function kitOf(...args: readonly string[]): Promise<string> {
  const socket = place.path("kit.sock");
  await startNbdkit(socket, args);
  return `nbd+unix:///?socket=${socket}`;
}

/** Fails unless two files have the same bytes. */
const cmp = (one: string, other: string) => succeed("cmp", [place.path(one), place.path(other)]);

/** Copies in and out, and compares at every place where the bytes are. */
async function copyThrough(server: NbdServer, name: string): Promise<void> {
  const uri = server.uri(name);
  await succeed("nbdcopy", ["--flush", "--connections=4", place.path("from"), uri]);
  await succeed("nbdcopy", ["--connections=4", uri, place.path("out")]);
  await cmp("from", "out");
}

describe.each([
  {
    how: "blockpt serve",
    start: (uri: string) => startServer(place, [`kit=${uri}`]),
  },
  {
    how: "blockpt run --nbd, over two queues",
    start: (uri: string) => startRunWithServer(place, ["--disc", `kit=${uri},queues=2`]),
  },
])("$how in front of nbdkit", ({ start }) => {
  test("nbdcopy in and out: the same bytes at every place", {
    timeout: TOOL_TEST_MS,
  }, async (context) => {
    need(context, "nbdkit", "nbdcopy");
    await writeFile(place.path("disk.img"), pattern(SIZE_BYTES, 9));
    const server = await start(await kitOf("file", place.path("disk.img")));
    await copyThrough(server, "kit");
    await cmp("from", "disk.img");
    expect(await server.close()).toMatchObject({ exitCode: 143 });
  });
});

test("qemu-img finds both ends the same, and writes through", {
  timeout: TOOL_TEST_MS,
}, async (context) => {
  need(context, "nbdkit", "qemu-img");
  const uri = await kitOf("memory", String(SIZE_BYTES));
  const server = await startServer(place, [`kit=${uri}`]);
  const raw = ["-f", "raw", "-O", "raw"];
  await succeed("qemu-img", ["convert", "-n", ...raw, place.path("from"), server.uri("kit")]);
  const same = ["compare", "-f", "raw", "-F", "raw"];
  await succeed("qemu-img", [...same, uri, server.uri("kit")]);
  await succeed("qemu-img", [...same, place.path("from"), uri]);
  await server.close();
});

test("what nbdkit may only read may only be read at the other end", async (context) => {
  need(context, "nbdkit", "nbdinfo", "nbdcopy");
  await writeFile(place.path("disk.img"), pattern(4 * MIB, 4));
  const uri = await kitOf("--readonly", "file", place.path("disk.img"));
  const server = await startServer(place, [`kit=${uri}`]);
  await succeed("nbdinfo", ["--is", "read-only", server.uri("kit")]);
  await succeed("nbdcopy", [server.uri("kit"), place.path("out")]);
  await cmp("disk.img", "out");
  await server.close();
});

test("errors come through, and what is beside them is read", async (context) => {
  need(context, "nbdkit", "nbdcopy");
  const uri = await kitOf(
    ...["--filter=error", "memory", "8M", "error-pread=EIO", "error-pread-rate=1"],
    `error-pread-file=${place.path("broken")}`,
  );
  const server = await startServer(place, [`kit=${uri}`]);
  await writeFile(place.path("8M"), pattern(8 * MIB, 6));
  await succeed("nbdcopy", ["--flush", place.path("8M"), server.uri("kit")]);
  await writeFile(place.path("broken"), "");
  await expect(
    succeed("nbdcopy", ["--no-extents", server.uri("kit"), place.path("out")]),
  ).rejects.toThrow(/Input\/output error/);
  await succeed("rm", [place.path("broken")]);
  await succeed("nbdcopy", [server.uri("kit"), place.path("out")]);
  expect((await readFile(place.path("out"))).equals(pattern(8 * MIB, 6))).toBe(true);
  await server.close();
});
