// The data of options, taken apart: every length in it is the client's word, and checked.

import { MAX_STRING_BYTES } from "../protocol.js";

/** Data that is not as the specification has it, and why. */
export class BadOption extends Error {}

/** What the client chooses an export by. */
export interface Selection {
  readonly name: string;
  /** What it wants to know: of `Info`. */
  readonly wanted: readonly number[];
}

/** Which metadata contexts of an export are meant. */
export interface ContextQuery {
  readonly name: string;
  readonly queries: readonly string[];
}

/** The data of INFO and GO. */
export function readSelection(data: Buffer): Selection {
  const cursor = new Cursor(data);
  const name = cursor.string();
  const wanted = Array.from({ length: cursor.u16() }, () => cursor.u16());
  cursor.end();
  return { name, wanted };
}

/** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function readContextQuery(data: Buffer): ContextQuery {
  const cursor = new Cursor(data);
  const name = cursor.string();
  const count = cursor.u32();
  const queries: string[] = [];
  // Counted by what is there: the number alone may be any.
  while (queries.length < count) queries.push(cursor.string());
  cursor.end();
  return { name, queries };
}

class Cursor {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  u16(): number {
    return this.#data.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#data.readUInt32BE(this.#take(4));
  }

  string(): string {
    const length = this.u32();
    if (length > MAX_STRING_BYTES) {
      throw new BadOption(`a string has ${length} bytes, at most ${MAX_STRING_BYTES} may be`);
    }
    const at = this.#take(length);
    return this.#data.toString("utf8", at, at + length);
  }

  end(): void {
    const rest = this.#data.length - this.#at;
    if (rest > 0) throw new BadOption(`${rest} bytes are left at the end of the option`);
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#data.length - at) throw new BadOption("the option's data ends too early");
    this.#at += bytes;
    return at;
  }
}
