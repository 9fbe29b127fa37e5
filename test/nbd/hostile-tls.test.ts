// What a client may do about TLS that no client of good manners does: what was said in the open is forgotten,
// and nothing is said in the open that TLS was wanted for.

import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Command, NbdError, Option, OptionReply } from "../../ts/nbd/protocol.js";
import { Place } from "../cli/command-line.js";
import { makeCertificates } from "./certificates.js";
import { infoData, metaData, option, RawClient, request, u32 } from "./raw-client.js";
import { type NbdServer, startServer } from "./server-rig.js";
import { has, need } from "./tools.js";

const { ACK, ERR_INVALID, ERR_TLS_REQD } = OptionReply;
let place: Place;
/** It wants TLS of everybody. */
let strict: NbdServer;
/** It offers it. */
let open: NbdServer;

beforeAll(async () => {
  place = await Place.create();
  if (!has("openssl")) return;
  const tlsCertificates = await makeCertificates(place.path("tls"));
  const start = (scheme: string): Promise<NbdServer> => {
    const listen = `${scheme}:///?socket=${place.path(scheme)}`;
    return startServer(place, ["ram0=memory:8M"], { listen, tlsCertificates });
  };
  [strict, open] = await Promise.all([start("nbds+unix"), start("nbd+unix")]);
});

afterAll(() => place.remove());

beforeEach((context) => need(context, "openssl"));

async function greeted(server: NbdServer): Promise<RawClient> {
  const client = await RawClient.connect(server.socket);
  await client.greet();
  return client;
}

/** The same connection, with TLS. */
async function secured(client: RawClient): Promise<RawClient> {
  expect(await client.ask(Option.STARTTLS)).toMatchObject({ reply: ACK });
  // Of whom it is a client other tests make sure.
  const stream = connectTls({ socket: client.stream, rejectUnauthorized: false });
  await once(stream, "secureConnect");
  return new RawClient(stream);
}

/** Fails unless a server takes a client with TLS, and does what that asks for. */
async function expectWell(server: NbdServer): Promise<void> {
  const client = await secured(await greeted(server));
  await client.go("ram0");
  expect(await client.write(512, Buffer.alloc(512, 3))).toBe(0);
  expect(await client.readDisc(512, 512)).toEqual(Buffer.alloc(512, 3));
  client.destroy();
}

describe("where TLS is required", () => {
  test("every option before it is refused by ERR_TLS_REQD, and then it is taken", async () => {
    const client = await greeted(strict);
    for (const [code, data] of [
      [Option.LIST, Buffer.of()],
      [Option.INFO, infoData("ram0")],
      [Option.INFO, infoData("none")],
      [Option.GO, infoData("ram0")],
      [Option.STRUCTURED_REPLY, Buffer.of()],
      [Option.SET_META_CONTEXT, metaData("ram0", "base:allocation")],
      [99, Buffer.of()],
    ] as const) {
      expect(await client.ask(code, data)).toMatchObject({ reply: ERR_TLS_REQD, before: [] });
    }
    const inside = await secured(client);
    await inside.go("ram0");
    expect(await inside.write(0, Buffer.alloc(512, 1))).toBe(0);
  });

  test("EXPORT_NAME before it ends the connection, and ABORT is answered", async () => {
    const client = await greeted(strict);
    client.send(option(Option.EXPORT_NAME, Buffer.from("ram0")));
    expect(await client.readAll()).toHaveLength(0);
    expect(await (await greeted(strict)).ask(Option.ABORT)).toMatchObject({ reply: ACK });
    await expectWell(strict);
  });
});

test("what was agreed on in the open is forgotten", async () => {
  const client = await greeted(open);
  expect(await client.ask(Option.STRUCTURED_REPLY)).toMatchObject({ reply: ACK });
  const set = await client.ask(Option.SET_META_CONTEXT, metaData("ram0", "base:allocation"));
  expect(set).toMatchObject({ reply: ACK });
  const inside = await secured(client);
  const again = await inside.ask(Option.SET_META_CONTEXT, metaData("ram0", "base:allocation"));
  expect(again).toMatchObject({ reply: ERR_INVALID });
  await inside.go("ram0");
  // Its reply is a simple one, or this fails.
  expect(await inside.readDisc(0, 512)).toHaveLength(512);
  const status = { command: Command.BLOCK_STATUS, lenBytes: 512 };
  expect(await inside.carryOut(status)).toMatchObject({ error: NbdError.EINVAL });
});

test("what was sent in the open behind STARTTLS is not done", async () => {
  for (const server of [strict, open]) {
    const client = await greeted(server);
    client.send(option(Option.STARTTLS), option(Option.LIST), option(Option.GO, infoData("ram0")));
    expect(await client.reply()).toMatchObject({ option: Option.STARTTLS, reply: ACK });
    // An alert of TLS at most: the name of an export is nowhere in it, nor the magic of a reply.
    const rest = await client.readAll();
    expect(rest.length).toBeLessThan(20);
    await expectWell(server);
  }
});

test("STARTTLS with data, and a second one, are refused", async () => {
  const client = await greeted(strict);
  expect(await client.ask(Option.STARTTLS, Buffer.alloc(4))).toMatchObject({ reply: ERR_INVALID });
  const inside = await secured(client);
  expect(await inside.ask(Option.STARTTLS)).toMatchObject({ reply: ERR_INVALID });
  expect(await inside.ask(Option.LIST)).toMatchObject({ reply: ACK });
});

test("a handshake of TLS that stalls, is noise, or is left, keeps nobody waiting", async () => {
  const sent = [
    Buffer.of(),
    Buffer.from("1603010200", "hex"),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    u32(3),
    Buffer.alloc(65536, 0x16),
  ];
  const clients = await Promise.all(
    sent.map(async (bytes) => {
      const client = await greeted(strict);
      await client.ask(Option.STARTTLS);
      client.send(bytes);
      return client;
    }),
  );
  await expectWell(strict);
  for (const client of clients) client.destroy();
  await expectWell(strict);
});

test("a client that vanishes inside of TLS leaves the others theirs", async () => {
  for (let round = 0; round < 5; round++) {
    const client = await secured(await greeted(strict));
    await client.go("ram0");
    const read = request({ command: Command.READ, lenBytes: 1024 * 1024 });
    for (let index = 0; index < 32; index++) client.send(read);
    client.send(request({ command: Command.WRITE, lenBytes: 65536 }), Buffer.alloc(100));
    await client.read(16);
    client.destroy();
  }
  await expectWell(strict);
});
