// One connection after the handshake: requests go out as they come, and replies are matched with them, in whatever order
// they come.
//
// Nothing that the server sends is trusted: a reply that is none, to no request, twice, or with data that was not
// asked for ends the connection, as nothing behind it makes sense any more.

import {
  Command,
  MAX_STRING_BYTES,
  OFFSET_DATA_BYTES,
  REPLY_FLAG_DONE,
  REQUEST_BYTES,
  REQUEST_MAGIC,
  ReplyType,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_BYTES,
  STRUCTURED_REPLY_MAGIC,
} from "../protocol.js";
import type { NbdExportFacts } from "./export-facts.js";
import type { NbdRequest } from "./request.js";
import type { Wire, WireReader } from "./wire.js";

/** Of an error's chunk, besides its message: the error, the message's length, an offset. */
const MAX_ERROR_BYTES = 4 + 2 + MAX_STRING_BYTES + 8;
const HOLE_BYTES = 12;
/** A chunk of this type or above is an error. */
const FIRST_ERROR_TYPE = 2 ** 15;
/** What is read besides is so large that it had better not go through the staging buffer. */
const LARGE_BYTES = 64 * 1024;

/** Who is told what becomes of requests. */
export interface ConnectionEvents {
  /** The server has answered: 0, or an error of the protocol. */
  answered(request: NbdRequest, error: number): void;
  /** The connection is gone; these were not answered, oldest first. Their buffers are touched no more. */
  lost(error: Error, unanswered: NbdRequest[]): void;
  /** What the server said of an error. */
  said(message: string): void;
}

export class NbdConnection implements WireReader {
  readonly served: NbdExportFacts;
  readonly #wire: Wire;
  readonly #events: ConnectionEvents;
  readonly #requests = new Map<number, NbdRequest>();
  /** What is to be sent at the end of this turn. */
  #outgoing: NbdRequest[] = [];
  #nextCookie = 1;
  /** Reads that are large, of those that are not answered. */
  #large = 0;
  /** The request whose payload comes, and whether its answer ends with that. */
  #receiving: NbdRequest | undefined;
  #endsAnswer = false;

  constructor(wire: Wire, served: NbdExportFacts, events: ConnectionEvents) {
    this.#wire = wire;
    this.served = served;
    this.#events = events;
  }

  /** From here on the server is listened to. */
  start(): void {
    this.#wire.start(this);
  }

  /** How many requests are not answered. */
  get inFlight(): number {
    return this.#requests.size;
  }

  send(request: NbdRequest): void {
    request.restart();
    request.cookie = this.#nextCookie++;
    this.#requests.set(request.cookie, request);
    if (request.isRead && request.lenBytes >= LARGE_BYTES) this.#large++;
    this.#feed();
    if (this.#outgoing.push(request) === 1) queueMicrotask(this.#flushOut);
  }

  /** Takes leave of the server, if nothing is in flight, and ends. */
  close(error: Error): void {
    if (this.#requests.size > 0) this.#wire.destroy(error);
    else takeLeave(this.#wire, error);
  }

  /** Ends it. */
  destroy(error: Error): void {
    this.#wire.destroy(error);
  }

  consume(): void {
    try {
      this.#finishPayload();
      while (this.#wire.available >= 4 && this.#takeReply());
    } catch (error) {
      this.#wire.destroy(error as Error);
    }
  }

  lost(error: Error): void {
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    this.#outgoing = [];
    this.#receiving = undefined;
    this.#events.lost(error, unanswered);
  }

  readonly #flushOut = (): void => {
    const requests = this.#outgoing;
    if (requests.length === 0) return;
    this.#outgoing = [];
    const headers = Buffer.allocUnsafe(REQUEST_BYTES * requests.length);
    const { socket } = this.#wire;
    let sent = 0;
    socket.cork();
    for (const [index, request] of requests.entries()) {
      const at = index * REQUEST_BYTES;
      headers.writeUInt32BE(REQUEST_MAGIC, at);
      headers.writeUInt16BE(request.flags, at + 4);
      headers.writeUInt16BE(request.command, at + 6);
      writeNumber(headers, request.cookie, at + 8);
      writeNumber(headers, request.offsetBytes, at + 16);
      headers.writeUInt32BE(request.lenBytes, at + 24);
      if (request.command !== Command.WRITE || request.bytes === undefined) continue;
      socket.write(headers.subarray(sent, at + REQUEST_BYTES));
      socket.write(request.bytes);
      sent = at + REQUEST_BYTES;
    }
    if (sent < headers.length) socket.write(headers.subarray(sent));
    socket.uncork();
  };

  /** Where all that is awaited is large, only its headers go through the staging buffer. */
  #feed(): void {
    const isLarge = this.#large > 0 && this.#large === this.#requests.size;
    this.#wire.appetiteBytes = isLarge
      ? STRUCTURED_REPLY_BYTES + OFFSET_DATA_BYTES
      : this.#wire.staging.length;
  }

  /** Takes the next reply, up to its payload; false if there is not enough of it. */
  #takeReply(): boolean {
    const { staging, from } = this.#wire;
    const magic = staging.readUInt32BE(from);
    if (magic === SIMPLE_REPLY_MAGIC) return this.#takeSimple();
    if (magic === STRUCTURED_REPLY_MAGIC) return this.#takeChunk();
    throw broken(`a reply begins with 0x${magic.toString(16)}`);
  }

  #takeSimple(): boolean {
    const wire = this.#wire;
    if (wire.available < SIMPLE_REPLY_BYTES) return false;
    const { staging, from } = wire;
    const error = staging.readUInt32BE(from + 4);
    const request = this.#requestOf(readNumber(staging, from + 8));
    if (this.served.structured && request.isRead) {
      throw broken("a read has a simple reply, where structured ones were agreed on");
    }
    if (request.hasChunks) throw broken("a simple reply stands in the middle of a structured one");
    wire.from += SIMPLE_REPLY_BYTES;
    if (!request.isRead || error !== 0) {
      this.#end(request, error);
      return true;
    }
    return this.#receive(request, request.bytes as Uint8Array, true);
  }

  #takeChunk(): boolean {
    const wire = this.#wire;
    if (!this.served.structured) throw broken("a structured reply, where none were agreed on");
    if (wire.available < STRUCTURED_REPLY_BYTES) return false;
    const { staging, from } = wire;
    const flags = staging.readUInt16BE(from + 4);
    const type = staging.readUInt16BE(from + 6);
    const request = this.#requestOf(readNumber(staging, from + 8));
    const lenBytes = staging.readUInt32BE(from + 16);
    const isData = type === ReplyType.OFFSET_DATA;
    checkChunk(request, type, lenBytes);
    const neededBytes = STRUCTURED_REPLY_BYTES + (isData ? OFFSET_DATA_BYTES : lenBytes);
    if (wire.available < neededBytes) return false;
    const payload = staging.subarray(from + STRUCTURED_REPLY_BYTES, from + neededBytes);
    wire.from += neededBytes;
    request.hasChunks = true;
    const isLast = (flags & REPLY_FLAG_DONE) !== 0;
    if (isData) {
      const target = placeOf(request, readNumber(payload, 0), lenBytes - OFFSET_DATA_BYTES);
      return this.#receive(request, target, isLast);
    }
    if (type === ReplyType.OFFSET_HOLE) {
      placeOf(request, readNumber(payload, 0), payload.readUInt32BE(8)).fill(0);
    } else if (type >= FIRST_ERROR_TYPE) {
      this.#takeError(request, payload);
    }
    if (isLast) this.#endChunks(request);
    return true;
  }

  #takeError(request: NbdRequest, payload: Buffer): void {
    const error = payload.readUInt32BE(0);
    const lenBytes = payload.readUInt16BE(4);
    if (error === 0) throw broken("a chunk is an error, and says that there is none");
    if (lenBytes > payload.length - 6) throw broken("an error's message is longer than its chunk");
    request.error = request.error || error;
    const message = payload.toString("utf8", 6, 6 + lenBytes);
    if (message !== "") this.#events.said(message);
  }

  /** A payload comes; true if all of it is there. */
  #receive(request: NbdRequest, target: Uint8Array, endsAnswer: boolean): boolean {
    this.#receiving = request;
    this.#endsAnswer = endsAnswer;
    if (!this.#wire.receive(target)) return false;
    this.#finishPayload();
    return true;
  }

  #finishPayload(): void {
    const request = this.#receiving;
    if (request === undefined) return;
    this.#receiving = undefined;
    if (!this.#endsAnswer) return;
    if (request.hasChunks) this.#endChunks(request);
    else this.#end(request, 0);
  }

  #endChunks(request: NbdRequest): void {
    if (request.error === 0 && request.isRead && !request.isComplete) {
      throw broken("the answer to a read ends before all of its data has come");
    }
    this.#end(request, request.error);
  }

  #end(request: NbdRequest, error: number): void {
    this.#requests.delete(request.cookie);
    if (request.isRead && request.lenBytes >= LARGE_BYTES) this.#large--;
    this.#feed();
    this.#events.answered(request, error);
  }

  #requestOf(cookie: number): NbdRequest {
    const request = this.#requests.get(cookie);
    if (request !== undefined) return request;
    const why = cookie > 0 && cookie < this.#nextCookie ? "was answered already" : "nobody made";
    throw broken(`a reply is to a request that ${why}`);
  }
}

/** Ends a connection on which nothing is in flight, as the protocol wants it. */
export function takeLeave(wire: Wire, error: Error): void {
  const farewell = Buffer.alloc(REQUEST_BYTES);
  farewell.writeUInt32BE(REQUEST_MAGIC, 0);
  farewell.writeUInt16BE(Command.DISC, 6);
  wire.write(farewell);
  wire.end(error);
}

/** Whether a chunk may be one of the answer to that request, by what its header says. */
function checkChunk(request: NbdRequest, type: number, lenBytes: number): void {
  const complaint = chunkComplaint(request, type, lenBytes);
  if (complaint !== undefined) throw broken(`a reply ${complaint}`);
}

function chunkComplaint(request: NbdRequest, type: number, lenBytes: number): string | undefined {
  switch (type) {
    case ReplyType.NONE:
      return lenBytes === 0 ? undefined : `has ${lenBytes} bytes, and is of the kind that has none`;
    case ReplyType.OFFSET_DATA:
      if (!request.isRead) return "has data, and its request asked for none";
      return lenBytes > OFFSET_DATA_BYTES ? undefined : `has ${lenBytes} bytes, too few for data`;
    case ReplyType.OFFSET_HOLE:
      if (!request.isRead) return "has a hole, and its request asked for no data";
      return lenBytes === HOLE_BYTES ? undefined : `has a hole described in ${lenBytes} bytes`;
    default:
      if (type < FIRST_ERROR_TYPE) return `is of the unknown kind ${type}`;
      if (lenBytes < 6) return `has an error described in ${lenBytes} bytes`;
      return lenBytes <= MAX_ERROR_BYTES
        ? undefined
        : `has an error described in ${lenBytes} bytes`;
  }
}

/** Where a chunk's data goes; all that has come is remembered. */
function placeOf(request: NbdRequest, offsetBytes: number, lenBytes: number): Uint8Array {
  const start = offsetBytes - request.offsetBytes;
  const complaint = request.take(start, lenBytes);
  if (complaint !== undefined) throw broken(`the answer to a read ${complaint}`);
  return (request.bytes as Uint8Array).subarray(start, start + lenBytes);
}

function broken(what: string): Error {
  return new Error(`the server broke the protocol: ${what}`);
}

/** A number of 64 bits; one that is no safe integer fits nothing that it is compared with. */
function readNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

function writeNumber(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}
