// What each request is answered with, and where: the place was taken with the request.

import type { Socket } from "node:net";
import { SECTOR_BYTES } from "../../abi/layout.js";
import type { Bio } from "../../block/bio.js";
import { Command, SIMPLE_REPLY_BYTES } from "../protocol.js";
import type { Outbox } from "./outbox.js";
import {
  DATA_HEAD_BYTES,
  extentsBytes,
  MOST_ERROR_BYTES,
  writeDataHead,
  writeError,
  writeErrorAt,
  writeExtents,
  writeSimple,
} from "./reply.js";
import type { NbdRequest } from "./request.js";
import type { Extent } from "./scanner.js";
import type { Span } from "./span-ring.js";

/** Extents that are told at once. */
export const MOST_EXTENTS = 512;

export class Answers {
  /** What stands before the data of a read, or of a part of one. */
  readonly headBytes: number;
  readonly #outbox: Outbox;
  readonly #socket: Socket;
  readonly #structured: boolean;

  constructor(outbox: Outbox, socket: Socket, structured: boolean) {
    this.#outbox = outbox;
    this.#socket = socket;
    this.#structured = structured;
    this.headBytes = structured ? DATA_HEAD_BYTES : SIMPLE_REPLY_BYTES;
  }

  /** Room for an answer without data; undefined if there is none now. */
  claim({ command, error }: NbdRequest): Span | undefined {
    const hasExtents = command === Command.BLOCK_STATUS && error === 0;
    if (hasExtents) return this.#outbox.claim(extentsBytes(MOST_EXTENTS));
    return this.#outbox.claim(this.#isChunk(command) ? MOST_ERROR_BYTES : SIMPLE_REPLY_BYTES);
  }

  /** Says how a request has ended. */
  end(request: NbdRequest): void {
    const { command, error } = request;
    const write = this.#isChunk(command) ? writeError : writeSimple;
    this.#post(request.span as Span, (view, at) => write(view, at, request, error));
  }

  /** Sends the data of a part of a read, or says what was wrong with it. */
  endPart(request: NbdRequest, bio: Bio, span: Span, error: number, isKept: boolean): void {
    const isLast = request.parts === 0;
    const part = { offset: bio.startSector * SECTOR_BYTES, bytes: bio.lenBytes, isLast };
    const write = (view: DataView, at: number): number => {
      if (!this.#structured) {
        return writeSimple(view, at, request, error) + (error === 0 ? part.bytes : 0);
      }
      if (error !== 0) return writeErrorAt(view, at, request, error, part);
      return writeDataHead(view, at, request, part);
    };
    if (isKept) this.#sendAlone(write);
    else this.#post(span, write);
  }

  /** Answers BLOCK_STATUS. */
  extents(request: NbdRequest, extents: readonly Extent[]): void {
    this.#post(request.span as Span, (view, at) => writeExtents(view, at, request, extents));
  }

  #isChunk(command: number): boolean {
    return this.#structured && (command === Command.READ || command === Command.BLOCK_STATUS);
  }

  #post(span: Span, write: (view: DataView, at: number) => number): void {
    // Nobody hears it, and the memory may be somebody else's now.
    if (this.#socket.destroyed) this.#outbox.drop(span);
    else this.#outbox.post(span, write(this.#outbox.view, this.#outbox.placeOf(span)));
  }

  /** An answer whose place is not free, as the disk may still write there. */
  #sendAlone(write: (view: DataView, at: number) => number): void {
    const bytes = new Uint8Array(MOST_ERROR_BYTES);
    const length = write(new DataView(bytes.buffer), 0);
    this.#outbox.postAlone(bytes.subarray(0, length));
  }
}
