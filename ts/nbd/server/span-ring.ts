// A ring of memory whose pieces are taken in order and given back in any:
//
//          tail                      head
//   ┌───────┬───────┬──────┬──────────┬────────┐
//   │ free  │ taken │ back │  taken   │  free  │     a piece is never split by the ring's end
//   └───────┴───────┴──────┴──────────┴────────┘

/** A piece of a ring. Positions only grow: where they are in the memory is their rest by its size. */
export class Span {
  readonly start: number;
  readonly end: number;
  /** How many of its bytes are of use. */
  bytes = 0;
  /** @internal Whether it was given back. */
  isBack = false;
  /** @internal The one that was taken after it. */
  next: Span | undefined;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }
}

export class SpanRing {
  readonly memory: Uint8Array;
  #head = 0;
  #oldest: Span | undefined;
  #newest: Span | undefined;

  constructor(memory: Uint8Array) {
    this.memory = memory;
  }

  /** Before here everything was given back; undefined if everything was. */
  get tail(): number | undefined {
    return this.#oldest?.start;
  }

  /** Takes so many bytes in one piece; undefined if there is no room now. */
  claim(bytes: number): Span | undefined {
    const { length } = this.memory;
    if (this.#oldest === undefined) this.#head = 0;
    const at = this.#head % length;
    const start = at + bytes > length ? this.#head - at + length : this.#head;
    if (start + bytes > (this.tail ?? this.#head) + length) return undefined;
    return this.take(start, start + bytes);
  }

  /** Takes a piece behind all others, which the caller knows to be free. */
  take(start: number, end: number): Span {
    const span = new Span(start, end);
    if (this.#newest === undefined || this.#oldest === undefined) this.#oldest = span;
    else this.#newest.next = span;
    this.#newest = span;
    this.#head = end;
    return span;
  }

  /** Gives a piece back, once. */
  release(span: Span): void {
    span.isBack = true;
    while (this.#oldest?.isBack) this.#oldest = this.#oldest.next;
  }

  /** A part of a piece, in bytes from its start. */
  view(span: Span, from: number, to: number): Uint8Array {
    const at = span.start % this.memory.length;
    return this.memory.subarray(at + from, at + to);
  }
}
