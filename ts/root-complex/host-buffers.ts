// Buffers in host memory that a queue's user has taken, so that no other is given back.

import type { Bus } from "../bus/bus.js";
import { BlockptError, checkInteger } from "../errors.js";

export class HostBuffers {
  readonly #bus: Bus;
  readonly #diskName: string;
  /** Bytes of each buffer, by its address. */
  readonly #allocated = new Map<number, number>();
  /** Addresses of those that stay their user's when the queue is closed. */
  readonly #kept = new Set<number>();

  constructor(bus: Bus, diskName: string) {
    this.#bus = bus;
    this.#diskName = diskName;
  }

  /** A buffer of `bytes` bytes, in whole pages; throws `ERR_BLOCKPT_NO_SPACE` if there are none. */
  allocate(bytes: number): Uint8Array {
    checkInteger("bytes", bytes, 1, this.#bus.hostMemory.length);
    const address = this.#bus.hostPages.claim(bytes);
    if (address === undefined) {
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `host memory has no room for ${bytes} bytes: raise createBus's hostMemoryBytes`,
      );
    }
    this.#allocated.set(address, bytes);
    return new Uint8Array(this.#bus.buffer, address, bytes);
  }

  /** Throws `ERR_BLOCKPT_INVALID_ARGUMENT` unless it is a buffer of `allocate` that was not given back. */
  check(buffer: Uint8Array): void {
    const isWhole = this.#allocated.get(buffer.byteOffset) === buffer.length;
    if (buffer.buffer === this.#bus.buffer && isWhole) return;
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `the buffer is none that ${this.#diskName} allocated`,
    );
  }

  /** Has a buffer that was checked stay its user's, until it is released. */
  keep(buffer: Uint8Array): void {
    this.#kept.add(buffer.byteOffset);
  }

  /** Gives back a buffer that was checked. */
  release(buffer: Uint8Array): void {
    this.#kept.delete(buffer.byteOffset);
    this.#allocated.delete(buffer.byteOffset);
    this.#bus.hostPages.release(buffer.byteOffset);
  }

  /** Gives back all that is not kept, and that the device has nothing to do with; forgets the others. */
  releaseAll(isUsed: (buffer: Uint8Array) => boolean): void {
    for (const [address, bytes] of this.#allocated) {
      if (this.#kept.has(address)) continue;
      const buffer = new Uint8Array(this.#bus.buffer, address, bytes);
      if (!isUsed(buffer)) this.#bus.hostPages.release(address);
      this.#allocated.delete(address);
    }
  }
}
