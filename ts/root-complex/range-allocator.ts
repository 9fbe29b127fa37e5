// Hands out parts of one range, first fit, and takes them back: the root complex's
// descriptor space. It is one thread's own; nothing of it is on the bus.

/** A part that is taken. */
interface Taken {
  readonly offset: number;
  readonly length: number;
}

export class RangeAllocator {
  readonly #length: number;
  readonly #alignment: number;
  /** In the order of their offsets. */
  readonly #taken: Taken[] = [];

  constructor(length: number, alignment: number) {
    this.#length = length;
    this.#alignment = alignment;
  }

  /** Takes the first free part of that length; gives its offset, or undefined if there is none. */
  claim(length: number): number | undefined {
    for (const gap of this.#gaps()) {
      if (gap.length < length) continue;
      this.#taken.splice(gap.before, 0, { offset: gap.offset, length });
      return gap.offset;
    }
    return undefined;
  }

  /** Gives a part back. */
  release(offset: number): void {
    const index = this.#taken.findIndex((taken) => taken.offset === offset);
    if (index >= 0) this.#taken.splice(index, 1);
  }

  /** The length of the longest free part. */
  longestFree(): number {
    return Math.max(0, ...[...this.#gaps()].map((gap) => gap.length));
  }

  *#gaps(): Generator<{ offset: number; length: number; before: number }> {
    let offset = 0;
    for (const [before, taken] of this.#taken.entries()) {
      yield { offset, length: taken.offset - offset, before };
      offset = Math.ceil((taken.offset + taken.length) / this.#alignment) * this.#alignment;
    }
    yield { offset, length: this.#length - offset, before: this.#taken.length };
  }
}
