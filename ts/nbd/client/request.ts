// A request of the client, from where it is made to where it is answered, over as many connections as that takes.

import { Command } from "../protocol.js";

/** How a request ended: 0, an error of the protocol, or this. */
export const LOST = -1;

/** More pieces of one answer than any server has a reason for. */
const MAX_PIECES = 1024;

export class NbdRequest {
  readonly command: number;
  readonly flags: number;
  readonly offsetBytes: number;
  readonly lenBytes: number;
  /** What is written, or where what is read goes. */
  readonly bytes: Uint8Array | undefined;
  /** Hears of its end: 0, an error of the protocol, or `LOST`. */
  readonly settle: (outcome: number) => void;
  /** On how many connections it was sent. */
  attempts = 0;
  /** On the connection that it is on. */
  cookie = 0;
  /** An error that came before the answer's last chunk. */
  error = 0;
  /** Whether a chunk of its answer has come. */
  hasChunks = false;
  /** What of a read has come: starts and ends, ascending, none touching the next. */
  readonly #come: number[] = [];

  constructor(
    command: number,
    flags: number,
    offsetBytes: number,
    lenBytes: number,
    bytes: Uint8Array | undefined,
    settle: (outcome: number) => void,
  ) {
    this.command = command;
    this.flags = flags;
    this.offsetBytes = offsetBytes;
    this.lenBytes = lenBytes;
    this.bytes = bytes;
    this.settle = settle;
  }

  get isRead(): boolean {
    return this.command === Command.READ;
  }

  /** Whether it changes what is on the disc. */
  get isChange(): boolean {
    const { command } = this;
    return (
      command === Command.WRITE || command === Command.TRIM || command === Command.WRITE_ZEROES
    );
  }

  /** Another connection is to answer all of it. */
  restart(): void {
    this.attempts++;
    this.error = 0;
    this.hasChunks = false;
    this.#come.length = 0;
  }

  /** Part of a read comes, so far into it; says what is wrong with that. */
  take(start: number, lenBytes: number): string | undefined {
    const end = start + lenBytes;
    if (lenBytes === 0) return "has a chunk without data";
    if (start < 0 || end > this.lenBytes) return "has data outside of what was asked for";
    const come = this.#come;
    let index = come.length;
    while (index > 0 && (come[index - 2] as number) >= end) index -= 2;
    // Before `index` is what starts below the end.
    const before = index === 0 ? -1 : (come[index - 1] as number);
    if (before > start) return "has the same data twice";
    const joinsBefore = before === start;
    const joinsAfter = come[index] === end;
    if (joinsBefore && joinsAfter) come.splice(index - 1, 2);
    else if (joinsBefore) come[index - 1] = end;
    else if (joinsAfter) come[index] = start;
    else come.splice(index, 0, start, end);
    return come.length > 2 * MAX_PIECES ? "comes in too many pieces" : undefined;
  }

  /** Whether all of a read has come. */
  get isComplete(): boolean {
    return this.#come.length === 2 && this.#come[0] === 0 && this.#come[1] === this.lenBytes;
  }
}
