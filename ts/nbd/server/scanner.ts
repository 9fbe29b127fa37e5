// Reads a disk on its own account. For BLOCK_STATUS it finds where the disk reads as zeros: neither the block
// passthrough protocol nor Node can ask a file for its holes, so the range is read and looked at, anew for each
// query, as another client may write meanwhile. For CACHE it reads, and forgets.

import { Operation, SECTOR_BYTES } from "../../abi/layout.js";
import { Bio } from "../../block/bio.js";
import type { BlockptError } from "../../errors.js";
import { ExtentState } from "../protocol.js";
import type { NbdExport } from "./export.js";

/** A range of a disk, from the end of the one before on. */
export interface Extent {
  length: number;
  /** Bits of `ExtentState`. */
  readonly state: number;
}

/** Read at once. */
export const SCAN_BYTES = 128 * 1024;
/** What is told apart, unless the disk's blocks are larger: a page, as files have their holes in. */
const GRAIN_BYTES = 4096;
/** Read for one request: who wants to know more asks again, and who wants to read will do so anyway. */
const MOST_BYTES = 64 * 1024 * 1024;

/** The state of what is neither a hole nor zero. */
const DATA = 0;
const ZEROS = new Uint8Array(SCAN_BYTES);

export class Scanner {
  readonly #exported: NbdExport;
  readonly #buffer: Uint8Array;
  readonly #grain: number;
  /** One at a time has the buffer. */
  #last: Promise<unknown> = Promise.resolve();
  #isStopped = false;

  /** @param buffer - of `SCAN_BYTES` */
  constructor(exported: NbdExport, buffer: Uint8Array) {
    this.#exported = exported;
    this.#buffer = buffer;
    this.#grain = Math.max(GRAIN_BYTES, exported.disk.logicalBlockBytes);
  }

  /**
   * The extents from an offset on: `most` of them, or those of a part of the range.
   *
   * @throws BlockptError (as a rejection) if the disk cannot be read
   */
  findExtents(offset: number, length: number, most: number): Promise<Extent[]> {
    const hasHoles = this.#mayHaveHoles();
    if (hasHoles === false) return Promise.resolve([{ length, state: DATA }]);
    const zero = hasHoles ? ExtentState.ZERO | ExtentState.HOLE : ExtentState.ZERO;
    const extents: Extent[] = [];
    const look = (at: number, bytes: number): boolean => {
      // Most of what is zero is so in large ranges.
      if (this.#isZero(0, bytes)) {
        append(extents, bytes, zero);
        return extents.length <= most;
      }
      for (let from = 0; from < bytes; ) {
        // Grains are those of the disk, not of the query.
        const to = Math.min(bytes, from + this.#grain - ((at + from) % this.#grain));
        append(extents, to - from, this.#isZero(from, to) ? zero : DATA);
        from = to;
      }
      return extents.length <= most;
    };
    return this.#eachChunk(offset, length, look).then(() => extents.slice(0, most));
  }

  /** Reads a range, as far as it is worth it. */
  warm(offset: number, length: number): Promise<void> {
    return this.#eachChunk(offset, length, () => true);
  }

  /** The client says no more, and may be gone: a request ends with the first that is read for it. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Undefined if nobody can tell. */
  #mayHaveHoles(): boolean | undefined {
    try {
      return this.#exported.mayHaveHoles?.();
    } catch {
      // Its disc is gone: what the disk says of that is the answer.
      return undefined;
    }
  }

  #eachChunk(
    offset: number,
    length: number,
    look: (at: number, bytes: number) => boolean,
  ): Promise<void> {
    const end = offset + Math.min(length, MOST_BYTES);
    const done = this.#last.then(async () => {
      for (let at = offset; at < end; at += SCAN_BYTES) {
        const bytes = Math.min(SCAN_BYTES, end - at);
        await this.#read(at, bytes);
        if (!look(at, bytes) || this.#isStopped) return;
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }

  #read(offset: number, lenBytes: number): Promise<void> {
    const bio = new Bio();
    bio.opf = Operation.READ;
    bio.startSector = offset / SECTOR_BYTES;
    bio.lenBytes = lenBytes;
    bio.buffer = this.#buffer;
    return new Promise((resolve, reject: (error: BlockptError) => void) => {
      bio.onEnd = ({ error }) => (error === undefined ? resolve() : reject(error));
      this.#exported.disk.submit(bio);
    });
  }

  #isZero(from: number, to: number): boolean {
    return Buffer.compare(this.#buffer.subarray(from, to), ZEROS.subarray(0, to - from)) === 0;
  }
}

function append(extents: Extent[], length: number, state: number): void {
  const last = extents.at(-1);
  if (last?.state === state) last.length += length;
  else extents.push({ length, state });
}
