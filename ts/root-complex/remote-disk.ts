// An attached disk: checks what its user asks for, splits it into requests, and
// gives each a buffer that the endpoint reaches.

import { MAX_LEN_BYTES, Operation, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import { HOST_PAGE_BYTES } from "../engine/records.js";
import { BlockptError, checkInteger } from "../errors.js";
import type { BufferDone, RemoteQueue } from "./queue.js";

/** What a disk is made from. */
export interface RemoteDiskParts {
  readonly name: string;
  readonly localName: string;
  readonly sectors: number;
  readonly readOnly: boolean;
  readonly numDescriptors: number;
  readonly queue: RemoteQueue;
}

/**
 * A disk of the endpoint, attached here. Made by `RootComplex.attach`.
 *
 * Offsets and lengths are bytes, multiples of 512.
 */
export class RemoteDisk {
  /** What the endpoint calls it, as in `rc.devices`. */
  readonly name: string;
  /** What it is called here. */
  readonly localName: string;
  /** Size in sectors of 512 bytes. */
  readonly sectors: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** Descriptors of its queue: one more than requests may be in flight. */
  readonly numDescriptors: number;
  readonly #bus: Bus;
  readonly #queue: RemoteQueue;
  readonly #allocated = new Set<number>();
  #detached = false;

  /** @internal */
  constructor(bus: Bus, parts: RemoteDiskParts) {
    this.name = parts.name;
    this.localName = parts.localName;
    this.sectors = parts.sectors;
    this.readOnly = parts.readOnly;
    this.numDescriptors = parts.numDescriptors;
    this.#bus = bus;
    this.#queue = parts.queue;
  }

  /** Size in bytes. */
  get sizeBytes(): number {
    return this.sectors * SECTOR_BYTES;
  }

  /** How many requests are in flight. A read or write larger than 1 MiB is several. */
  get inFlight(): number {
    return this.#queue.inFlight;
  }

  /**
   * Reads into `target`, all of it. One in host memory (`allocate`) is read in place, any
   * other is bounced. Until the promise settles `target` is the device's.
   *
   * @param offsetBytes - where on the disk; a multiple of 512
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_UNALIGNED`,
   * `ERR_BLOCKPT_OUT_OF_RANGE`, `ERR_BLOCKPT_IO` with the device's `blkStatus`,
   * `ERR_BLOCKPT_TIMEOUT`, `ERR_BLOCKPT_NO_SPACE` if host memory has no room to bounce,
   * `ERR_BLOCKPT_PROTOCOL`, `ERR_BLOCKPT_DETACHED`
   */
  read(target: Uint8Array, offsetBytes: number | bigint): Promise<void> {
    return this.#transfer(Operation.READ, target, offsetBytes);
  }

  /**
   * Writes all of `source`. Until the promise settles `source` is the device's.
   *
   * @param offsetBytes - where on the disk; a multiple of 512
   * @throws {@link BlockptError} (as a rejection) as `read` does, and `ERR_BLOCKPT_READ_ONLY`
   */
  write(source: Uint8Array, offsetBytes: number | bigint): Promise<void> {
    return this.#transfer(Operation.WRITE, source, offsetBytes);
  }

  /**
   * A buffer in host memory, which is read and written in place. It is the caller's until
   * `free`, or until the disk is detached.
   *
   * @param bytes - at least 1; takes whole pages of 4096 bytes
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SPACE` if host memory has no room; `ERR_BLOCKPT_DETACHED`
   */
  allocate(bytes: number): Uint8Array {
    checkInteger("bytes", bytes, 1, this.#bus.hostMemory.length);
    if (this.#detached) throw detached(this.localName);
    const address = this.#bus.hostPages.claim(bytes);
    if (address === undefined) {
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `host memory has no room for ${bytes} bytes: raise createBus's hostMemoryBytes`,
      );
    }
    this.#allocated.add(address);
    return new Uint8Array(this.#bus.buffer, address, bytes);
  }

  /**
   * Gives back a buffer of `allocate`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for any other; `ERR_BLOCKPT_BUSY` while
   * it is being read or written, also by a request that was given up: the device may still do it
   */
  free(buffer: Uint8Array): void {
    const ours = buffer.buffer === this.#bus.buffer && this.#allocated.has(buffer.byteOffset);
    if (!ours) {
      throw new BlockptError(
        "ERR_BLOCKPT_INVALID_ARGUMENT",
        `the buffer is none that ${this.localName} allocated`,
      );
    }
    if (this.#queue.isUsing(buffer.byteOffset, buffer.length)) {
      throw new BlockptError(
        "ERR_BLOCKPT_BUSY",
        `the buffer belongs to a request that ${this.localName} has not answered`,
      );
    }
    this.#allocated.delete(buffer.byteOffset);
    this.#bus.hostPages.release(buffer.byteOffset);
  }

  /** @internal The device has left the queue: gives everything back. */
  close(): void {
    this.#detached = true;
    this.#queue.close();
    for (const address of this.#allocated) this.#bus.hostPages.release(address);
    this.#allocated.clear();
  }

  #transfer(opf: number, buffer: Uint8Array, offsetBytes: number | bigint): Promise<void> {
    const offset = Number(offsetBytes);
    // `length`, not `byteLength`: V8 reads the one from the array and asks shared memory for the other.
    const error = this.#complaint(opf, offset, buffer) ?? this.#queue.failure;
    if (error !== undefined) return Promise.reject(error);
    if (buffer.length === 0) return Promise.resolve();
    if (buffer.length <= MAX_LEN_BYTES && this.#queue.available > 0) {
      const inPlace = this.#addressOf(buffer);
      if (inPlace !== undefined) {
        return this.#queue.request(opf, offset / SECTOR_BYTES, inPlace, buffer.length, undefined);
      }
      const address = this.#bus.hostPages.claim(buffer.length);
      if (address !== undefined) return this.#bounce(opf, offset, buffer, address);
    }
    // Of a length that no longer changes, should the memory behind it be resized.
    return this.#split(opf, offset, buffer.subarray(0, buffer.length));
  }

  /** One request whose data goes through pages of host memory at `address`. */
  #bounce(opf: number, offset: number, buffer: Uint8Array, address: number): Promise<undefined> {
    const bus = this.#bus;
    const bounce = new Uint8Array(bus.buffer, address, buffer.length);
    if (opf === Operation.WRITE) bounce.set(buffer);
    const done: BufferDone = (ok) => {
      try {
        if (ok && opf === Operation.READ) buffer.set(bounce);
      } finally {
        bus.hostPages.release(address);
      }
    };
    return this.#queue.request(opf, offset / SECTOR_BYTES, address, buffer.length, done);
  }

  /** As many requests as it takes, as many at once as fit. */
  async #split(opf: number, offset: number, buffer: Uint8Array): Promise<void> {
    const requests: Promise<undefined>[] = [];
    const { length } = buffer;
    let failure: unknown;
    try {
      let done = 0;
      while (done < length) {
        if (buffer.length !== length) {
          const text = "the buffer was detached or resized while it was read or written";
          throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", text);
        }
        const piece = buffer.subarray(done, done + MAX_LEN_BYTES);
        const started = this.#startPiece(opf, offset + done, piece);
        if (started === undefined) {
          await this.#waitForRoom();
          continue;
        }
        // Waited for below, all together; until then a rejection has a handler.
        started.request.catch(() => undefined);
        requests.push(started.request);
        done += started.bytes;
      }
    } catch (error) {
      failure = error;
    }
    for (const result of await Promise.allSettled(requests)) {
      if (result.status === "rejected") failure ??= result.reason;
    }
    if (failure !== undefined) throw failure;
  }

  /**
   * Makes a request of a piece of a buffer: in place, or bounced, of less of it where memory is short;
   * undefined if there is no room now.
   */
  #startPiece(
    opf: number,
    offset: number,
    piece: Uint8Array,
  ): { request: Promise<undefined>; bytes: number } | undefined {
    if (this.#queue.available === 0) return undefined;
    const inPlace = this.#addressOf(piece);
    if (inPlace !== undefined) {
      const sector = offset / SECTOR_BYTES;
      const request = this.#queue.request(opf, sector, inPlace, piece.length, undefined);
      return { request, bytes: piece.length };
    }
    for (let bytes = piece.length; bytes > 0; bytes = halved(bytes)) {
      const address = this.#bus.hostPages.claim(bytes);
      if (address === undefined) continue;
      return { request: this.#bounce(opf, offset, piece.subarray(0, bytes), address), bytes };
    }
    return undefined;
  }

  async #waitForRoom(): Promise<void> {
    // A late completion of a request that timed out gives its descriptor back, and nobody waits for it.
    if (this.#queue.reap() > 0) return;
    if (this.#queue.failure !== undefined) throw this.#queue.failure;
    if (this.#queue.inFlight > 0) {
      await this.#queue.whenCompleted();
    } else if (this.#queue.available === 0) {
      throw new BlockptError(
        "ERR_BLOCKPT_TIMEOUT",
        `${this.localName}: every descriptor is held by a request that the device did not answer in time`,
      );
    } else {
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        "host memory has no room to bounce a buffer: raise createBus's hostMemoryBytes",
      );
    }
  }

  /** The bus address of a buffer that lies in host memory. */
  #addressOf(buffer: Uint8Array): number | undefined {
    if (buffer.buffer !== this.#bus.buffer) return undefined;
    const address = buffer.byteOffset;
    const { offset, length } = this.#bus.hostMemory;
    return address >= offset && address + buffer.length <= offset + length ? address : undefined;
  }

  #complaint(opf: number, offset: number, buffer: Uint8Array): BlockptError | undefined {
    // Not by its class: an array of another realm is as good.
    if (!ArrayBuffer.isView(buffer) || buffer.BYTES_PER_ELEMENT !== 1) {
      return new BlockptError(
        "ERR_BLOCKPT_INVALID_ARGUMENT",
        "a Uint8Array is wanted; one over other memory is new Uint8Array(buffer, byteOffset, byteLength)",
      );
    }
    const lenBytes = buffer.length;
    const aligned = offset % SECTOR_BYTES === 0 && lenBytes % SECTOR_BYTES === 0;
    const inside = offset >= 0 && offset + lenBytes <= this.sizeBytes;
    const allowed = opf === Operation.READ || !this.readOnly;
    if (aligned && inside && allowed && !this.#detached) return undefined;
    if (this.#detached) return detached(this.localName);
    const what = opf === Operation.WRITE ? "write" : "read";
    const where = `${what} of ${lenBytes} bytes at ${offset} of ${this.localName}`;
    if (!aligned) {
      const text = `${where}: offset and length are multiples of ${SECTOR_BYTES}`;
      return new BlockptError("ERR_BLOCKPT_UNALIGNED", text);
    }
    if (!inside) {
      const text = `${where}, which has ${this.sizeBytes} bytes`;
      return new BlockptError("ERR_BLOCKPT_OUT_OF_RANGE", text);
    }
    return new BlockptError("ERR_BLOCKPT_READ_ONLY", `${where}, which may only be read`);
  }
}

/** The next smaller size of a bounce: half, in whole pages; 0 after one page. */
function halved(bytes: number): number {
  const pages = Math.ceil(bytes / HOST_PAGE_BYTES);
  return Math.floor(pages / 2) * HOST_PAGE_BYTES;
}

function detached(name: string): BlockptError {
  return new BlockptError("ERR_BLOCKPT_DETACHED", `${name} was detached`);
}
