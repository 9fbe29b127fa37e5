// The blocks of an image on an HTTP server, as one queue reads them:
//
//   read ─► blocks of 64 KiB ─► kept? ─► under way? ─► wanted ─► neighbours of one turn in one request ─► range-client
//
// What was read last is kept, up to a bound. Who reads on where he ended has the next blocks asked for before he comes.

import type { DiscSource } from "../disc-source.js";
import { paddedBytes } from "../padding.js";
import { HttpFailure, type HttpPlace, RangeClient, type ServedImage } from "./range-client.js";

/** Bytes of what is asked for and kept. */
export const HTTP_BLOCK_BYTES = 64 * 1024;
/** Blocks of one request. */
const MOST_BLOCKS = 16;

/** How much is asked for, and kept, without being read yet or any more. */
export interface HttpCaching {
  readonly readAheadBytes: number;
  readonly cacheBytes: number;
}

interface Wanted {
  readonly block: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

export class HttpSource implements DiscSource {
  readonly sizeBytes: number;
  readonly #image: ServedImage;
  readonly #client: RangeClient;
  readonly #numBlocks: number;
  readonly #mostKept: number;
  readonly #blocksAhead: number;
  /** In the order in which they were last read. */
  readonly #kept = new Map<number, Uint8Array>();
  readonly #underWay = new Map<number, Promise<Uint8Array>>();
  #wanted: Wanted[] = [];
  /** Where the last read ended. */
  #readTo = -1;
  /** The last block that was asked for ahead. */
  #askedTo = -1;
  /** The image is another one: no byte of either is given any more. */
  #failure: HttpFailure | undefined;
  #isClosed = false;

  constructor(place: HttpPlace, image: ServedImage, { readAheadBytes, cacheBytes }: HttpCaching) {
    this.sizeBytes = paddedBytes(image.imageBytes);
    this.#image = image;
    this.#client = new RangeClient(place);
    this.#numBlocks = Math.ceil(this.sizeBytes / HTTP_BLOCK_BYTES);
    this.#mostKept = Math.floor(cacheBytes / HTTP_BLOCK_BYTES);
    // What is read ahead must not be gone when it is read.
    const mostAhead = Math.floor(this.#mostKept / 2);
    this.#blocksAhead = Math.min(Math.ceil(readAheadBytes / HTTP_BLOCK_BYTES), mostAhead);
  }

  /** Touches `into` no more once it is closed, and so may have a view of host memory. */
  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const end = offsetBytes + into.length;
    const first = Math.floor(offsetBytes / HTTP_BLOCK_BYTES);
    const last = Math.floor((end - 1) / HTTP_BLOCK_BYTES);
    const blocks: (Uint8Array | Promise<Uint8Array>)[] = [];
    for (let block = first; block <= last; block++) blocks.push(this.#block(block));
    this.#readAhead(offsetBytes, end, last);
    for (const [index, block] of blocks.entries()) {
      const bytes = block instanceof Promise ? await block : block;
      if (this.#isClosed) return;
      const start = (first + index) * HTTP_BLOCK_BYTES;
      const from = Math.max(offsetBytes, start);
      into.set(bytes.subarray(from - start, end - start), from - offsetBytes);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#client.close();
  }

  #block(block: number): Uint8Array | Promise<Uint8Array> {
    const kept = this.#kept.get(block);
    if (kept !== undefined) {
      this.#keep(block, kept);
      return kept;
    }
    const underWay = this.#underWay.get(block) ?? this.#want(block);
    this.#underWay.set(block, underWay);
    return underWay;
  }

  #want(block: number): Promise<Uint8Array> {
    const bytes = new Promise<Uint8Array>((resolve, reject) => {
      // Behind the other reads of this turn.
      if (this.#wanted.push({ block, resolve, reject }) === 1) queueMicrotask(() => this.#ask());
    });
    // Of a block that is asked for ahead nobody hears.
    bytes.catch(() => {});
    return bytes;
  }

  /** If somebody reads on where he ended, asks for what comes next, half of it at a time. */
  #readAhead(start: number, end: number, last: number): void {
    const readsOn = start === this.#readTo;
    this.#readTo = end;
    if (!readsOn) this.#askedTo = last;
    else if (this.#askedTo - last <= this.#blocksAhead / 2) {
      const to = Math.min(last + this.#blocksAhead, this.#numBlocks - 1);
      for (let block = Math.max(last, this.#askedTo) + 1; block <= to; block++) this.#block(block);
      this.#askedTo = Math.max(this.#askedTo, to);
    }
  }

  /** Asks for all that is wanted, neighbours together. */
  #ask(): void {
    const wanted = this.#wanted.sort((a, b) => a.block - b.block);
    this.#wanted = [];
    for (let index = 0; index < wanted.length; ) {
      const first = index++;
      const start = (wanted[first] as Wanted).block;
      while (index - first < MOST_BLOCKS && wanted[index]?.block === start + index - first) index++;
      void this.#load(wanted.slice(first, index));
    }
  }

  async #load(run: readonly Wanted[]): Promise<void> {
    const start = (run[0] as Wanted).block * HTTP_BLOCK_BYTES;
    const end = start + run.length * HTTP_BLOCK_BYTES;
    // Behind the image zeros stay.
    const bytes = new Uint8Array(Math.min(end, this.sizeBytes) - start);
    const ofImage = bytes.subarray(0, Math.min(end, this.#image.imageBytes) - start);
    let failure: unknown;
    try {
      await this.#client.get(start, ofImage, this.#image);
    } catch (error) {
      failure = error;
      if (error instanceof HttpFailure && error.isOtherImage) this.#failure = error;
    }
    for (const [index, { block, resolve, reject }] of run.entries()) {
      this.#underWay.delete(block);
      if (failure !== undefined) reject(failure);
      else {
        const at = index * HTTP_BLOCK_BYTES;
        // A block alone: one that is kept does not keep its neighbours.
        const own = run.length === 1 ? bytes : bytes.slice(at, at + HTTP_BLOCK_BYTES);
        this.#keep(block, own);
        resolve(own);
      }
    }
  }

  #keep(block: number, bytes: Uint8Array): void {
    this.#kept.delete(block);
    this.#kept.set(block, bytes);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#mostKept) break;
      this.#kept.delete(oldest);
    }
  }
}
