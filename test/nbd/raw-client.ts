// A client that sends what it is told to, right or wrong, and as much of it as it is told to: for tests of
// what a server does then. It reads only when it is asked to, so its socket can be full.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { afterEach } from "vitest";
import {
  Command,
  EXPORT_NAME_ZEROES,
  GREETING_BYTES,
  INIT_MAGIC,
  Info,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC,
  Option,
  OptionReply,
  REQUEST_BYTES,
  REQUEST_MAGIC,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_BYTES,
  STRUCTURED_REPLY_MAGIC,
} from "../../ts/nbd/protocol.js";

export interface Reply {
  readonly option: number;
  readonly reply: number;
  readonly data: Buffer;
}

/** A part of a structured reply. */
export interface Chunk {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly data: Buffer;
}

export interface RequestFields {
  readonly command: number;
  readonly cookie?: bigint;
  readonly offset?: bigint | number;
  readonly lenBytes?: number;
  readonly flags?: number;
  readonly magic?: number;
}

/** FIXED_NEWSTYLE and NO_ZEROES. */
const USUAL_FLAGS = 3;

export const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** An option's header and data; the length in the header may be another than that of the data. */
export function option(
  code: number,
  data: Uint8Array = Buffer.of(),
  lenBytes = data.length,
): Buffer {
  const header = Buffer.alloc(OPTION_HEADER_BYTES);
  header.writeBigUInt64BE(OPTION_MAGIC);
  header.writeUInt32BE(code, 8);
  header.writeUInt32BE(lenBytes, 12);
  return Buffer.concat([header, data]);
}

/** What belongs to INFO and GO. */
export function infoData(name: string | Buffer, ...infos: readonly number[]): Buffer {
  const bytes = Buffer.from(name);
  return Buffer.concat([u32(bytes.length), bytes, u16(infos.length), ...infos.map(u16)]);
}

/** What belongs to SET_META_CONTEXT and LIST_META_CONTEXT. */
export function metaData(name: string, ...queries: readonly string[]): Buffer {
  const strings = queries.flatMap((query) => [u32(query.length), Buffer.from(query)]);
  return Buffer.concat([u32(name.length), Buffer.from(name), u32(queries.length), ...strings]);
}

export function request(fields: RequestFields): Buffer {
  const { command, cookie = 1n, offset = 0, lenBytes = 0, flags = 0 } = fields;
  const header = Buffer.alloc(REQUEST_BYTES);
  header.writeUInt32BE(fields.magic ?? REQUEST_MAGIC);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(command, 6);
  header.writeBigUInt64BE(cookie, 8);
  header.writeBigUInt64BE(BigInt(offset), 16);
  header.writeUInt32BE(lenBytes, 24);
  return header;
}

/** Those of a test, which are gone after it: a server takes so many and no more. */
const opened: RawClient[] = [];

afterEach(() => {
  for (const client of opened.splice(0)) client.destroy();
});

export class RawClient {
  readonly stream: Duplex;
  #wake = (): void => {};

  constructor(stream: Duplex) {
    this.stream = stream;
    opened.push(this);
    // A connection that is reset is one that was closed.
    stream.on("error", () => {});
    for (const event of ["readable", "end", "close"]) stream.on(event, () => this.#wake());
  }

  /** @param place - a Unix socket's path, or a port of this machine */
  static async connect(place: string | number): Promise<RawClient> {
    const socket = typeof place === "string" ? connect(place) : connect(place, "127.0.0.1");
    const client = new RawClient(socket);
    await once(socket, "connect");
    return client;
  }

  /** One that is ready for requests, without structured replies. */
  static async open(place: string | number, name: string): Promise<RawClient> {
    const client = await RawClient.connect(place);
    await client.greet();
    await client.go(name);
    return client;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.stream.write(Buffer.concat(parts));
  }

  /** Waits for so many bytes; fails if the connection ends before. */
  async read(lenBytes: number): Promise<Buffer> {
    if (lenBytes === 0) return Buffer.of();
    for (;;) {
      const bytes = this.stream.read(lenBytes) as Buffer | null;
      if (bytes !== null && bytes.length === lenBytes) return bytes;
      if (this.stream.readableEnded || this.stream.destroyed || bytes !== null) {
        throw new Error(`the server has ended the connection: ${lenBytes} bytes were awaited`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads all that comes until the server ends the connection. */
  async readAll(): Promise<Buffer> {
    const parts: Buffer[] = [];
    try {
      for await (const part of this.stream) parts.push(part as Buffer);
    } catch {
      // It was reset, which is an end.
    }
    return Buffer.concat(parts);
  }

  /** Vanishes. */
  destroy(): void {
    this.stream.destroy();
  }

  async greet(flags = USUAL_FLAGS): Promise<void> {
    const greeting = await this.read(GREETING_BYTES);
    if (
      greeting.readBigUInt64BE(0) !== INIT_MAGIC ||
      greeting.readBigUInt64BE(8) !== OPTION_MAGIC
    ) {
      throw new Error(`no greeting: ${greeting.toString("hex")}`);
    }
    this.send(u32(flags));
  }

  async reply(): Promise<Reply> {
    const header = await this.read(OPTION_REPLY_HEADER_BYTES);
    if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC) throw new Error(header.toString("hex"));
    const data = await this.read(header.readUInt32BE(16));
    return { option: header.readUInt32BE(8), reply: header.readUInt32BE(12), data };
  }

  /** Sends an option; resolves with the last of its replies, and those before it. */
  async ask(code: number, data?: Uint8Array): Promise<Reply & { readonly before: Reply[] }> {
    this.send(option(code, data));
    const before: Reply[] = [];
    for (;;) {
      const reply = await this.reply();
      if (reply.option !== code) throw new Error(`a reply to ${reply.option} instead of ${code}`);
      const isLast = reply.reply === OptionReply.ACK || reply.reply >= 2 ** 31;
      if (isLast) return { ...reply, before };
      before.push(reply);
    }
  }

  async go(name: string): Promise<void> {
    const { reply } = await this.ask(Option.GO, infoData(name, Info.BLOCK_SIZE));
    if (reply !== OptionReply.ACK) throw new Error(`GO is answered by ${reply}`);
  }

  /** Takes an export in the old way; resolves with how many bytes the answer has. */
  async exportName(name: string, flags: number): Promise<number> {
    await this.greet(flags);
    this.send(option(Option.EXPORT_NAME, Buffer.from(name)));
    const lenBytes = 10 + (flags === USUAL_FLAGS ? 0 : EXPORT_NAME_ZEROES);
    return (await this.read(lenBytes)).length;
  }

  async simpleReply(lenBytes = 0): Promise<{ cookie: bigint; error: number; data: Buffer }> {
    const header = await this.read(SIMPLE_REPLY_BYTES);
    if (header.readUInt32BE(0) !== SIMPLE_REPLY_MAGIC) throw new Error(header.toString("hex"));
    const error = header.readUInt32BE(4);
    const data = await this.read(error === 0 ? lenBytes : 0);
    return { cookie: header.readBigUInt64BE(8), error, data };
  }

  async chunk(): Promise<Chunk> {
    const header = await this.read(STRUCTURED_REPLY_BYTES);
    if (header.readUInt32BE(0) !== STRUCTURED_REPLY_MAGIC) throw new Error(header.toString("hex"));
    return {
      flags: header.readUInt16BE(4),
      type: header.readUInt16BE(6),
      cookie: header.readBigUInt64BE(8),
      data: await this.read(header.readUInt32BE(16)),
    };
  }

  /** A request that has no data but its answer's; resolves with the error, and with the data. */
  async carryOut(fields: RequestFields): Promise<{ error: number; data: Buffer }> {
    this.send(request(fields));
    return this.simpleReply(fields.command === Command.READ ? fields.lenBytes : 0);
  }

  async write(offset: number, data: Uint8Array): Promise<number> {
    const fields = { command: Command.WRITE, offset, lenBytes: data.length };
    this.send(request(fields), data);
    return (await this.simpleReply()).error;
  }

  async readDisc(offset: number, lenBytes: number): Promise<Buffer> {
    const { error, data } = await this.carryOut({ command: Command.READ, offset, lenBytes });
    if (error !== 0) throw new Error(`a read at ${offset} fails by ${error}`);
    return data;
  }
}

/** How much `expectWell` writes, at the start of the disc: nobody else may write there meanwhile. */
export const WELL_BYTES = 65536;

/** Fails unless a server takes a new client, and keeps what that writes. */
export async function expectWell(place: string | number, name: string): Promise<void> {
  const client = await RawClient.open(place, name);
  const data = randomBytes(WELL_BYTES);
  const error = await client.write(0, data);
  const found = await client.readDisc(0, data.length);
  if (error !== 0 || !found.equals(data)) throw new Error(`what is written is not read: ${error}`);
  client.send(request({ command: Command.DISC }));
  const rest = await client.readAll();
  if (rest.length !== 0) throw new Error(`an answer to DISC: ${rest.toString("hex")}`);
}
