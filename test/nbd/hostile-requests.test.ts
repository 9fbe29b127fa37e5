// Requests that are wrong, cut off, too many, or whose answers nobody reads; and clients that vanish: nothing
// of them is left, and everybody else goes on.

import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Command, NbdError, Option } from "../../ts/nbd/protocol.js";
import { Place, until } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import { expectWell, infoData, option, RawClient, request, u32 } from "./raw-client.js";
import { type NbdServer, startServer } from "./server-rig.js";
import { TOOL_TEST_MS } from "./tools.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const LARGEST = 2 ** 32 - 1;
const SIZE_BYTES = 32 * MIB;
let place: Place;
let server: NbdServer;

// One for all tests: what one of them does to it, the next one sees.
beforeAll(async () => {
  place = await Place.create();
  await makeSparse(place.path("disk.img"), SIZE_BYTES);
  server = await startServer(place, ["ram0=memory:32M", "img=disk.img"]);
});

afterAll(() => place.remove());

const open = (name = "ram0"): Promise<RawClient> => RawClient.open(server.socket, name);
const isWell = (name = "ram0"): Promise<void> => expectWell(server.socket, name);

/** A number of the server's process in `/proc/PID/status`, in bytes. */
function memoryBytes(field: string): number {
  const status = readFileSync(`/proc/${server.running.child.pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) * KIB;
}

describe("are refused, and the connection goes on", () => {
  test.each([
    { what: "a command that nobody knows", fields: { command: 8 } },
    { what: "the largest command", fields: { command: 65535, lenBytes: LARGEST, flags: 65535 } },
    { what: "a flag that nobody knows", fields: { command: Command.FLUSH, flags: 0x8000 } },
    {
      what: "a flag of another command",
      fields: { command: Command.TRIM, lenBytes: 512, flags: 2 },
    },
    { what: "a read of 2^32 - 1 bytes", fields: { command: Command.READ, lenBytes: LARGEST } },
    {
      what: "a read of all that 32 bits can say in sectors",
      fields: { command: Command.READ, lenBytes: LARGEST - 511 },
    },
    {
      what: "a read at the largest offset",
      fields: { command: Command.READ, offset: 2n ** 64n - 512n, lenBytes: 512 },
    },
    {
      what: "a read whose end passes 2^64",
      fields: { command: Command.READ, offset: 2n ** 64n - 512n, lenBytes: 4096 },
    },
    { what: "a cache of nothing", fields: { command: Command.CACHE, lenBytes: 0 } },
    {
      what: "the state of blocks, of which nothing was agreed",
      fields: { command: Command.BLOCK_STATUS, lenBytes: 512 },
    },
    {
      what: "a read in one piece, of which nothing was agreed",
      fields: { command: Command.READ, lenBytes: 512, flags: 4 },
    },
  ])("$what", async ({ fields }) => {
    const client = await open();
    expect(await client.carryOut({ ...fields, command: fields.command })).toMatchObject({
      error: NbdError.EINVAL,
    });
    expect(await client.write(0, Buffer.alloc(512, 1))).toBe(0);
    expect(await client.readDisc(0, 512)).toEqual(Buffer.alloc(512, 1));
  });

  test("a write of nothing", async () => {
    const client = await open();
    const nothing = { command: Command.WRITE, lenBytes: 0 };
    expect(await client.carryOut(nothing)).toMatchObject({ error: NbdError.EINVAL });
    expect(await client.readDisc(0, 512)).toHaveLength(512);
  });

  test("a write that is wrong, whose data is passed over", async () => {
    const client = await open();
    const before = Buffer.alloc(4096, 0x11);
    expect(await client.write(0, before)).toBe(0);
    const write = { command: Command.WRITE, lenBytes: 4096 };
    const data = Buffer.alloc(4096, 0x25);
    // In the data there is what looks like a request.
    request({ command: Command.DISC }).copy(data, 512);
    const wrong = [
      { ...write, cookie: 1n, offset: SIZE_BYTES },
      { ...write, cookie: 2n, offset: 100 },
      { ...write, cookie: 3n, flags: 0x4000 },
      { ...write, cookie: 4n, offset: 2n ** 64n - 4096n },
    ];
    for (const each of wrong) client.send(request(each), data);
    const errors = new Map<bigint, number>();
    for (const _ of wrong) {
      const { cookie, error } = await client.simpleReply();
      errors.set(cookie, error);
    }
    const { EINVAL, ENOSPC } = NbdError;
    expect([1n, 2n, 3n, 4n].map((cookie) => errors.get(cookie))).toEqual([
      ENOSPC,
      EINVAL,
      EINVAL,
      ENOSPC,
    ]);
    expect(await client.readDisc(0, 4096)).toEqual(before);
  });
});

describe.each(["ram0", "img"])("of %s", { timeout: TOOL_TEST_MS }, (name) => {
  test("a wrong magic ends the connection, and what was asked before it is done", async () => {
    const client = await open(name);
    expect(await client.write(4096, Buffer.alloc(512, 7))).toBe(0);
    client.send(request({ command: Command.WRITE, magic: 0x12345678, lenBytes: 512 }));
    client.send(Buffer.alloc(512, 9));
    await client.readAll();
    expect(await (await open(name)).readDisc(4096, 512)).toEqual(Buffer.alloc(512, 7));
  });

  test.each([
    { how: "ends its side", leave: (client: RawClient) => client.stream.end() },
    { how: "vanishes", leave: (client: RawClient) => client.destroy() },
  ])(
    "of data that is cut off, as the client $how, nothing is written but what came",
    async ({ leave }) => {
      const before = Buffer.alloc(MIB, 0x33);
      for (const sentBytes of [0, 1, 700, 65536, MIB - 1]) {
        const other = await open(name);
        expect(await other.write(MIB, before)).toBe(0);
        const client = await open(name);
        client.send(request({ command: Command.WRITE, offset: MIB, lenBytes: MIB }));
        client.send(Buffer.alloc(sentBytes, 0x99));
        leave(client);
        await client.readAll();
        await isWell(name);
        const found = await other.readDisc(MIB, MIB);
        // It was not answered, so whole sectors of it may be there, or none.
        const writtenBytes = found.lastIndexOf(0x99) + 1;
        expect(writtenBytes % 512).toBe(0);
        expect(writtenBytes).toBeLessThanOrEqual(sentBytes);
        expect(found.indexOf(0x33)).toBe(writtenBytes);
      }
    },
  );

  test("what was asked before DISC is done, what stands behind it is not", async () => {
    const client = await open(name);
    const base = 24 * MIB;
    for (let index = 0; index < 64; index++) {
      const offset = base + index * 8192;
      client.send(
        request({ command: Command.WRITE, offset, lenBytes: 4096 }),
        Buffer.alloc(4096, 5),
      );
    }
    client.send(request({ command: Command.DISC }));
    client.send(
      request({ command: Command.WRITE, offset: base + 4096, lenBytes: 512 }),
      Buffer.alloc(512, 6),
    );
    await client.readAll();
    const other = await open(name);
    for (let index = 0; index < 64; index++) {
      expect(await other.readDisc(base + index * 8192, 4096)).toEqual(Buffer.alloc(4096, 5));
    }
    expect(await other.readDisc(base + 4096, 512)).toEqual(Buffer.alloc(512));
  });

  test("a thousand whose answers nobody reads: others go on, and then each answer is there", async () => {
    const COUNT = 1000;
    const LEN_BYTES = 64 * KIB;
    const writer = await open(name);
    for (let index = 0; index < 256; index++) {
      expect(await writer.write(MIB + index * LEN_BYTES, Buffer.alloc(LEN_BYTES, index))).toBe(0);
    }
    const client = await open(name);
    const offsetOf = (index: number): number => MIB + (index % 256) * LEN_BYTES;
    const read = { command: Command.READ, lenBytes: LEN_BYTES };
    for (let index = 0; index < COUNT; index++) {
      client.send(request({ ...read, cookie: BigInt(index), offset: offsetOf(index) }));
    }
    for (let round = 0; round < 20; round++) await isWell(name);
    const seen = new Set<bigint>();
    for (let index = 0; index < COUNT; index++) {
      const { cookie, error, data } = await client.simpleReply(LEN_BYTES);
      const expected = Number(cookie) % 256;
      expect(error).toBe(0);
      expect([data[0], data[LEN_BYTES - 1], data.indexOf(expected)]).toEqual([
        expected,
        expected,
        0,
      ]);
      seen.add(cookie);
    }
    expect(seen.size).toBe(COUNT);
  });
});

test.each(["ram0", "img"])(
  "%s: a read of 32 MiB is answered in one piece to who agreed on no chunks",
  async (name) => {
    const client = await open(name);
    expect(await client.write(SIZE_BYTES - 512, Buffer.alloc(512, 0x44))).toBe(0);
    // The Linux kernel's client has no chunks, and its requests may have more than 1 MiB.
    for (const lenBytes of [1280 * KIB, SIZE_BYTES]) {
      const start = SIZE_BYTES - lenBytes;
      const data = await client.readDisc(start, lenBytes);
      const parts: Buffer[] = [];
      for (let at = start; at < SIZE_BYTES; at += 256 * KIB) {
        parts.push(await client.readDisc(at, 256 * KIB));
      }
      expect(data.equals(Buffer.concat(parts))).toBe(true);
      expect(data.subarray(-512).equals(Buffer.alloc(512, 0x44))).toBe(true);
    }
  },
);

test("memory is bounded, however many ask for however much, and read none of it", async (context) => {
  context.skip(process.platform !== "linux", "what a process takes is told by Linux's /proc");
  await isWell();
  const before = memoryBytes("VmRSS");
  const greedy = await Promise.all(Array.from({ length: 8 }, () => open()));
  for (const client of greedy) {
    // Three GiB, all together.
    for (let index = 0; index < 12; index++) {
      client.send(request({ command: Command.READ, cookie: BigInt(index), lenBytes: 32 * MIB }));
    }
  }
  for (let round = 0; round < 20; round++) await isWell();
  expect(memoryBytes("VmHWM") - before).toBeLessThan(1024 * MIB);
  for (const client of greedy) client.destroy();
  await isWell();
});

test("writes without an end keep nobody else waiting", async () => {
  const clients = await Promise.all(Array.from({ length: 8 }, () => open()));
  for (const client of clients) {
    client.send(request({ command: Command.WRITE, lenBytes: LARGEST }), Buffer.alloc(MIB));
  }
  const most = await Promise.all(Array.from({ length: 8 }, () => open()));
  for (const client of most) {
    client.send(request({ command: Command.WRITE, lenBytes: 32 * MIB }), Buffer.alloc(MIB));
  }
  for (let round = 0; round < 20; round++) await isWell();
  for (const client of [...clients, ...most]) client.destroy();
  await isWell();
});

test("clients that vanish at any step leave no connection, and no file, open", async (context) => {
  context.skip(process.platform !== "linux", "what a process has open is told by Linux's /proc");
  const openFiles = () => readdirSync(`/proc/${server.running.child.pid}/fd`).length;
  await isWell();
  await isWell("img");
  const before = openFiles();
  const write = request({ command: Command.WRITE, offset: 8 * MIB, lenBytes: MIB });
  const steps = [
    [],
    [u32(3)],
    [u32(3), option(Option.STRUCTURED_REPLY)],
    [u32(3), option(Option.GO, infoData("img"))],
    [u32(3), option(Option.GO, infoData("img")), write, Buffer.alloc(MIB / 2)],
    [u32(3), option(Option.GO, infoData("ram0")), write, Buffer.alloc(MIB), write],
    [
      ...[u32(3), option(Option.GO, infoData("img"))],
      ...Array.from({ length: 64 }, () => request({ command: Command.READ, lenBytes: MIB })),
    ],
  ];
  for (let round = 0; round < 6; round++) {
    const clients = await Promise.all(
      steps.flatMap((sent) =>
        Array.from({ length: 2 }, async () => {
          const client = await RawClient.connect(server.socket);
          client.send(...sent);
          return client;
        }),
      ),
    );
    await isWell();
    for (const client of clients) client.destroy();
  }
  await until(() => openFiles() <= before);
  await isWell();
  await isWell("img");
  expect(await server.close()).toMatchObject({ exitCode: 143 });
});
