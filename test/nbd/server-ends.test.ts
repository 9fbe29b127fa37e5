// What ends while clients are connected: the server, the disk, the endpoint. What was asked for is answered or the
// connection ends; nothing hangs, and nothing is left.

import { MemoryDisc, NbdDisc, type RemoteDisk } from "blockpt";
import { describe, expect, test } from "vitest";
import { Command, NbdError, Option, OptionReply } from "../../ts/nbd/protocol.js";
import { afterThisTest, pattern } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import { attachAll, freePages, greeted, listen, openSimple, placeOf } from "./embedded.js";
import { fakeServer } from "./fake-server.js";
import { HeldDisk } from "./held-disk.js";
import { expectWell, infoData, option, RawClient, request } from "./raw-client.js";

const MIB = 1024 * 1024;
const BUSY_BYTES = 65536;
const memory = (bus: Parameters<typeof MemoryDisc.create>[0]) => MemoryDisc.create(bus, 4 * MIB);
const read = (cookie: number, lenBytes = BUSY_BYTES): Buffer =>
  request({ command: Command.READ, cookie: BigInt(cookie), lenBytes });

/** A disk of a server that takes requests, and does not answer them. */
async function unanswered() {
  const fake = await fakeServer({ sizeBytes: MIB, request: () => Buffer.of() });
  const machine = await attachAll({ n: () => NbdDisc.open(fake.uri, { outageMs: 2000 }) });
  return { fake, ...machine };
}

describe("a disk is detached", () => {
  test("who is connected is dropped, who comes is told that there is no such disk, and the others are served", async () => {
    const { disks, rc } = await attachAll({ a: memory, b: memory }, { hostMemoryBytes: 8 * MIB });
    const [a, b] = disks as [RemoteDisk, RemoteDisk];
    const before = freePages(b);
    const server = await listen([
      { name: "a", disk: a },
      { name: "b", disk: b },
    ]);
    const client = await openSimple(server, "a");
    expect(await client.write(0, Buffer.alloc(BUSY_BYTES, 1))).toBe(0);
    await rc.detach("a");
    // Its memory is free at once, and what the client sends now is in none of it.
    await until(() => server.connections === 0);
    const others = Array.from({ length: freePages(b) }, () => b.allocate(4096).fill(0));
    expect(others.length).toBeGreaterThanOrEqual(before);
    client.send(Buffer.alloc(BUSY_BYTES, 0xee));
    await client.readAll();
    expect(others.filter((page) => page.some((byte) => byte !== 0))).toHaveLength(0);
    for (const page of others) b.free(page);
    const late = await greeted(server);
    late.send(option(Option.GO, infoData("a")));
    await late.readAll();
    await expectWell(placeOf(server), "b");
  });
});

describe("the endpoint goes", () => {
  test("while requests are in flight: they are answered or the connection ends, and who comes later is served", async () => {
    const { disk, endpoint } = await attachAll({ a: memory });
    const before = freePages(disk);
    const server = await listen([{ name: "a", disk }]);
    const client = await openSimple(server, "a");
    const data = Buffer.alloc(BUSY_BYTES, 7);
    for (let index = 0; index < 200; index += 2) {
      client.send(read(index));
      const lenBytes = data.length;
      client.send(request({ command: Command.WRITE, cookie: BigInt(index + 1), lenBytes }), data);
    }
    client.send(request({ command: Command.DISC }));
    for (let index = 0; index < 2; index++) expect((await replyTo(client)).error).toBe(0);
    await endpoint.stop();
    const errors = await errorsToTheEnd(client);
    expect(errors.filter((error) => error !== 0 && error !== NbdError.EIO)).toEqual([]);
    const late = await openSimple(server, "a");
    expect(await late.carryOut({ command: Command.FLUSH })).toMatchObject({ error: NbdError.EIO });
    await endpoint.start();
    await disk.whenOnline();
    expect(await late.write(0, data)).toBe(0);
    await expectWell(placeOf(server), "a");
    late.destroy();
    await until(() => server.connections === 0 && freePages(disk) === before);
  });

  test("with requests that it will never answer: they are answered EIO, and leave nothing", async () => {
    const { fake, disk, endpoint } = await unanswered();
    const before = freePages(disk);
    const server = await listen([{ name: "n", disk }]);
    const client = await openSimple(server, "n");
    for (let index = 0; index < 8; index++) client.send(read(index));
    await until(() => fake.requests.length > 0);
    await endpoint.stop();
    for (let index = 0; index < 8; index++) {
      expect(await client.simpleReply(BUSY_BYTES)).toMatchObject({ error: NbdError.EIO });
    }
    client.destroy();
    await until(() => server.connections === 0);
    expect(disk.inFlight).toBe(0);
    await endpoint.start();
    await disk.whenOnline();
    await until(() => freePages(disk) === before);
  });
});

describe("close", () => {
  test("answers what was taken up, and takes up nothing more", async () => {
    const disk = new HeldDisk(4 * MIB);
    const server = await listen([{ name: "h", disk }]);
    const client = await openSimple(server, "h");
    const data = Buffer.from(pattern(BUSY_BYTES));
    const lenBytes = data.length;
    client.send(request({ command: Command.WRITE, cookie: 1n, lenBytes }), data);
    client.send(request({ command: Command.READ, cookie: 2n, offset: MIB, lenBytes }));
    await until(() => disk.held === 2);
    const closed = server.close();
    client.send(request({ command: Command.WRITE, cookie: 3n, offset: MIB, lenBytes }), data);
    disk.letGo();
    const replies = [await replyTo(client), await replyTo(client)];
    expect(replies).toContainEqual({ cookie: 1, error: 0 });
    expect(replies).toContainEqual({ cookie: 2, error: 0 });
    expect(await client.readAll()).toHaveLength(0);
    await closed;
    expect(server.connections).toBe(0);
    expect(Buffer.from(disk.bytes.subarray(0, BUSY_BYTES)).equals(data)).toBe(true);
    expect(disk.bytes.subarray(MIB, MIB + BUSY_BYTES).every((byte) => byte === 0)).toBe(true);
  });

  test("answers a long read to its end, as its reader reads it", async () => {
    const { disk } = await attachAll({ a: memory });
    await disk.write(pattern(4 * MIB, 3), 0);
    const server = await listen([{ name: "a", disk }]);
    const client = await openSimple(server, "a");
    // As many as there is room for, and more.
    for (let index = 0; index < 64; index++) client.send(read(index, MIB));
    await client.read(16);
    const closed = server.close();
    const rest = await client.readAll();
    await closed;
    expect((rest.length + 16) % (16 + MIB)).toBe(0);
    expect(rest.subarray(0, MIB).equals(pattern(4 * MIB, 3).subarray(0, MIB))).toBe(true);
  });

  test("does not wait for who is shaking hands, is idle, or has sent half of a write", async () => {
    const { disk } = await attachAll({ a: memory });
    const before = freePages(disk);
    await disk.write(new Uint8Array(BUSY_BYTES).fill(5), 0);
    const server = await listen([{ name: "a", disk }]);
    const silent = await RawClient.connect(placeOf(server));
    afterThisTest(() => silent.destroy());
    const asking = await greeted(server);
    const idle = await openSimple(server, "a");
    const half = await openSimple(server, "a");
    const write = request({ command: Command.WRITE, cookie: 8n, lenBytes: BUSY_BYTES });
    half.send(write, Buffer.alloc(1000, 9));
    await until(() => server.connections === 4);
    await server.close();
    for (const client of [silent, asking, idle]) {
      expect((await client.readAll()).length).toBeLessThanOrEqual(18);
    }
    // It is answered or it is not, and it is not done.
    expect((await half.readAll()).length).toBeLessThanOrEqual(16);
    const found = new Uint8Array(BUSY_BYTES);
    await disk.read(found, 0);
    expect(found.every((byte) => byte === 5)).toBe(true);
    expect(freePages(disk)).toBe(before);
  });

  test("drops who does not read its answers, after a while, and leaves nothing", async () => {
    const { disk } = await attachAll({ a: memory });
    const before = freePages(disk);
    const server = await listen([{ name: "a", disk }]);
    const deaf = await openSimple(server, "a");
    const COUNT = 32;
    for (let index = 0; index < COUNT; index++) deaf.send(read(index, MIB));
    await deaf.read(16);
    await server.close();
    expect(server.connections).toBe(0);
    expect(disk.inFlight).toBe(0);
    expect(freePages(disk)).toBe(before);
    expect((await deaf.readAll()).length).toBeLessThan(COUNT * MIB);
  });

  test("waits for what the disk has, though the client is gone", async () => {
    const disk = new HeldDisk(4 * MIB);
    const server = await listen([{ name: "h", disk }]);
    const client = await openSimple(server, "h");
    client.send(request({ command: Command.WRITE, lenBytes: 512 }), Buffer.alloc(512, 1));
    await until(() => disk.held === 1);
    client.destroy();
    let isClosed = false;
    const closed = server.close().then(() => {
      isClosed = true;
    });
    // What comes after it is not taken.
    await expect(RawClient.connect(placeOf(server))).rejects.toMatchObject({ code: "ENOENT" });
    expect({ isClosed, connections: server.connections }).toEqual({
      isClosed: false,
      connections: 1,
    });
    disk.letGo();
    await closed;
    expect(server.connections).toBe(0);
    expect(disk.bytes[0]).toBe(1);
  });
});

test("an export that is gone before it is chosen is unknown", async () => {
  const { disk } = await attachAll({ a: memory });
  const exports = [{ name: "a", disk }];
  const client = await greeted(await listen(exports));
  exports.pop();
  expect(await client.ask(Option.GO, infoData("a"))).toMatchObject({
    reply: OptionReply.ERR_UNKNOWN,
  });
});

/** The errors of all replies that come until the connection ends. */
async function errorsToTheEnd(client: RawClient): Promise<number[]> {
  const errors: number[] = [];
  try {
    for (;;) errors.push((await replyTo(client)).error);
  } catch {
    return errors;
  }
}

/** The next reply to a read or a write, whichever it is: odd cookies are those of writes. */
async function replyTo(client: RawClient): Promise<{ cookie: number; error: number }> {
  const header = await client.read(16);
  const error = header.readUInt32BE(4);
  const cookie = Number(header.readBigUInt64BE(8));
  if (error === 0 && cookie % 2 === 0) await client.read(BUSY_BYTES);
  return { cookie, error };
}
