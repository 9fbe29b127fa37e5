// A connection after its handshake: requests are read, checked, done by the disk as they come, and answered as
// they end. Nothing of what the client sends is trusted; what makes no sense is answered with the error that
// the specification names, and only what leaves no way to find the next request ends the connection.
//
//   socket ──► Intake ──► request ──► parts on the disk ──► Outbox ──► socket
//
// A connection has a fixed amount of memory, and stops reading when it is used up. A large request is several
// parts, which have their memory one after the other.

import type { Socket } from "node:net";
import { DescriptorFlag, Feature, Operation, SECTOR_BYTES } from "../../abi/layout.js";
import type { BlockptError } from "../../errors.js";
import { Command, CommandFlag, NbdError, REQUEST_BYTES, REQUEST_MAGIC } from "../protocol.js";
import { Answers, MOST_EXTENTS } from "./answers.js";
import { type ByteSink, ByteSource } from "./byte-source.js";
import { ConnectionMemory } from "./connection-memory.js";
import { errorOf } from "./export.js";
import { Intake } from "./intake.js";
import { Outbox } from "./outbox.js";
import { type Part, PartPool } from "./part.js";
import { type Agreement, complaintOf, isInOrder, isWhole, type NbdRequest } from "./request.js";
import { Scanner } from "./scanner.js";
import type { Span } from "./span-ring.js";

/** Requests of a client that are being done at once. */
const MOST_REQUESTS = 256;
/** A longer write or read is done in parts of this. */
const PART_BYTES = 128 * 1024;

const OPERATIONS: Readonly<Record<number, number>> = {
  [Command.READ]: Operation.READ,
  [Command.WRITE]: Operation.WRITE,
  [Command.FLUSH]: Operation.FLUSH,
  [Command.TRIM]: Operation.DISCARD,
  [Command.WRITE_ZEROES]: Operation.WRITE_ZEROES,
};

/** A request, and what of it is still to be taken up: the data of a write, or room for the data of a read. */
interface Progress {
  readonly request: NbdRequest;
  offset: number;
  rest: number;
}

export class Transmission implements ByteSink {
  readonly #agreement: Agreement;
  readonly #memory: ConnectionMemory;
  readonly #source: ByteSource;
  readonly #intake: Intake;
  readonly #outbox: Outbox;
  readonly #answers: Answers;
  readonly #scanner: Scanner;
  readonly #breach: (why: string) => void;
  readonly #parts = new PartPool((bio) => this.#ended(bio as Part));
  #writing: Progress | undefined;
  #reading: Progress | undefined;
  /** A read whose parts have to come in order: nothing else is taken up before its last is on its way. */
  #inOrder: NbdRequest | undefined;
  /** Taken up, and not answered. */
  #requests = 0;
  /** Parts that the disk has. */
  #inFlight = 0;
  #isParsing = false;
  /** The socket is not read until there is room, for an answer or for what comes. */
  #isHeldUp = true;
  /** Nothing more is taken from the socket. */
  #isOver = false;
  #isClosed = false;
  /** Nothing is left of it. */
  #isDone = false;
  readonly #onEnd: () => void;

  /**
   * @param socket - of which nothing but the handshake was read, but for what it has by itself
   * @param events - `breach` hears why a client was dropped; `end` that the connection is closed, and has nothing any more
   */
  constructor(
    socket: Socket,
    agreement: Agreement,
    events: { readonly breach: (why: string) => void; readonly end: () => void },
  ) {
    const { exported } = agreement;
    this.#agreement = agreement;
    this.#breach = events.breach;
    this.#onEnd = events.end;
    this.#memory = new ConnectionMemory(exported.disk, () =>
      this.#dropClient("its disk was detached"),
    );
    this.#intake = new Intake(this.#memory.intake);
    this.#scanner = new Scanner(exported, this.#memory.scanner);
    this.#source = new ByteSource(socket, this);
    this.#outbox = new Outbox(this.#memory.outbox, this.#source.socket, () => this.#goOn());
    this.#answers = new Answers(this.#outbox, this.#source.socket, agreement.structured);
    this.#source.socket
      .on("end", () => this.end())
      // What is wrong with it comes with its end.
      .on("error", () => {})
      .once("close", () => this.#closed());
    this.#isHeldUp = false;
    this.#source.resume();
  }

  /** Nothing more is taken up; the connection ends when what was is answered. */
  end(): void {
    this.#isOver = true;
    this.#scanner.stop();
    this.#intake.skip(this.#intake.available);
    if (this.#writing !== undefined) {
      // The rest of its data will not come.
      const { request } = this.#writing;
      this.#writing = undefined;
      request.error ||= NbdError.EINVAL;
      this.#endPart(request);
    }
    this.#endIfDone();
  }

  /** Ends the connection now. */
  destroy(): void {
    this.#source.socket.destroy();
  }

  window(): Uint8Array {
    return this.#intake.window();
  }

  received(bytes: number): boolean {
    this.#intake.add(bytes);
    const goesOn = this.#parse();
    this.#isHeldUp = !this.#intake.prepare() || !goesOn;
    return !this.#isHeldUp;
  }

  /** Takes up what has come; false if that is held up, or over. */
  #parse(): boolean {
    this.#isParsing = true;
    try {
      while (!this.#isOver || this.#reading !== undefined) {
        if (this.#writing !== undefined) {
          if (!this.#takeData(this.#writing)) return true;
        } else if (this.#reading !== undefined) {
          if (!this.#takeRoom(this.#reading)) return false;
        } else if (this.#intake.available < REQUEST_BYTES) {
          return true;
        } else if (!this.#takeRequest()) {
          return false;
        }
      }
      return false;
    } finally {
      this.#isParsing = false;
    }
  }

  /** Room was given back. */
  #goOn(): void {
    this.#endIfDone();
    if (!this.#isHeldUp || this.#isParsing || this.#isClosed) return;
    if (!this.#parse() || !this.#intake.prepare()) {
      this.#endIfStuck();
      return;
    }
    this.#isHeldUp = false;
    this.#source.resume();
  }

  /** Takes up a request; false if there is no room for its answer now, or it is none. */
  #takeRequest(): boolean {
    const intake = this.#intake;
    if (intake.u32(0) !== REQUEST_MAGIC) {
      this.#dropClient("what should be a request begins with other bytes");
      return false;
    }
    const command = intake.u16(6);
    if (command === Command.DISC) {
      this.end();
      return false;
    }
    if (this.#requests >= MOST_REQUESTS || this.#inOrder !== undefined) return false;
    const request = {
      command,
      flags: intake.u16(4),
      cookieHigh: intake.u32(8),
      cookieLow: intake.u32(12),
      offset: intake.u32(16) * 2 ** 32 + intake.u32(20),
      length: intake.u32(24),
      error: 0,
      parts: 1,
      needsFlush: false,
      span: undefined as Span | undefined,
    };
    request.error = complaintOf(request, this.#agreement);
    if (command !== Command.READ || request.error !== 0) {
      request.span = this.#answers.claim(request);
      if (request.span === undefined) return false;
    }
    intake.skip(REQUEST_BYTES);
    this.#requests++;
    this.#start(request);
    return true;
  }

  #start(request: NbdRequest): void {
    const { command, offset, length } = request;
    if (command === Command.WRITE && length > 0) {
      // Its data comes also if nobody wants it.
      this.#writing = { request, offset, rest: length };
      request.needsFlush = (request.flags & CommandFlag.FUA) !== 0;
    } else if (request.error !== 0) {
      this.#answer(request);
    } else if (command === Command.READ) {
      this.#reading = { request, offset, rest: length };
      request.parts = Math.ceil(length / this.#partBytes(request));
    } else if (command === Command.BLOCK_STATUS) {
      this.#tellExtents(request);
    } else if (command === Command.CACHE) {
      this.#background(this.#scanner.warm(offset, length), request, () => this.#answer(request));
    } else {
      const writes = command === Command.TRIM || command === Command.WRITE_ZEROES;
      request.needsFlush = writes && (request.flags & CommandFlag.FUA) !== 0;
      this.#submit(request, OPERATIONS[command] as number, offset, length);
    }
  }

  /** Takes up data of a write; false if more has to come first. */
  #takeData(writing: Progress): boolean {
    const { request, offset, rest } = writing;
    const intake = this.#intake;
    let bytes = Math.min(intake.available, rest);
    if (request.error !== 0) {
      if (bytes === 0) return false;
      intake.skip(bytes);
    } else {
      bytes = Math.min(bytes, PART_BYTES);
      if (bytes < rest && bytes < PART_BYTES) {
        // What is at the memory's end will have no neighbours.
        if (!intake.isAtEnd) return false;
        bytes -= bytes % this.#agreement.exported.disk.logicalBlockBytes;
        if (bytes === 0) return false;
      }
      request.parts++;
      const span = intake.hold(bytes);
      this.#submit(request, Operation.WRITE, offset, bytes, span, intake.data(span));
    }
    writing.offset += bytes;
    writing.rest -= bytes;
    if (writing.rest === 0) {
      this.#writing = undefined;
      this.#endPart(request);
    }
    return true;
  }

  /** Takes up a part of a read; false if there is no room for it now. */
  #takeRoom(reading: Progress): boolean {
    const { request, offset, rest } = reading;
    const inOrder = isInOrder(request, this.#agreement);
    if (inOrder && (this.#inFlight > 0 || this.#requests > 1)) return false;
    if (inOrder) this.#inOrder = request;
    const bytes = Math.min(rest, this.#partBytes(request));
    const head = inOrder && offset > request.offset ? 0 : this.#answers.headBytes;
    const span = this.#outbox.claim(head + bytes);
    if (span === undefined) return false;
    reading.offset += bytes;
    reading.rest -= bytes;
    if (reading.rest === 0) this.#reading = undefined;
    const data = this.#outbox.data(span, head, head + bytes);
    this.#submit(request, Operation.READ, offset, bytes, span, data);
    return true;
  }

  #partBytes(request: NbdRequest): number {
    return isWhole(request, this.#agreement) ? request.length : PART_BYTES;
  }

  #submit(
    request: NbdRequest,
    opf: number,
    offset: number,
    lenBytes: number,
    span?: Span,
    buffer?: Uint8Array,
  ): void {
    const part = this.#parts.take(request, span);
    part.opf = opf;
    part.startSector = offset / SECTOR_BYTES;
    part.lenBytes = lenBytes;
    part.buffer = buffer;
    const { disk } = this.#agreement.exported;
    const isOnePart = opf === Operation.WRITE && lenBytes === request.length;
    if (request.needsFlush && isOnePart && (disk.features & Feature.FUA) !== 0) {
      part.flags = DescriptorFlag.FUA;
      request.needsFlush = false;
    }
    this.#inFlight++;
    try {
      disk.submit(part);
    } catch (error) {
      part.error = error as BlockptError;
      this.#ended(part);
    }
  }

  #ended(part: Part): void {
    const { opf, error, span, buffer } = part;
    const request = part.request as NbdRequest;
    this.#inFlight--;
    const code = error === undefined ? 0 : errorOf(error, request.command);
    // A request that was given up may still be the disk's, and its memory with it.
    const isKept = error !== undefined && buffer !== undefined && this.#memory.isUsed(buffer);
    if (opf === Operation.READ) this.#endRead(part, request, code, isKept);
    if (opf === Operation.WRITE && span !== undefined && !isKept) this.#intake.release(span);
    this.#parts.giveBack(part);
    if (opf !== Operation.READ) {
      request.error ||= code;
      this.#endPart(request);
    }
    if (this.#isClosed) this.#closed();
    else if (this.#isHeldUp || this.#isOver) this.#goOn();
  }

  #endRead(part: Part, request: NbdRequest, code: number, isKept: boolean): void {
    const span = part.span as Span;
    const inOrder = isInOrder(request, this.#agreement);
    const hasBegun = inOrder && part.startSector * SECTOR_BYTES > request.offset;
    if (inOrder && code !== 0) {
      this.#reading = undefined;
      request.parts = 1;
    }
    request.parts--;
    if (request.parts === 0) {
      this.#requests--;
      this.#inOrder = undefined;
    }
    if (!hasBegun) this.#answers.endPart(request, part, span, code, isKept);
    else if (code === 0) this.#outbox.post(span, part.lenBytes);
    else
      this.#dropClient("a read failed when its answer had begun, and could not be said any more");
  }

  /** A part of a request is done, or the last of its data has come. */
  #endPart(request: NbdRequest): void {
    if (--request.parts > 0) return;
    if (request.error === 0 && request.needsFlush) {
      request.needsFlush = false;
      request.parts = 1;
      this.#submit(request, Operation.FLUSH, 0, 0);
    } else {
      this.#answer(request);
    }
  }

  #answer(request: NbdRequest): void {
    this.#requests--;
    this.#answers.end(request);
  }

  #tellExtents(request: NbdRequest): void {
    const { offset, length, flags } = request;
    const most = (flags & CommandFlag.REQ_ONE) === 0 ? MOST_EXTENTS : 1;
    const found = this.#scanner.findExtents(offset, length, most);
    this.#background(found, request, (extents) => {
      this.#requests--;
      this.#answers.extents(request, extents);
    });
  }

  /** Waits for what is done beside the requests. */
  #background<T>(task: Promise<T>, request: NbdRequest, then: (result: T) => void): void {
    this.#inFlight++;
    void task
      .then(then, (error: BlockptError) => {
        request.error = errorOf(error, request.command);
        this.#answer(request);
      })
      .finally(() => {
        this.#inFlight--;
        if (this.#isClosed) this.#closed();
      });
  }

  #endIfDone(): void {
    if (!this.#isOver || this.#requests > 0 || this.#reading !== undefined) return;
    if (this.#outbox.isEmpty) this.#source.socket.destroySoon();
  }

  /** Where memory that the disk keeps is all that is waited for, it is waited for in vain. */
  #endIfStuck(): void {
    if (this.#inFlight === 0 && this.#outbox.isEmpty && !this.#isOver) {
      this.#dropClient("the disk has kept the memory of requests that it did not answer in time");
    }
  }

  #dropClient(why: string): void {
    this.#isOver = true;
    this.#reading = undefined;
    this.#writing = undefined;
    this.#source.socket.destroy();
    this.#breach(why);
  }

  /** The socket is closed. What the disk has of it comes to its end, and then the memory is free. */
  #closed(): void {
    this.#isClosed = true;
    this.#isOver = true;
    this.#scanner.stop();
    this.#reading = undefined;
    this.#writing = undefined;
    if (this.#inFlight > 0 || this.#isDone) return;
    this.#isDone = true;
    this.#memory.giveBack();
    this.#onEnd();
  }
}
