// A server that breaks the protocol, in every way that the client looks for: the connection is dropped with a word
// about why, and what was not answered is asked of the next one.

import { NbdDisc } from "blockpt";
import { expect, test, vi } from "vitest";
import { afterThisTest, pattern } from "../api/rig.js";
import { attachNbd, code, status } from "./attached.js";
import {
  ACK,
  chunk,
  dataAt,
  errorOf,
  exportInfo,
  type FakeOptions,
  type FakeRequest,
  fakeServer,
  GREETING,
  holeAt,
  INFO,
  optionReply,
  simple,
  UNSUPPORTED,
  USUAL_FLAGS,
} from "./fake-server.js";

const SIZE = 1024 * 1024;
const READ = 65536;
const content = pattern(SIZE);

/** What the library says on stderr. */
function listen(): () => string {
  const spy = vi.spyOn(console, "error").mockImplementation(() => {});
  afterThisTest(() => spy.mockRestore());
  return () => spy.mock.calls.flat().join("\n");
}

const half = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, READ / 2);
const asked = ({ offset, length }: FakeRequest): Uint8Array =>
  content.subarray(offset, offset + length);
const header = (bytes: Buffer): Buffer => bytes.subarray(0, 20);

/** What a server answers to the first read, and what is said of that. */
const WRONG_ANSWERS: [string, boolean, (request: FakeRequest) => Buffer][] = [
  ["a reply begins with 0x12345678", true, () => Buffer.from("1234567812345678", "hex")],
  ["was answered already", true, ({ cookie }) => chunk(cookie - 1n, 0, true)],
  ["nobody made", true, ({ cookie }) => chunk(cookie + 1n, 0, true)],
  ["nobody made", true, ({ cookie }) => chunk(cookie + 2n ** 40n, 0, true)],
  ["nobody made", false, () => simple(0n)],
  ["has a simple reply", true, (request) => simple(request.cookie, 0, asked(request))],
  ["none were agreed on", false, ({ cookie }) => chunk(cookie, 0, true)],
  ["before all of its data has come", true, ({ cookie }) => chunk(cookie, 0, true)],
  [
    "before all of its data has come",
    true,
    (request) => chunk(request.cookie, 1, true, dataAt(request.offset, half(asked(request)))),
  ],
  [
    "outside of what was asked for",
    true,
    (request) => chunk(request.cookie, 1, true, dataAt(request.offset + 512, asked(request))),
  ],
  [
    "outside of what was asked for",
    true,
    (request) => chunk(request.cookie, 1, true, dataAt(request.offset - 512, half(asked(request)))),
  ],
  [
    "outside of what was asked for",
    true,
    ({ cookie, offset }) => chunk(cookie, 2, true, holeAt(offset, 2 ** 32 - 1)),
  ],
  [
    "the same data twice",
    true,
    (request) => {
      const first = chunk(request.cookie, 1, false, dataAt(request.offset, half(asked(request))));
      return Buffer.concat([first, chunk(request.cookie, 2, true, holeAt(request.offset, 512))]);
    },
  ],
  [
    "in too many pieces",
    true,
    ({ cookie, offset }) =>
      Buffer.concat(
        Array.from({ length: 2000 }, (_, index) =>
          chunk(cookie, 2, false, holeAt(offset + 2 * index, 1)),
        ),
      ),
  ],
  ["a chunk without data", true, ({ cookie, offset }) => chunk(cookie, 2, true, holeAt(offset, 0))],
  ["has 8 bytes, too few for data", true, ({ cookie }) => chunk(cookie, 1, true, Buffer.alloc(8))],
  [
    "has a hole described in 11 bytes",
    true,
    ({ cookie }) => chunk(cookie, 2, true, Buffer.alloc(11)),
  ],
  ["is of the kind that has none", true, ({ cookie }) => chunk(cookie, 0, true, Buffer.alloc(4))],
  ["of the unknown kind 5", true, ({ cookie }) => chunk(cookie, 5, true, Buffer.alloc(12))],
  [
    "an error described in 4 bytes",
    true,
    ({ cookie }) => chunk(cookie, 32769, true, Buffer.alloc(4)),
  ],
  [
    "an error described in 4294967295 bytes",
    true,
    ({ cookie }) => header(chunk(cookie, 32769, true, Buffer.alloc(0), 2 ** 32 - 1)),
  ],
  ["says that there is none", true, ({ cookie }) => chunk(cookie, 32769, true, errorOf(0, ""))],
  ["longer than its chunk", true, ({ cookie }) => chunk(cookie, 32769, true, errorOf(5, "no", 9))],
  [
    "was answered already",
    true,
    (request) => {
      const all = dataAt(request.offset, asked(request));
      return Buffer.concat([
        chunk(request.cookie - 1n, 1, true, all),
        chunk(request.cookie, 1, true, all),
      ]);
    },
  ],
];

test.each(WRONG_ANSWERS)(
  "a server whose answer %s is left (structured: %s)",
  async (why, structured, answer) => {
    const said = listen();
    let wrong = 0;
    const server = await fakeServer({
      structured,
      request: (request) => {
        // The second request of the first connection, so that there is one that was answered.
        if (request.command === 0 && server.connections === 2 && ++wrong === 2)
          return answer(request);
        return undefined;
      },
    });
    server.memory.set(content);
    const disc = await NbdDisc.open(server.uri, { connections: 1 });
    afterThisTest(() => disc.close());
    const { bus } = await attachNothing();
    const at = bus.hostMemory.offset;
    for (const offset of [0, READ]) {
      expect(await disc.readInto(bus, at, READ, offset)).toBe(0);
      const read = Buffer.from(bus.buffer, at, READ);
      expect(read.equals(content.subarray(offset, offset + READ))).toBe(true);
    }
    expect(said()).toContain(why);
    expect(server.connections).toBe(3);
  },
);

async function attachNothing() {
  const { makeEndpoint } = await import("../api/rig.js");
  return makeEndpoint();
}

test("what comes in pieces, with holes, in any order and cut anywhere, is put together", async () => {
  const server = await fakeServer({
    request: ({ command, cookie, offset, length }, socket) => {
      if (command !== 0) return undefined;
      const bytes = content.subarray(offset, offset + length);
      const hole = length / 4;
      const answer = Buffer.concat([
        chunk(cookie, 1, false, dataAt(offset + 2 * hole, bytes.subarray(2 * hole, 3 * hole))),
        chunk(cookie, 2, false, holeAt(offset + 3 * hole, hole)),
        chunk(cookie, 1, false, dataAt(offset + hole, bytes.subarray(hole, 2 * hole))),
        chunk(cookie, 1, false, dataAt(offset, bytes.subarray(0, hole))),
        chunk(cookie, 0, true),
      ]);
      // One byte, then the rest in odd pieces.
      socket.write(answer.subarray(0, 1));
      for (let at = 1; at < answer.length; at += 7777) {
        setTimeout(() => socket.write(answer.subarray(at, at + 7777)), at / 7777);
      }
      return Buffer.alloc(0);
    },
  });
  const { disk } = await attachNbd(server.uri);
  const target = disk.allocate(READ);
  target.fill(255);
  await disk.read(target, READ);
  const expected = Buffer.from(content.subarray(READ, 2 * READ));
  expected.fill(0, (3 * READ) / 4);
  expect(Buffer.from(target).equals(expected)).toBe(true);
});

test("errors of the server become those of the disk", async () => {
  const errors: [nbd: number, blkStatus: number][] = [
    [1, 8],
    [5, 10],
    [12, 9],
    [22, 19],
    [28, 3],
    [75, 10],
    [95, 1],
    [108, 16],
    [4242, 10],
  ];
  for (const structured of [true, false]) {
    const server = await fakeServer({
      structured,
      request: ({ cookie, offset }) => {
        const error = errors[offset / 512]?.[0];
        if (error === undefined) return undefined;
        if (!structured) return simple(cookie, error);
        const said = chunk(cookie, 32769, false, errorOf(error, "no, never"));
        return Buffer.concat([said, chunk(cookie, 0, true)]);
      },
    });
    const { disk } = await attachNbd(server.uri);
    for (const [index, [, blkStatus]] of errors.entries()) {
      const offset = index * 512;
      await expect(disk.read(new Uint8Array(512), offset)).rejects.toEqual(status(blkStatus));
      await expect(disk.write(new Uint8Array(512), offset)).rejects.toEqual(status(blkStatus));
    }
    await disk.read(new Uint8Array(512), 65536);
  }
});

test("a request that ends every connection is given up", async () => {
  const server = await fakeServer({
    request: ({ offset }, socket) => {
      if (offset === 512) socket.destroy();
      return undefined;
    },
  });
  const { disk } = await attachNbd(server.uri);
  await expect(disk.read(new Uint8Array(512), 512)).rejects.toEqual(status(10));
  await disk.read(new Uint8Array(512), 0);
});

/** Handshakes that come to nothing, and what is said of them. */
const WRONG_HANDSHAKES: [string, FakeOptions][] = [
  ["that is no NBD server", { greeting: Buffer.from("SSH-2.0-OpenSSH_9.2p1 Debian\r\n") }],
  [
    "oldstyle",
    {
      greeting: Buffer.concat([
        GREETING.subarray(0, 8),
        Buffer.from("00004202818612530000", "hex"),
      ]),
    },
  ],
  ["fixed newstyle", { greeting: Buffer.concat([GREETING.subarray(0, 16), Buffer.alloc(2)]) }],
  ["within 300 ms", { greeting: GREETING.subarray(0, 17) }],
  ["within 300 ms", { option: (option) => (option === 7 ? Buffer.alloc(0) : undefined) }],
  ["does not begin as one", { option: () => Buffer.alloc(20) }],
  ["option 8 was sent, 7 answered", { option: () => optionReply(7, ACK) }],
  [
    "an option's reply has 4294967295 bytes",
    {
      option: (option) => {
        const reply = optionReply(option, INFO);
        reply.writeUInt32BE(2 ** 32 - 1, 16);
        return reply;
      },
    },
  ],
  ["answered STRUCTURED_REPLY by 2", { option: (option) => optionReply(option, 2) }],
  ["does not say what the export is", { option: (option) => optionReply(option, ACK) }],
  ["answered GO by 2 with 0 bytes", { option: (o) => (o === 7 ? optionReply(7, 2) : undefined) }],
  ["in 3 bytes", { option: (o) => (o === 7 ? optionReply(7, INFO, Buffer.alloc(5)) : undefined) }],
  [
    "does not come to an end",
    {
      option: (option) =>
        option === 7
          ? Buffer.concat(
              Array.from({ length: 1100 }, () => optionReply(7, INFO, Buffer.from([9, 9]))),
            )
          : undefined,
    },
  ],
  [
    "18446744073709551615 bytes, too many",
    { option: (o) => (o === 7 ? optionReply(7, INFO, exportInfo(2n ** 64n - 1n, 1)) : undefined) },
  ],
  ["smallest block has 3 bytes", { blocks: [3, 4096, 65536] }],
  ["smallest block has 131072 bytes", { blocks: [131072, 131072, 131072] }],
  ["smallest block has 0 bytes", { blocks: [0, 4096, 65536] }],
  ["largest block has 512 bytes", { blocks: [4096, 4096, 512] }],
  ["wants TLS: nbds://", { option: (option) => optionReply(option, 2 ** 31 + 5) }],
  [
    "is shutting down",
    { option: (o) => (o === 7 ? optionReply(7, 2 ** 31 + 7, Buffer.from("bye")) : undefined) },
  ],
  [
    'has no such export; it has "a", "b"',
    {
      option: (option) => {
        if (option === 7) return optionReply(7, 2 ** 31 + 6);
        if (option !== 3) return undefined;
        const named = ["a", "b"].map((name) => Buffer.from(`\0\0\0\x01${name}and what it is`));
        return Buffer.concat([
          ...named.map((data) => optionReply(3, 2, data)),
          optionReply(3, ACK),
        ]);
      },
    },
  ],
  [
    "has no export",
    {
      option: (option, _data, socket) => {
        if (option === 1) socket.destroy();
        return option === 7 ? optionReply(7, UNSUPPORTED) : undefined;
      },
    },
  ],
];

test.each(WRONG_HANDSHAKES)(
  "a handshake that comes to nothing says why: %s",
  async (why, options) => {
    const server = await fakeServer(options);
    const opened = NbdDisc.open(server.uri, { connectTimeoutMs: 300 });
    await expect(opened).rejects.toEqual(code("DISC_OPEN"));
    await expect(opened).rejects.toThrow(why);
  },
);

test("an empty export, and one that is shorter than its block, are no discs", async () => {
  for (const options of [
    { sizeBytes: 0 },
    { sizeBytes: 100 },
    { sizeBytes: 4095, blocks: [4096, 4096, 65536] },
  ]) {
    const server = await fakeServer(options as FakeOptions);
    await expect(NbdDisc.open(server.uri)).rejects.toEqual(code("DISC_SIZE"));
  }
});

test("servers without GO, and without structured replies, are as good", async () => {
  const server = await fakeServer({
    structured: false,
    option: (option) => (option === 7 ? optionReply(7, UNSUPPORTED) : undefined),
  });
  const { disk } = await attachNbd(server.uri);
  await disk.write(content.subarray(0, READ), 512);
  const back = new Uint8Array(READ);
  await disk.read(back, 512);
  expect(Buffer.from(back).equals(content.subarray(0, READ))).toBe(true);
});

test("blocks, the largest request and the end of the export are the server's", async () => {
  const server = await fakeServer({ sizeBytes: SIZE + 4096 + 100, blocks: [4096, 4096, 8192] });
  const { disk, endpoint, rc } = await attachNbd(server.uri);
  expect(disk.sizeBytes).toBe(SIZE + 4096);
  expect(disk.logicalBlockBytes).toBe(4096);
  await disk.write(content.subarray(0, READ), 0);
  const back = new Uint8Array(READ);
  await disk.read(back, 0);
  expect(Buffer.from(back).equals(content.subarray(0, READ))).toBe(true);
  const lengths = server.requests.map(({ length }) => length);
  expect(lengths.length).toBe(16);
  expect(Math.max(...lengths)).toBe(8192);
  await rc.close();
  expect(endpoint.inspect().discs[0]?.queues[0]?.statistics).toMatchObject({ reads: 1, writes: 1 });
});

test("what the server offers is what the disk can do", async () => {
  const all = await fakeServer({ flags: USUAL_FLAGS });
  const { disk } = await attachNbd(all.uri);
  await disk.write(new Uint8Array(512), 0, { fua: true });
  await disk.discard(0, 4096);
  await disk.writeZeroes(0, 4096);
  await disk.flush();
  // WRITE with FUA, TRIM, WRITE_ZEROES that may leave a hole, FLUSH.
  const asked = all.requests.map(({ command, flags }) => [command, flags]);
  expect(asked).toEqual([
    [1, 1],
    [4, 0],
    [6, 0],
    [3, 0],
  ]);
  const none = await fakeServer({ flags: 1 });
  const { disk: plain } = await attachNbd(none.uri);
  await expect(plain.flush()).rejects.toEqual(code("NOT_SUPPORTED"));
  await expect(plain.discard(0, 512)).rejects.toEqual(code("NOT_SUPPORTED"));
  const readOnly = await fakeServer({ flags: 3 });
  const { disk: fixed } = await attachNbd(readOnly.uri);
  await expect(fixed.write(new Uint8Array(512), 0)).rejects.toEqual(code("READ_ONLY"));
  // Flags without HAS_FLAGS mean nothing.
  const { disk: odd } = await attachNbd((await fakeServer({ flags: 6 })).uri);
  await odd.write(new Uint8Array(512), 0);
  await expect(odd.flush()).rejects.toEqual(code("NOT_SUPPORTED"));
});

test("a server that bears one connection has one queue", async () => {
  const server = await fakeServer();
  await expect(attachNbd(server.uri, {}, 2)).rejects.toEqual(code("INVALID_ARGUMENT"));
  const several = await fakeServer({ flags: USUAL_FLAGS | 256 });
  const { disk } = await attachNbd(several.uri, { connections: 3 }, 1);
  await disk.flush();
  // One to ask, three to use.
  expect(several.connections).toBe(4);
});
