// `NbdServer` in a program: where it listens, what it refuses, and how many clients it takes.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { BlockIo, GenDisk, RamDriver, TagSet } from "blockpt";
import { type NbdExport, NbdServer, type NbdServerOptions, parseNbdUri } from "blockpt/nbd";
import { describe, expect, test } from "vitest";
import { Command, Option } from "../../ts/nbd/protocol.js";
import { afterThisTest } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import { code } from "./attached.js";
import { greeted, listen, openSimple, placeOf } from "./embedded.js";
import { expectWell, option, RawClient, request, u32 } from "./raw-client.js";
import { makeFolder } from "./servers.js";

const SECTORS = 2048;

/** A disk in this thread's own memory: nothing here is about disks. */
function ramDisk(): BlockIo {
  const driver = new RamDriver(SECTORS * 512);
  const limits = { sectors: SECTORS, features: RamDriver.features };
  return new BlockIo(new GenDisk(new TagSet(1, 64), driver, { name: "ram0", limits }).add());
}

const exports = (): NbdExport[] => [{ name: "ram0", disk: ramDisk() }];

describe("is refused", () => {
  test.each<{ what: string; options: Partial<NbdServerOptions>; error: string; says: string }>([
    {
      what: "what is no URI",
      options: { uri: "localhost" },
      error: "INVALID_ARGUMENT",
      says: "nbd://HOST",
    },
    {
      what: "a URI of something else",
      options: { uri: "http://localhost" },
      error: "INVALID_ARGUMENT",
      says: "nbd+unix:///EXPORT?socket=PATH",
    },
    {
      what: "a Unix socket without a path",
      options: { uri: "nbd+unix:///" },
      error: "INVALID_ARGUMENT",
      says: "socket",
    },
    {
      what: "a URI with an export's name",
      options: { uri: "nbd://localhost:0/ram0" },
      error: "INVALID_ARGUMENT",
      says: "no export's name",
    },
    {
      what: "TLS without certificates",
      options: { uri: "nbds://localhost:0" },
      error: "INVALID_ARGUMENT",
      says: "tls",
    },
    {
      what: "certificates that are none",
      options: { uri: "nbds://localhost:0", tls: { cert: "no", key: "pem" } },
      error: "LISTEN",
      says: "certificates",
    },
    {
      what: "a name of 4097 bytes",
      options: { exports: [{ name: "ä".repeat(2048).concat("b"), disk: ramDisk() }] },
      error: "NAME",
      says: "4097",
    },
    {
      what: "no client at all",
      options: { maxConnections: 0 },
      error: "INVALID_ARGUMENT",
      says: "maxConnections",
    },
    {
      what: "more clients than there can be",
      options: { maxConnections: 65537 },
      error: "INVALID_ARGUMENT",
      says: "maxConnections",
    },
    {
      what: "a handshake without time",
      options: { handshakeTimeoutMs: 0 },
      error: "INVALID_ARGUMENT",
      says: "handshakeTimeoutMs",
    },
    {
      what: "a socket in a directory that is not there",
      options: { uri: "nbd+unix:///?socket=/no/such/place/s" },
      error: "LISTEN",
      says: "/no/such/place/s",
    },
  ])("$what", async ({ options, error, says }) => {
    const refused = NbdServer.listen({ uri: "nbd://localhost:0", exports: exports(), ...options });
    await expect(refused).rejects.toEqual(code(error));
    await expect(refused).rejects.toThrow(says);
  });

  test("a port that is taken, with the reason", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    afterThisTest(() => void other.close());
    const { port } = other.address() as { port: number };
    const refused = NbdServer.listen({ uri: `nbd://localhost:${port}`, exports: exports() });
    await expect(refused).rejects.toEqual(code("LISTEN"));
    await expect(refused).rejects.toMatchObject({
      cause: expect.objectContaining({ code: "EADDRINUSE" }),
    });
  });

  test("a socket that another server has, which goes on", async () => {
    const server = await listen(exports());
    const refused = NbdServer.listen({ uri: server.uri(), exports: exports() });
    await expect(refused).rejects.toEqual(code("LISTEN"));
    await expectWell(placeOf(server), "ram0");
  });
});

test("a name of 4096 bytes is found, and listed whole", async () => {
  const name = "ä".repeat(2048);
  const server = await listen([{ name, disk: ramDisk() }]);
  await expectWell(placeOf(server), name);
  const { before } = await (await greeted(server)).ask(Option.LIST);
  expect(before.map(({ data }) => data.subarray(4).toString())).toEqual([name]);
});

describe("listens", () => {
  test.each(["nbd://localhost:0", "nbd://127.0.0.1:0"])(
    "at %s for this machine alone, and says the port",
    async (uri) => {
      const server = await listen(exports(), { uri });
      const { port, exportName } = parseNbdUri(server.uri("a/b c"));
      expect(port).toBeGreaterThan(0);
      expect(exportName).toBe("a/b c");
      await expectWell(port, "ram0");
    },
  );

  test("at a Unix socket, which is gone after close, as are its clients", async () => {
    const path = `${makeFolder()}/s`;
    const server = await listen(exports(), { uri: `nbd+unix:///?socket=${path}` });
    const idle = await openSimple(server, "ram0");
    expect(server.connections).toBe(1);
    await server.close();
    expect(server.connections).toBe(0);
    expect(await idle.readAll()).toHaveLength(0);
    const [error] = await once(connect(path), "error");
    expect(error).toMatchObject({ code: "ENOENT" });
    // Once more does nothing, and its place can be had again.
    await server.close();
    const next = await listen(exports(), { uri: `nbd+unix:///?socket=${path}` });
    await expectWell(placeOf(next), "ram0");
  });
});

describe("maxConnections", () => {
  test("one more is turned away, and served once another has gone", async () => {
    const log: string[] = [];
    const server = await listen(exports(), { maxConnections: 2, log: (line) => log.push(line) });
    const [first, second] = [await openSimple(server), await openSimple(server)];
    const third = await RawClient.connect(placeOf(server));
    expect(await third.readAll()).toHaveLength(0);
    expect(log).toEqual(["a client was turned away: there are 2 already"]);
    // Who was there before is served as before.
    expect(await first.write(0, Buffer.alloc(512, 1))).toBe(0);
    first.destroy();
    await until(() => server.connections === 1);
    expect(await (await openSimple(server)).readDisc(0, 512)).toEqual(Buffer.alloc(512, 1));
    expect(await second.write(0, Buffer.alloc(512, 2))).toBe(0);
  });

  test("counts also those who have not chosen yet", async () => {
    const server = await listen(exports(), { maxConnections: 1 });
    const silent = await RawClient.connect(placeOf(server));
    await until(() => server.connections === 1);
    expect(await (await RawClient.connect(placeOf(server))).readAll()).toHaveLength(0);
    silent.destroy();
    await until(() => server.connections === 0);
    await expectWell(placeOf(server), "ram0");
  });
});

describe("handshakeTimeoutMs", () => {
  test("who stalls is dropped, and the log hears of it; who has chosen may be idle", async () => {
    const log: string[] = [];
    const server = await listen(exports(), {
      handshakeTimeoutMs: 300,
      log: (line) => log.push(line),
    });
    const idle = await openSimple(server);
    const stalled = await Promise.all(
      [0, 3, 4, 12].map(async (sent) => {
        const client = await RawClient.connect(placeOf(server));
        client.send(Buffer.concat([u32(3), option(Option.LIST)]).subarray(0, sent));
        return client;
      }),
    );
    for (const client of stalled) expect((await client.readAll()).length).toBeLessThanOrEqual(18);
    await until(() => server.connections === 1);
    const line = "a client was dropped: it did not end its handshake in 300 ms";
    expect(log).toEqual(stalled.map(() => line));
    expect(await idle.write(0, Buffer.alloc(512, 1))).toBe(0);
  });

  test("a client that asks and asks, and reads nothing, is dropped as well", async () => {
    const many = Array.from({ length: 200 }, (_, index) => ({
      name: `${index}`.padEnd(4000, "x"),
      disk: ramDisk(),
    }));
    const server = await listen(many, { handshakeTimeoutMs: 300 });
    const client = await greeted(server);
    client.stream.pause();
    for (let index = 0; index < 20; index++) client.send(option(Option.LIST));
    await until(() => server.connections === 0);
    await expectWell(placeOf(server), many[7]?.name ?? "");
  });
});

test("what clients did wrong is told in words, one line each", async () => {
  const log: string[] = [];
  const server = await listen(exports(), { log: (line) => log.push(line) });
  const client = await openSimple(server);
  client.send(request({ command: Command.READ, magic: 1, lenBytes: 512 }));
  await client.readAll();
  const other = await greeted(server);
  other.send(Buffer.alloc(16, 7));
  await other.readAll();
  await until(() => server.connections === 0);
  expect(log).toEqual([
    "a client was dropped: what should be a request begins with other bytes",
    "a client was dropped: what should be an option begins with other bytes",
  ]);
});
