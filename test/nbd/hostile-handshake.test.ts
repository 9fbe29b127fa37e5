// Handshakes that are wrong, stop, or never end: each gets the answer that the specification has for it, and
// the server goes on for everybody else.

import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Command, GREETING_BYTES, Info, Option, OptionReply } from "../../ts/nbd/protocol.js";
import { Place } from "../cli/command-line.js";
import {
  expectWell,
  infoData,
  metaData,
  option,
  RawClient,
  request,
  u16,
  u32,
} from "./raw-client.js";
import { type NbdServer, startServer } from "./server-rig.js";

const { ERR_INVALID, ERR_UNKNOWN, ERR_UNSUP, ERR_POLICY, ERR_TOO_BIG } = OptionReply;
const LARGEST = 2 ** 32 - 1;
let place: Place;
let server: NbdServer;

// One for all tests: what one of them does to it, the next one sees.
beforeAll(async () => {
  place = await Place.create();
  server = await startServer(place, ["ram0=memory:8M", "b=memory:1M"]);
});

afterAll(() => place.remove());

/** A client that has sent the usual flags. */
async function greeted(): Promise<RawClient> {
  const client = await RawClient.connect(server.socket);
  await client.greet();
  return client;
}

describe("the connection ends", () => {
  const read = request({ command: Command.READ, lenBytes: 512 });
  const flags = u32(3);

  test.each([
    { behind: "flags that nobody knows", sent: [u32(0x80000003)] },
    { behind: "a request instead of flags", sent: [read] },
    { behind: "a request instead of an option", sent: [flags, read] },
    { behind: "HTTP", sent: [Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")] },
    { behind: "TLS without STARTTLS", sent: [Buffer.from("160301020001000001fc0303", "hex")] },
    { behind: "noise", sent: [Buffer.from([0xff]), randomBytes(65536)] },
    { behind: "noise instead of an option", sent: [flags, Buffer.alloc(16, 0xa5)] },
    {
      behind: "EXPORT_NAME of what is not there, as that has no other answer",
      sent: [flags, option(Option.EXPORT_NAME, Buffer.from("none"))],
    },
    {
      behind: "EXPORT_NAME of the default where there is none",
      sent: [flags, option(Option.EXPORT_NAME)],
    },
  ])("behind $behind", async ({ sent }) => {
    const client = await RawClient.connect(server.socket);
    client.send(...sent);
    const answer = await client.readAll();
    // The greeting, and no word about an export.
    expect(answer.length).toBeLessThanOrEqual(18);
    await expectWell(server.socket, "ram0");
  });

  test("behind ABORT, which is answered", async () => {
    const client = await greeted();
    // Data is no reason to refuse it.
    expect(await client.ask(Option.ABORT, Buffer.alloc(5))).toMatchObject({
      reply: OptionReply.ACK,
    });
    expect(await client.readAll()).toHaveLength(0);
    await expectWell(server.socket, "ram0");
  });

  test("when a client goes while the server waits for it", async () => {
    for (const sent of [[], [u16(0)], [flags], [flags, option(Option.LIST).subarray(0, 9)]]) {
      const client = await RawClient.connect(server.socket);
      client.send(...sent);
      client.stream.end();
      await client.readAll();
    }
    await expectWell(server.socket, "ram0");
  });
});

describe("is refused, and the next option is not", () => {
  const beyond = (lenBytes: number): Buffer => Buffer.concat([u32(lenBytes), Buffer.from("ram0")]);

  test.each([
    { what: "an option that nobody knows", code: 99, data: Buffer.alloc(300), by: [ERR_UNSUP] },
    { what: "the largest option", code: LARGEST, data: Buffer.of(), by: [ERR_UNSUP] },
    { what: "an option that was withdrawn", code: 4, data: Buffer.of(), by: [ERR_UNSUP] },
    { what: "LIST with data", code: Option.LIST, data: Buffer.alloc(4), by: [ERR_INVALID] },
    {
      what: "STRUCTURED_REPLY with data",
      code: Option.STRUCTURED_REPLY,
      data: Buffer.alloc(1),
      by: [ERR_INVALID],
    },
    {
      what: "STARTTLS where there are no certificates",
      code: Option.STARTTLS,
      data: Buffer.of(),
      by: [ERR_POLICY, ERR_UNSUP],
    },
    { what: "no data at all", code: Option.GO, data: Buffer.of(), by: [ERR_INVALID] },
    { what: "a name without its end", code: Option.GO, data: beyond(5), by: [ERR_INVALID] },
    {
      what: "a name of 2^32 - 1 bytes",
      code: Option.INFO,
      data: beyond(LARGEST),
      by: [ERR_INVALID],
    },
    {
      what: "a name, and no number of infos",
      code: Option.GO,
      data: beyond(4),
      by: [ERR_INVALID],
    },
    {
      what: "fewer infos than were announced",
      code: Option.GO,
      data: Buffer.concat([beyond(4), u16(3), u16(Info.NAME)]),
      by: [ERR_INVALID],
    },
    {
      what: "more infos than were announced",
      code: Option.GO,
      data: Buffer.concat([infoData("ram0", Info.NAME), u16(Info.BLOCK_SIZE)]),
      by: [ERR_INVALID],
    },
    {
      what: "an export that is not there",
      code: Option.GO,
      data: infoData("ram"),
      by: [ERR_UNKNOWN],
    },
    {
      what: "the default where there is none",
      code: Option.GO,
      data: infoData(""),
      by: [ERR_UNKNOWN],
    },
    {
      what: "a name that is not UTF-8",
      code: Option.GO,
      data: infoData(Buffer.from([0xff, 0xfe, 0x00])),
      by: [ERR_UNKNOWN, ERR_INVALID],
    },
    {
      what: "a name that is too long",
      code: Option.GO,
      data: infoData("x".repeat(5000)),
      by: [ERR_UNKNOWN, ERR_INVALID, ERR_TOO_BIG],
    },
  ])("$what", async ({ code, data, by }) => {
    const client = await greeted();
    const { reply, before } = await client.ask(code, data);
    expect(by).toContain(reply);
    expect(before).toEqual([]);
    await client.go("ram0");
    expect(await client.write(0, Buffer.alloc(512, 1))).toBe(0);
  });

  test.each([
    {
      what: "an export that is not there",
      data: metaData("none", "base:allocation"),
      by: ERR_UNKNOWN,
    },
    { what: "no data at all", data: Buffer.of(), by: ERR_INVALID },
    { what: "a name without its end", data: beyond(99), by: ERR_INVALID },
    {
      what: "2^32 - 1 queries",
      data: Buffer.concat([beyond(4), u32(LARGEST)]),
      by: ERR_INVALID,
    },
    {
      what: "a query without its end",
      data: Buffer.concat([beyond(4), u32(1), u32(40), Buffer.from("base:allocation")]),
      by: ERR_INVALID,
    },
    {
      what: "more queries than were announced",
      data: Buffer.concat([metaData("ram0", "base:allocation"), u32(0)]),
      by: ERR_INVALID,
    },
  ])("a metadata context: $what", async ({ data, by }) => {
    const client = await greeted();
    expect(await client.ask(Option.STRUCTURED_REPLY)).toMatchObject({ reply: OptionReply.ACK });
    for (const code of [Option.LIST_META_CONTEXT, Option.SET_META_CONTEXT]) {
      expect(await client.ask(code, data)).toMatchObject({ reply: by, before: [] });
    }
    const set = await client.ask(Option.SET_META_CONTEXT, metaData("ram0", "base:allocation"));
    expect(set).toMatchObject({ reply: OptionReply.ACK });
    expect(set.before.map((each) => each.data.toString("latin1", 4))).toEqual(["base:allocation"]);
    await client.go("ram0");
  });

  test("a metadata context before structured replies", async () => {
    const client = await greeted();
    const set = await client.ask(Option.SET_META_CONTEXT, metaData("ram0", "base:allocation"));
    expect(set).toMatchObject({ reply: ERR_INVALID, before: [] });
    await client.go("ram0");
  });
});

test.each([
  ["LIST", Option.LIST],
  ["GO", Option.GO],
  ["SET_META_CONTEXT", Option.SET_META_CONTEXT],
  ["EXPORT_NAME", Option.EXPORT_NAME],
  ["an option that nobody knows", 99],
] as const)("%s of 2^32 - 1 bytes is not waited for by anybody else", async (_, code) => {
  const client = await greeted();
  client.send(option(code, Buffer.alloc(1024 * 1024), LARGEST));
  await expectWell(server.socket, "ram0");
  client.destroy();
  await expectWell(server.socket, "ram0");
});

test.each([
  { how: "in one piece, with requests behind it", pieceBytes: 1000 },
  { how: "byte by byte", pieceBytes: 1 },
])("a handshake may come $how", async ({ pieceBytes }) => {
  const all = Buffer.concat([
    u32(3),
    option(99, Buffer.alloc(10)),
    option(Option.INFO, infoData("b")),
    option(Option.GO, infoData("ram0")),
    request({ command: Command.WRITE, lenBytes: 512, cookie: 7n }),
    Buffer.alloc(512, 0x42),
    request({ command: Command.FLUSH, cookie: 8n }),
  ]);
  const client = await RawClient.connect(server.socket);
  for (let at = 0; at < all.length; at += pieceBytes) {
    client.send(all.subarray(at, at + pieceBytes));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.read(GREETING_BYTES);
  const replies = [await client.reply(), await client.reply()];
  while (replies.at(-1)?.option !== Option.GO || replies.at(-1)?.reply !== OptionReply.ACK) {
    replies.push(await client.reply());
  }
  const finals = replies.filter(({ reply }) => reply !== OptionReply.INFO);
  expect(finals.map(({ option: code, reply }) => [code, reply])).toEqual([
    [99, ERR_UNSUP],
    [Option.INFO, OptionReply.ACK],
    [Option.GO, OptionReply.ACK],
  ]);
  // They may be answered in any order.
  const answers = [await client.simpleReply(), await client.simpleReply()];
  expect(answers.map(({ cookie, error }) => `${cookie} ${error}`).sort()).toEqual(["7 0", "8 0"]);
  expect(await client.readDisc(0, 512)).toEqual(Buffer.alloc(512, 0x42));
});

test.each([
  { flags: 3, lenBytes: 10 },
  { flags: 1, lenBytes: 134 },
  { flags: 0, lenBytes: 134 },
])("EXPORT_NAME with flags $flags is answered by $lenBytes bytes", async ({ flags, lenBytes }) => {
  const client = await RawClient.connect(server.socket);
  expect(await client.exportName("ram0", flags)).toBe(lenBytes);
  // What comes next is an answer to this.
  expect(await client.write(512, Buffer.alloc(512, 2))).toBe(0);
});

// The last: it has the server end.
test("who stalls, at whatever step, keeps nobody waiting, and the server can end", async () => {
  const steps = [
    [],
    [u32(3).subarray(0, 2)],
    [u32(3)],
    [u32(3), option(Option.GO).subarray(0, 10)],
    [u32(3), option(Option.GO, infoData("ram0"), 100)],
    [u32(3), option(Option.STRUCTURED_REPLY)],
    [u32(3), option(Option.GO, infoData("ram0"))],
    [
      u32(3),
      option(Option.GO, infoData("ram0")),
      request({ command: Command.READ }).subarray(0, 20),
    ],
  ];
  await Promise.all(
    steps.flatMap((sent) =>
      Array.from({ length: 3 }, async () => {
        const client = await RawClient.connect(server.socket);
        client.send(...sent);
      }),
    ),
  );
  await expectWell(server.socket, "ram0");
  await expectWell(server.socket, "b");
  expect(await server.close()).toMatchObject({ exitCode: 143 });
});
