// An NBD server of a test, which does what the test wants: each answer can be any bytes. It speaks the protocol by
// the specification's numbers, not by the library's.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterThisTest } from "../api/rig.js";

export const OPTION_REPLY = 0x3e889045565a9n;
export const ACK = 1;
export const INFO = 3;
export const UNSUPPORTED = 2 ** 31 + 1;

/** A request as it came. */
export interface FakeRequest {
  /** Which connection it came on: the first that was made is 1. */
  readonly connection: number;
  readonly flags: number;
  readonly command: number;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
  readonly data: Buffer;
}

/** What of the server is not as usual. */
export interface FakeOptions {
  sizeBytes?: number;
  /** HAS_FLAGS, FLUSH, FUA, TRIM and WRITE_ZEROES unless something else is said. */
  flags?: number;
  structured?: boolean;
  /** Minimum, preferred and maximum, if they are told. */
  blocks?: readonly [number, number, number];
  greeting?: Buffer;
  /** Answers an option itself; undefined for the usual answer. */
  option?: (option: number, data: Buffer, socket: Socket) => Buffer | undefined;
  /** Answers a request itself; undefined for the usual answer, from the server's memory. */
  request?: (request: FakeRequest, socket: Socket) => Buffer | undefined;
}

export interface FakeServer {
  readonly uri: string;
  readonly memory: Buffer;
  /** All that was asked for, on whatever connection. */
  readonly requests: FakeRequest[];
  /** Connections that were made. */
  connections: number;
  /** Ends all connections, as a server does that is killed; or one of them. */
  drop(connection?: number): void;
}

const numbers = (...parts: readonly (readonly [bytes: 2 | 4 | 8, value: number | bigint])[]) => {
  const all = parts.map(([bytes, value]) => {
    const part = Buffer.alloc(8);
    part.writeBigUInt64BE(BigInt(value));
    return part.subarray(8 - bytes);
  });
  return Buffer.concat(all);
};

export function optionReply(
  option: number,
  type: number,
  data: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = numbers([8, OPTION_REPLY], [4, option], [4, type], [4, data.length]);
  return Buffer.concat([header, data]);
}

export function simple(cookie: bigint, error = 0, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([numbers([4, 0x67446698], [4, error], [8, cookie]), data]);
}

export function chunk(
  cookie: bigint,
  type: number,
  isLast: boolean,
  data: Uint8Array = Buffer.alloc(0),
  lenBytes = data.length,
): Buffer {
  const header = numbers(
    [4, 0x668e33ef],
    [2, isLast ? 1 : 0],
    [2, type],
    [8, cookie],
    [4, lenBytes],
  );
  return Buffer.concat([header, data]);
}

/** Data of an OFFSET_DATA chunk. */
export const dataAt = (offset: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([numbers([8, offset]), bytes]);
export const holeAt = (offset: number, lenBytes: number): Buffer =>
  numbers([8, offset], [4, lenBytes]);
export const errorOf = (error: number, message: string, messageBytes = message.length): Buffer =>
  Buffer.concat([numbers([4, error], [2, messageBytes]), Buffer.from(message)]);
export const exportInfo = (sizeBytes: number | bigint, flags: number): Buffer =>
  numbers([2, 0], [8, sizeBytes], [2, flags]);
export const blockInfo = (least: number, preferred: number, most: number): Buffer =>
  numbers([2, 3], [4, least], [4, preferred], [4, most]);

export const GREETING = Buffer.concat([Buffer.from("NBDMAGICIHAVEOPT"), numbers([2, 3])]);
export const USUAL_FLAGS = 0b1101101;

export async function fakeServer(options: FakeOptions = {}): Promise<FakeServer> {
  const folder = mkdtempSync(join(tmpdir(), "bpt-nbd-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  const socketPath = join(folder, "s");
  const sockets = new Map<Socket, number>();
  const { sizeBytes = 1024 * 1024 } = options;
  const fake: FakeServer = {
    uri: `nbd+unix:///?socket=${socketPath}`,
    memory: Buffer.alloc(sizeBytes),
    requests: [],
    connections: 0,
    drop: (connection) => {
      for (const [socket, number] of sockets) {
        if (connection === undefined || connection === number) socket.destroy();
      }
    },
  };
  const server = createServer((socket) => {
    sockets.set(socket, ++fake.connections);
    socket.on("close", () => sockets.delete(socket));
    // A client that is gone is what is tested.
    socket.on("error", () => {});
    void serve(socket, options, fake).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  afterThisTest(async () => {
    fake.drop();
    await new Promise((resolve) => server.close(resolve));
  });
  return fake;
}

async function serve(socket: Socket, options: FakeOptions, fake: FakeServer): Promise<void> {
  const take = taker(socket);
  const connection = fake.connections;
  socket.write(options.greeting ?? GREETING);
  await take(4);
  const { flags = USUAL_FLAGS, structured = true, blocks } = options;
  for (let hasExport = false; !hasExport; ) {
    const header = await take(16);
    const option = header.readUInt32BE(8);
    const data = await take(header.readUInt32BE(12));
    const own = options.option?.(option, data, socket);
    if (own !== undefined) {
      socket.write(own);
      continue;
    }
    if (option === 8) socket.write(optionReply(8, structured ? ACK : UNSUPPORTED));
    else if (option === 1) {
      socket.write(exportInfo(fake.memory.length, flags).subarray(2));
      hasExport = true;
    } else if (option === 7) {
      socket.write(optionReply(7, INFO, exportInfo(fake.memory.length, flags)));
      if (blocks !== undefined) socket.write(optionReply(7, INFO, blockInfo(...blocks)));
      socket.write(optionReply(7, ACK));
      hasExport = true;
    } else socket.write(optionReply(option, UNSUPPORTED));
  }
  for (;;) {
    const header = await take(28);
    const command = header.readUInt16BE(6);
    const length = header.readUInt32BE(24);
    const request: FakeRequest = {
      connection,
      flags: header.readUInt16BE(4),
      command,
      cookie: header.readBigUInt64BE(8),
      offset: Number(header.readBigUInt64BE(16)),
      length,
      data: command === 1 ? await take(length) : Buffer.alloc(0),
    };
    if (command === 2) return void socket.end();
    fake.requests.push(request);
    socket.write(options.request?.(request, socket) ?? usualAnswer(request, structured, fake));
  }
}

function usualAnswer(request: FakeRequest, structured: boolean, { memory }: FakeServer): Buffer {
  const { command, cookie, offset, length, data } = request;
  if (command === 1) data.copy(memory, offset);
  if (command === 6) memory.fill(0, offset, offset + length);
  const bytes = command === 0 ? memory.subarray(offset, offset + length) : Buffer.alloc(0);
  if (!structured) return simple(cookie, 0, bytes);
  return command === 0 ? chunk(cookie, 1, true, dataAt(offset, bytes)) : chunk(cookie, 0, true);
}

/** Takes exactly so many bytes of what comes. */
function taker(socket: Socket): (lenBytes: number) => Promise<Buffer> {
  let come = Buffer.alloc(0);
  let wake = (): void => {};
  let hasEnded = false;
  socket.on("data", (data) => {
    come = Buffer.concat([come, data]);
    wake();
  });
  socket.on("close", () => {
    hasEnded = true;
    wake();
  });
  return async (lenBytes) => {
    while (come.length < lenBytes) {
      if (hasEnded) throw new Error("the client is gone");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const taken = come.subarray(0, lenBytes);
    come = come.subarray(lenBytes);
    return taken;
  };
}
