// What `NbdServer` exports: many disks or one, disks of every kind, and disks that change or go.

import { appendFileSync } from "node:fs";
import { BlockIo, FileDisc, GenDisk, MemoryDisc, NbdDisc, RamDriver, TagSet } from "blockpt";
import type { NbdExport } from "blockpt/nbd";
import { describe, expect, test } from "vitest";
import {
  Command,
  ExtentState,
  Info,
  NbdError,
  Option,
  OptionReply,
  ReplyType,
  TransmissionFlag,
} from "../../ts/nbd/protocol.js";
import { makeImage, pattern } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import {
  attachAll,
  freePages,
  greeted,
  listen,
  openSimple,
  openStructured,
  placeOf,
} from "./embedded.js";
import { expectWell, infoData, option, type RawClient, request } from "./raw-client.js";

const MIB = 1024 * 1024;
const { ERR_UNKNOWN, ERR_BLOCK_SIZE_REQD } = OptionReply;
const memory = (bytes: number) => (bus: Parameters<typeof MemoryDisc.create>[0]) =>
  MemoryDisc.create(bus, bytes);

/** What INFO says of an export; undefined if there is none. */
async function infoOf(client: RawClient, name: string) {
  const wanted = infoData(name, Info.NAME, Info.DESCRIPTION, Info.BLOCK_SIZE);
  const { reply, before } = await client.ask(Option.INFO, wanted);
  if (reply === ERR_UNKNOWN) return undefined;
  const infos = new Map(before.map(({ data }) => [data.readUInt16BE(0), data.subarray(2)]));
  const facts = infos.get(Info.EXPORT);
  return {
    sizeBytes: Number(facts?.readBigUInt64BE(0)),
    flags: facts?.readUInt16BE(8) ?? 0,
    name: infos.get(Info.NAME)?.toString(),
    description: infos.get(Info.DESCRIPTION)?.toString(),
    minBlockBytes: infos.get(Info.BLOCK_SIZE)?.readUInt32BE(0),
  };
}

async function namesOf(client: RawClient): Promise<string[]> {
  const { before } = await client.ask(Option.LIST);
  return before.map(({ data }) => data.toString("utf8", 4, 4 + data.readUInt32BE(0)));
}

describe("names", () => {
  test("of several: each is found, the empty one is nobody's", async () => {
    const { disks } = await attachAll({ a: memory(MIB), b: memory(2 * MIB) });
    const [a, b] = disks as [(typeof disks)[0], (typeof disks)[0]];
    const server = await listen([
      { name: "a", disk: a, description: "the first" },
      { name: "b", disk: b, readOnly: true },
    ]);
    const client = await greeted(server);
    expect(await namesOf(client)).toEqual(["a", "b"]);
    expect(await infoOf(client, "a")).toMatchObject({
      sizeBytes: MIB,
      name: "a",
      description: "the first",
    });
    expect(await infoOf(client, "b")).toMatchObject({ sizeBytes: 2 * MIB, description: undefined });
    expect(await infoOf(client, "")).toBeUndefined();
    expect(await infoOf(client, "c")).toBeUndefined();
  });

  test("the empty name is the only one, or the one that is called so", async () => {
    const { disks } = await attachAll({ a: memory(MIB), b: memory(2 * MIB) });
    const [a, b] = disks as [(typeof disks)[0], (typeof disks)[0]];
    const one = await greeted(await listen([{ name: "b", disk: b }]));
    expect(await infoOf(one, "")).toMatchObject({ sizeBytes: 2 * MIB, name: "b" });
    const exports = [
      { name: "b", disk: b },
      { name: "", disk: a },
    ];
    const several = await greeted(await listen(exports));
    expect(await infoOf(several, "")).toMatchObject({ sizeBytes: MIB, name: "" });
  });

  test("an array may be changed: the next to ask finds what is there then", async () => {
    const { disk } = await attachAll({ a: memory(MIB) });
    const exports: NbdExport[] = [];
    const server = await listen(exports);
    const client = await greeted(server);
    expect(await namesOf(client)).toEqual([]);
    exports.push({ name: "a", disk }, { name: "b", disk });
    expect(await namesOf(client)).toEqual(["a", "b"]);
    const user = await openSimple(server, "b");
    exports.pop();
    // Who has it, has it; nobody else gets it.
    expect(await user.write(0, Buffer.alloc(512, 1))).toBe(0);
    expect(await infoOf(client, "b")).toBeUndefined();
    expect(await infoOf(client, "")).toMatchObject({ name: "a" });
  });

  test("exports that cannot be told drop the client who asks, and the log hears why", async () => {
    const { disk } = await attachAll({ a: memory(MIB) });
    const log: string[] = [];
    let isWell = true;
    const exports: Iterable<NbdExport> = {
      [Symbol.iterator]: () => {
        if (!isWell) throw new Error("on purpose");
        return [{ name: "a", disk }][Symbol.iterator]();
      },
    };
    const server = await listen(exports, { log: (line) => log.push(line) });
    const client = await greeted(server);
    isWell = false;
    client.send(option(Option.LIST));
    await client.readAll();
    isWell = true;
    await expectWell(placeOf(server), "a");
    expect(log).toEqual([expect.stringContaining("on purpose")]);
  });
});

test("a disk that can be written is read-only where that is asked for", async () => {
  const { disk } = await attachAll({ a: memory(MIB) });
  const server = await listen([
    { name: "rw", disk },
    { name: "ro", disk, readOnly: true },
  ]);
  const info = await greeted(server);
  const writes =
    TransmissionFlag.SEND_TRIM |
    TransmissionFlag.SEND_WRITE_ZEROES |
    TransmissionFlag.SEND_FAST_ZERO |
    TransmissionFlag.SEND_FUA;
  const [rw, ro] = [await infoOf(info, "rw"), await infoOf(info, "ro")];
  expect((rw?.flags ?? 0) & (writes | TransmissionFlag.READ_ONLY)).toBe(writes);
  expect((ro?.flags ?? 0) & (writes | TransmissionFlag.READ_ONLY)).toBe(TransmissionFlag.READ_ONLY);
  expect((ro?.flags ?? 0) & TransmissionFlag.SEND_FLUSH).not.toBe(0);
  const [writer, reader] = [await openSimple(server, "rw"), await openSimple(server, "ro")];
  expect(await writer.write(512, Buffer.alloc(512, 5))).toBe(0);
  expect(await reader.write(512, Buffer.alloc(512, 6))).toBe(NbdError.EPERM);
  for (const command of [Command.TRIM, Command.WRITE_ZEROES]) {
    const { error } = await reader.carryOut({ command, lenBytes: 512 });
    expect(error).toBe(NbdError.EPERM);
  }
  expect(await reader.carryOut({ command: Command.FLUSH })).toMatchObject({ error: 0 });
  expect(await reader.readDisc(512, 512)).toEqual(Buffer.alloc(512, 5));
});

test("a disk without host memory, as a driver in this thread has one", async () => {
  const driver = new RamDriver(MIB);
  const limits = { sectors: MIB / 512, features: RamDriver.features };
  const gendisk = new GenDisk(new TagSet(1, 16), driver, { name: "r", limits }).add();
  const server = await listen([{ name: "r", disk: new BlockIo(gendisk) }]);
  const client = await openSimple(server);
  const data = Buffer.from(pattern(MIB, 3));
  expect(await client.write(0, data)).toBe(0);
  expect(Buffer.from(driver.bytes).equals(data)).toBe(true);
  expect((await client.readDisc(0, MIB)).equals(data)).toBe(true);
  const zeroes = { command: Command.WRITE_ZEROES, offset: 4096, lenBytes: 8192 };
  expect(await client.carryOut(zeroes)).toMatchObject({ error: 0 });
  expect(driver.bytes.subarray(4096, 12288).every((byte) => byte === 0)).toBe(true);
});

test("what a disk cannot do is not offered, and refused", async () => {
  const gendisk = new GenDisk(new TagSet(1, 16), new RamDriver(MIB), {
    name: "r",
    limits: { sectors: MIB / 512, features: 0 },
  }).add();
  const server = await listen([{ name: "r", disk: new BlockIo(gendisk) }]);
  const { flags = 0 } = (await infoOf(await greeted(server), "r")) ?? {};
  expect(flags & ~(TransmissionFlag.HAS_FLAGS | TransmissionFlag.CAN_MULTI_CONN)).toBe(
    TransmissionFlag.SEND_CACHE,
  );
  const client = await openSimple(server);
  for (const fields of [
    { command: Command.FLUSH },
    { command: Command.TRIM, lenBytes: 512 },
    { command: Command.WRITE_ZEROES, lenBytes: 512 },
  ]) {
    expect(await client.carryOut(fields)).toMatchObject({ error: NbdError.EINVAL });
  }
  expect(await client.carryOut({ command: Command.CACHE, lenBytes: 4096 })).toMatchObject({
    error: 0,
  });
});

test("blocks of 4096 bytes: who did not ask for their size is refused, and less than one is EINVAL", async () => {
  const { disk } = await attachAll({
    a: (bus) => MemoryDisc.create(bus, MIB, { logicalBlockBytes: 4096 }),
  });
  const server = await listen([{ name: "a", disk }]);
  const unaware = await greeted(server);
  const { reply, before } = await unaware.ask(Option.GO, infoData("a"));
  expect(reply).toBe(ERR_BLOCK_SIZE_REQD);
  // It is told the size all the same.
  expect(before.map(({ data }) => data.readUInt16BE(0))).toEqual([Info.BLOCK_SIZE]);
  await unaware.go("a");
  expect(await infoOf(await greeted(server), "a")).toMatchObject({ minBlockBytes: 4096 });
  expect(await unaware.write(4096, Buffer.alloc(8192, 3))).toBe(0);
  for (const [offset, lenBytes] of [
    [512, 4096],
    [4096, 512],
    [2048, 2048],
    [MIB - 512, 512],
  ] as const) {
    expect(await unaware.write(offset, Buffer.alloc(lenBytes, 9))).toBe(NbdError.EINVAL);
    const read = { command: Command.READ, offset, lenBytes };
    expect(await unaware.carryOut(read)).toMatchObject({ error: NbdError.EINVAL });
  }
  expect(await unaware.readDisc(4096, 8192)).toEqual(Buffer.alloc(8192, 3));
  // A long write is taken in parts, and parts are of whole blocks too, however it comes.
  const long = Buffer.from(pattern(MIB, 8));
  unaware.send(request({ command: Command.WRITE, lenBytes: MIB }));
  for (let at = 0; at < MIB; at += 70_001) unaware.send(long.subarray(at, at + 70_001));
  expect((await unaware.simpleReply()).error).toBe(0);
  expect((await unaware.readDisc(0, MIB)).equals(long)).toBe(true);
});

test("host memory that is too small for the clients: they are served all the same", async () => {
  const { disk } = await attachAll({ a: memory(4 * MIB) }, { hostMemoryBytes: 3 * MIB });
  const before = freePages(disk);
  const server = await listen([{ name: "a", disk }]);
  const clients = await Promise.all(Array.from({ length: 4 }, () => openSimple(server)));
  const data = clients.map((_, index) => Buffer.from(pattern(MIB, index + 1)));
  const errors = clients.map((client, index) => client.write(index * MIB, data[index] as Buffer));
  expect(await Promise.all(errors)).toEqual([0, 0, 0, 0]);
  for (const [index, client] of clients.entries()) {
    // Written by another client.
    const found = await client.readDisc(((index + 1) % 4) * MIB, MIB);
    expect(found.equals(data[(index + 1) % 4] as Buffer)).toBe(true);
  }
  for (const client of clients) client.destroy();
  await until(() => server.connections === 0);
  expect(freePages(disk)).toBe(before);
});

describe("mayHaveHoles", () => {
  const status = { command: Command.BLOCK_STATUS, cookie: 9n, lenBytes: 65536 };

  /** Lengths and states, as BLOCK_STATUS tells them. */
  async function extentsOf(client: RawClient): Promise<[number, number][]> {
    client.send(request(status));
    const { type, cookie, flags, data } = await client.chunk();
    expect({ type, cookie, flags }).toEqual({ type: ReplyType.BLOCK_STATUS, cookie: 9n, flags: 1 });
    return Array.from({ length: (data.length - 4) / 8 }, (_, index) => [
      data.readUInt32BE(4 + index * 8),
      data.readUInt32BE(8 + index * 8),
    ]);
  }

  test.each([
    { answer: true, zeroState: ExtentState.HOLE | ExtentState.ZERO },
    { answer: undefined, zeroState: ExtentState.ZERO },
  ])("$answer: what reads as zeros is $zeroState", async ({ answer, zeroState }) => {
    const { disk } = await attachAll({ a: memory(MIB) });
    const mayHaveHoles = answer === undefined ? undefined : () => answer;
    const server = await listen([{ name: "a", disk, mayHaveHoles }]);
    const client = await openStructured(server, "a");
    await disk.write(new Uint8Array(4096).fill(1), 8192);
    expect(await extentsOf(client)).toEqual([
      [8192, zeroState],
      [4096, 0],
      [65536 - 12288, zeroState],
    ]);
  });

  test("false: all of it is data, unseen, until it says otherwise", async () => {
    const { disk } = await attachAll({ a: memory(MIB) });
    let answer = false;
    const server = await listen([{ name: "a", disk, mayHaveHoles: () => answer }]);
    const client = await openStructured(server, "a");
    expect(await extentsOf(client)).toEqual([[65536, 0]]);
    answer = true;
    expect(await extentsOf(client)).toEqual([[65536, ExtentState.HOLE | ExtentState.ZERO]]);
  });

  test("that throws cannot be told, and the range is looked at", async () => {
    const { disk } = await attachAll({ a: memory(MIB) });
    const mayHaveHoles = (): boolean => {
      throw new Error("on purpose");
    };
    const server = await listen([{ name: "a", disk, mayHaveHoles }]);
    const client = await openStructured(server, "a");
    expect(await extentsOf(client)).toEqual([[65536, ExtentState.ZERO]]);
    client.send(request({ command: Command.READ, cookie: 1n, lenBytes: 512 }));
    expect(await client.chunk()).toMatchObject({ type: ReplyType.OFFSET_DATA, cookie: 1n });
  });
});

test("a disk that has grown: who connects then sees it, and who was there may use it", async () => {
  const path = makeImage(pattern(MIB));
  const { disk, endpoint } = await attachAll({ a: () => FileDisc.open(path) });
  const server = await listen([{ name: "a", disk }]);
  const before = await openSimple(server, "a");
  expect(await before.write(MIB, Buffer.alloc(512))).toBe(NbdError.ENOSPC);
  appendFileSync(path, pattern(MIB, 2));
  await endpoint.resizeDisc("a");
  const client = await greeted(server);
  await until(async () => (await infoOf(client, "a"))?.sizeBytes === 2 * MIB);
  const after = await openSimple(server, "a");
  expect((await after.readDisc(MIB, MIB)).equals(pattern(MIB, 2))).toBe(true);
  expect(await before.write(MIB, Buffer.alloc(512, 7))).toBe(0);
  expect(await after.readDisc(MIB, 512)).toEqual(Buffer.alloc(512, 7));
});

test("an export of another server's, one behind the other", async () => {
  const { disk } = await attachAll({ a: memory(MIB) });
  const server = await listen([{ name: "a", disk }]);
  const { disk: remote } = await attachAll({ n: () => NbdDisc.open(server.uri("a")) });
  const second = await listen([{ name: "b", disk: remote, readOnly: true }]);
  await disk.write(pattern(MIB, 4), 0);
  const client = await openSimple(second, "b");
  expect((await client.readDisc(0, MIB)).equals(pattern(MIB, 4))).toBe(true);
});
