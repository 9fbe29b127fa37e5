// An attached disk, opened as a file: bytes from anywhere to anywhere, where a disk has blocks.

import type { RemoteDisk } from "../root-complex/remote-disk.js";
import { guarded, Refusal } from "./config-error.js";
import { statsOf, type TreeStats } from "./tree-stats.js";

/** Most bytes that are moved through a buffer at once. */
const CHUNK_BYTES = 1024 * 1024;

/** What `read` gives. */
export interface BytesRead {
  /** How many there were. */
  bytesRead: number;
}

/** What `write` gives. */
export interface BytesWritten {
  /** How many there was room for. */
  bytesWritten: number;
}

/** A disk, or the file of a disc, that `ConfigTree.open` has opened, in the shape of `FileHandle` of `node:fs/promises`. */
export interface OpenFile {
  /**
   * Reads bytes; 0 at the end.
   *
   * @param offset - where in the buffer, 0 by default
   * @param length - how many; by default what the buffer has behind `offset`
   * @param position - where to read, in bytes; without one, where the last call ended
   * @throws {@link ConfigError} `EINVAL` for what the buffer does not have, or a position below 0; `EBADF` after
   * `close`
   */
  read(
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<BytesRead>;
  /**
   * Writes bytes, where `read` reads them.
   *
   * @throws {@link ConfigError} `EINVAL` and `EBADF` as `read`; `ENOSPC` at the end of a disk, `EBADF` if it was
   * opened for reading
   */
  write(
    buffer: Uint8Array,
    offset?: number,
    length?: number,
    position?: number | null,
  ): Promise<BytesWritten>;
  /** What was written is on stable storage after this. */
  sync(): Promise<void>;
  /** As `sync`. */
  datasync(): Promise<void>;
  /** What it is. */
  stat(): Promise<TreeStats>;
  /** Closes it; what was written to a disk is on stable storage then. */
  close(): Promise<void>;
}

/** What a call is to move: where it is in the buffer, and on the disk. */
interface Span {
  readonly offset: number;
  readonly length: number;
  readonly position?: number | null | undefined;
}

/**
 * An attached disk. Every position and length will do: a block that is written in part is read first, so
 * who writes to parts of one block waits for the one write before the next.
 */
export class DiskHandle implements OpenFile {
  readonly #disk: RemoteDisk;
  readonly #path: string;
  readonly #mayWrite: boolean;
  #position = 0;
  #closed = false;

  constructor(disk: RemoteDisk, path: string, mayWrite: boolean) {
    this.#disk = disk;
    this.#path = path;
    this.#mayWrite = mayWrite;
  }

  async read(
    buffer: Uint8Array,
    offset = 0,
    length: number = buffer.length - offset,
    position?: number | null,
  ): Promise<BytesRead> {
    return this.#guarded("read", async () => {
      const start = this.#startOf(buffer, { offset, length, position });
      const bytesRead = Math.max(0, Math.min(length, this.#disk.sizeBytes - start));
      for (let done = 0; done < bytesRead; ) {
        const { bytes, inside, moved } = this.#span(start + done, bytesRead - done);
        await this.#disk.read(bytes, start + done - inside);
        buffer.set(bytes.subarray(inside, inside + moved), offset + done);
        done += moved;
      }
      if (position === undefined || position === null) this.#position = start + bytesRead;
      return { bytesRead };
    });
  }

  async write(
    buffer: Uint8Array,
    offset = 0,
    length: number = buffer.length - offset,
    position?: number | null,
  ): Promise<BytesWritten> {
    return this.#guarded("write", async () => {
      if (!this.#mayWrite) throw new Refusal("EBADF", "it was opened for reading");
      const start = this.#startOf(buffer, { offset, length, position });
      const bytesWritten = Math.max(0, Math.min(length, this.#disk.sizeBytes - start));
      if (bytesWritten === 0 && length > 0) {
        throw new Refusal("ENOSPC", `the disk has ${this.#disk.sizeBytes} bytes`);
      }
      for (let done = 0; done < bytesWritten; ) {
        const { bytes, inside, moved } = this.#span(start + done, bytesWritten - done);
        if (moved < bytes.length) await this.#disk.read(bytes, start + done - inside);
        bytes.set(buffer.subarray(offset + done, offset + done + moved), inside);
        await this.#disk.write(bytes, start + done - inside);
        done += moved;
      }
      if (position === undefined || position === null) this.#position = start + bytesWritten;
      return { bytesWritten };
    });
  }

  /** Writes all bytes from the start of the disk on; none if they are too many. */
  async writeFile(bytes: Uint8Array): Promise<void> {
    await guarded("write", this.#path, () => {
      const { sizeBytes } = this.#disk;
      if (bytes.length > sizeBytes) {
        throw new Refusal("ENOSPC", `the disk has ${sizeBytes} bytes, these are ${bytes.length}`);
      }
    });
    await this.write(bytes, 0, bytes.length, 0);
  }

  async sync(): Promise<void> {
    await this.#guarded("fsync", () => this.#disk.flush());
  }

  async datasync(): Promise<void> {
    await this.sync();
  }

  async stat(): Promise<TreeStats> {
    return this.#guarded("fstat", () => statsOf({ kind: "disk", disk: this.#disk }));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#mayWrite) await guarded("close", this.#path, () => this.#disk.flush());
  }

  #guarded<T>(syscall: string, task: () => T | Promise<T>): Promise<T> {
    return guarded(syscall, this.#path, () => {
      if (this.#closed) throw new Refusal("EBADF", "it was closed");
      return task();
    });
  }

  /** Where a call begins on the disk; what it is to move has to be in its buffer. */
  #startOf(buffer: Uint8Array, { offset, length, position = null }: Span): number {
    const start = position ?? this.#position;
    const areWhole = [offset, length, start].every(
      (each) => Number.isSafeInteger(each) && each >= 0,
    );
    if (areWhole && length <= buffer.length - offset) return start;
    throw new Refusal(
      "EINVAL",
      `${length} bytes from ${offset} on of a buffer of ${buffer.length}, at ${start} of the disk`,
    );
  }

  /** Whole blocks around the next bytes: `moved` of them, from `inside` on. */
  #span(start: number, length: number): { bytes: Uint8Array; inside: number; moved: number } {
    const block = this.#disk.logicalBlockBytes;
    const inside = start % block;
    const span = Math.min(Math.ceil((inside + length) / block) * block, CHUNK_BYTES);
    return { bytes: new Uint8Array(span), inside, moved: Math.min(length, span - inside) };
  }
}
