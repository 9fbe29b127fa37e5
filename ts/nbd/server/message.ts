// Puts together what goes on the wire outside of the hot path.

export class Message {
  readonly #parts: Buffer[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  u16(value: number): this {
    const part = Buffer.alloc(2);
    part.writeUInt16BE(value);
    return this.#add(part);
  }

  u32(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32BE(value);
    return this.#add(part);
  }

  u64(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigUInt64BE(value);
    return this.#add(part);
  }

  /** A string behind its length. */
  text(value: string): this {
    return this.u32(Buffer.byteLength(value)).bare(value);
  }

  /** A string that goes to the end. */
  bare(value: string): this {
    return this.#add(Buffer.from(value));
  }

  zeroes(count: number): this {
    return this.#add(Buffer.alloc(count));
  }

  #add(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }
}
