// Names of discs and threads, in the trace's shared memory: a record has their numbers, counted from 1.
//
//   count │ slot 1 │ slot 2 │ …       slot: length (written last), then the text
//
// Any thread adds one without a lock. Two that add the same at once get two numbers for it, which does no harm.

/** Most names. */
const MOST = 1023;
const SLOT_BYTES = 128;
const LENGTH_BYTES = 4;

/** Bytes that the names take. */
export const NAMES_BYTES = (MOST + 1) * SLOT_BYTES;

export class Names {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.#words = new Int32Array(buffer, offset, NAMES_BYTES / 4);
    this.#bytes = new Uint8Array(buffer, offset, NAMES_BYTES);
  }

  /** How many numbers were given; a name may still be on its way. */
  get count(): number {
    return Math.min(Atomics.load(this.#words, 0), MOST);
  }

  /** The number of a name, a new one if need be; 0 where there is room for no more. A long one is cut. */
  numberOf(name: string): number {
    const bytes = new TextEncoder().encode(name).subarray(0, SLOT_BYTES - LENGTH_BYTES);
    const cut = new TextDecoder().decode(bytes);
    for (let number = 1; number <= this.count; number++) {
      if (this.at(number) === cut) return number;
    }
    const number = Atomics.add(this.#words, 0, 1) + 1;
    if (number > MOST) return 0;
    this.#bytes.set(bytes, number * SLOT_BYTES + LENGTH_BYTES);
    Atomics.store(this.#words, (number * SLOT_BYTES) / 4, bytes.length + 1);
    return number;
  }

  /** The name of a number; undefined while there is none. */
  at(number: number): string | undefined {
    if (number < 1 || number > this.count) return undefined;
    const length = Atomics.load(this.#words, (number * SLOT_BYTES) / 4) - 1;
    if (length < 0) return undefined;
    const start = number * SLOT_BYTES + LENGTH_BYTES;
    // A TextDecoder takes no shared memory.
    return new TextDecoder().decode(this.#bytes.slice(start, start + length));
  }
}
