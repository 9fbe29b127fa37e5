// Our server and our client, which need nobody else's program: a disk is an export, the export another endpoint's
// disc, and that a disk again. What is written on one side is read on the other.
//
//   disc ──► rings ──► disk ──► NbdServer ──► socket ──► NbdDisc ──► rings ──► disk

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type Bus, type Disc, FileDisc, MemoryDisc, NbdDisc, type RemoteDisk } from "blockpt";
import { Feature } from "blockpt/abi";
import type { NbdServerOptions } from "blockpt/nbd";
import { describe, expect, test } from "vitest";
import { makeImage, pattern } from "../api/rig.js";
import { attachNbd, code } from "./attached.js";
import { makeCertificates } from "./certificates.js";
import { attachAll, listen } from "./embedded.js";
import { makeFolder } from "./servers.js";
import { need } from "./tools.js";

const MIB = 1024 * 1024;
const SIZE_BYTES = 8 * MIB;

const DISCS: Readonly<Record<string, (bus: Bus) => Disc | Promise<Disc>>> = {
  memory: (bus) => MemoryDisc.create(bus, SIZE_BYTES),
  file: () => FileDisc.open(makeImage(new Uint8Array(SIZE_BYTES))),
};

async function expectBytes(disk: RemoteDisk, expected: Uint8Array): Promise<void> {
  const found = new Uint8Array(expected.length);
  await disk.read(found, 0);
  expect(Buffer.compare(found, expected)).toBe(0);
}

/** Writes of all sizes, several in flight, on both sides; both find the same. */
async function exercise(near: RemoteDisk, far: RemoteDisk): Promise<void> {
  const expected = pattern(SIZE_BYTES, 5);
  const lengths = [512, 4096, 65536, 1536, 131072, MIB, 512 * 77, 2 * MIB];
  const writes: Promise<void>[] = [];
  for (let at = 0, turn = 0; at < SIZE_BYTES; turn++) {
    const end = Math.min(SIZE_BYTES, at + (lengths[turn % lengths.length] as number));
    writes.push((turn % 2 === 0 ? near : far).write(expected.subarray(at, end), at));
    at = end;
  }
  await Promise.all(writes);
  await far.flush();
  await expectBytes(near, expected);
  await expectBytes(far, expected);
  await far.writeZeroes(4096, 65536);
  await near.writeZeroes(MIB, 512);
  expected.fill(0, 4096, 4096 + 65536).fill(0, MIB, MIB + 512);
  await far.write(new Uint8Array(512).fill(9), SIZE_BYTES - 512, { fua: true });
  expected.fill(9, SIZE_BYTES - 512);
  await expectBytes(near, expected);
  await expectBytes(far, expected);
}

describe.each(Object.keys(DISCS))("of a %s disc", (kind) => {
  const disc = DISCS[kind] as (bus: Bus) => Disc;

  test.each([
    { over: "a Unix socket", uri: undefined },
    { over: "TCP", uri: "nbd://localhost:0" },
  ])("over $over", async ({ uri }) => {
    const { disk: near } = await attachAll({ ram0: disc });
    const server = await listen([{ name: "ram0", disk: near }], { uri });
    const { disk: far } = await attachNbd(server.uri("ram0"));
    expect(far.sizeBytes).toBe(SIZE_BYTES);
    // It can do what that can; that the size may change is its own.
    expect(far.features | Feature.RESIZE).toBe(near.features | Feature.RESIZE);
    await exercise(near, far);
  });

  test("over several connections, by queues in parallel", async () => {
    const { disk: near } = await attachAll({ ram0: disc });
    const server = await listen([{ name: "ram0", disk: near }]);
    const { disk: far } = await attachNbd(server.uri("ram0"), { connections: 3 }, 2);
    await exercise(near, far);
    expect(server.connections).toBeGreaterThan(3);
  });

  test.for(["nbds://localhost:0", "nbds+unix"])("with TLS: %s", async (scheme, context) => {
    need(context, "openssl");
    const certificates = await makeCertificates(`${makeFolder()}/tls`);
    const pem = (file: string): Promise<string> => readFile(`${certificates}/${file}.pem`, "utf8");
    const options: Partial<NbdServerOptions> = {
      uri: scheme === "nbds+unix" ? `nbds+unix:///?socket=${makeFolder()}/s` : scheme,
      tls: { cert: await pem("server-cert"), key: await pem("server-key") },
    };
    const { disk: near } = await attachAll({ ram0: disc });
    const log: string[] = [];
    const server = await listen([{ name: "ram0", disk: near }], {
      ...options,
      log: (line) => log.push(line),
    });
    const url = new URL(server.uri("ram0"));
    // Without its authority it is a server that anybody might be, and in the open it tells nothing.
    await expect(NbdDisc.open(url.href)).rejects.toEqual(code("DISC_OPEN"));
    const open = url.href.replace(/^nbds/, "nbd");
    await expect(NbdDisc.open(open)).rejects.toThrow(/TLS/);
    url.searchParams.set("tls-certificates", certificates);
    url.searchParams.set("tls-hostname", "localhost");
    const { disk: far } = await attachNbd(url.href);
    await exercise(near, far);
  });
});

test("what is flushed far away is in the file here", async () => {
  const path = makeImage(new Uint8Array(SIZE_BYTES));
  const { disk: near } = await attachAll({ a: () => FileDisc.open(path) });
  const server = await listen([{ name: "a", disk: near }]);
  const { disk: far } = await attachNbd(server.uri("a"));
  await far.write(pattern(MIB, 2), 3 * MIB);
  await far.flush();
  expect(
    readFileSync(path)
      .subarray(3 * MIB, 4 * MIB)
      .equals(pattern(MIB, 2)),
  ).toBe(true);
});

test("what may only be read here may only be read far away", async () => {
  const { disk: near } = await attachAll({ a: (bus) => MemoryDisc.create(bus, MIB) });
  await near.write(pattern(MIB), 0);
  const server = await listen([{ name: "a", disk: near, readOnly: true }]);
  const { disk: far } = await attachNbd(server.uri("a"));
  expect(far.readOnly).toBe(true);
  await expect(far.write(new Uint8Array(512), 0)).rejects.toEqual(code("READ_ONLY"));
  await expectBytes(far, pattern(MIB));
});

test("a server that is closed and started anew is found again, and nothing is lost", async () => {
  const { disk: near } = await attachAll({ a: (bus) => MemoryDisc.create(bus, SIZE_BYTES) });
  const exports = [{ name: "a", disk: near }];
  const first = await listen(exports);
  const { disk: far } = await attachNbd(first.uri("a"));
  const expected = pattern(SIZE_BYTES, 8);
  const writes: Promise<void>[] = [];
  for (let at = 0; at < SIZE_BYTES; at += 65536) {
    writes.push(far.write(expected.subarray(at, at + 65536), at));
  }
  await first.close();
  await listen(exports, { uri: first.uri() });
  await Promise.all(writes);
  await expectBytes(near, expected);
  await expectBytes(far, expected);
});
