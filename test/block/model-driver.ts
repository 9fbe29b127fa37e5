// A driver whose device is played by the test: it answers when it is told to, in any order, or
// never. It checks at every call that the block layer keeps to its side of `Operations`.

import {
  Bio,
  type DiskLimits,
  GenDisk,
  type GenDiskOptions,
  type Operations,
  type Request,
  TagSet,
} from "blockpt";
import { BlkStatus, nameOf, Operation, SECTOR_BYTES } from "blockpt/abi";
import { expect } from "vitest";

/** What `queueRq` does next. */
export type Answer = "take" | "inline" | "resource" | "refuse" | "fail";

/** The content of every disk here, by the byte. */
export function image(lenBytes: number, from = 0): Uint8Array {
  return Uint8Array.from({ length: lenBytes }, (_, at) => (((from + at) * 7919) >>> 5) & 0xff);
}

export class ModelDriver implements Operations {
  readonly tags: TagSet;
  /** Set once it is made. */
  disk: GenDisk<"added"> | undefined;
  /** What `queueRq` is to do, in order; then it takes. */
  readonly answers: Answer[] = [];
  /** Every request that was handed over and taken, as text. */
  readonly log: string[] = [];
  /** What the device has, of each hardware queue. */
  readonly owned: Map<number, Request>[];
  /** Requests that the device has not been told of, of each queue. */
  readonly untold: number[];
  /** While it may not be called. */
  isClosed: string | undefined;
  /** Whether a look finds a completion. */
  pollCompletes = false;
  /** Called when it is asked to block. */
  onBlock: () => void = () => {};
  readonly #written: Uint8Array;
  readonly #image: Uint8Array;
  #isInside = false;

  constructor(tags: TagSet, sectors: number) {
    this.tags = tags;
    this.owned = Array.from({ length: tags.nrHwQueues }, () => new Map());
    this.untold = this.owned.map(() => 0);
    this.#image = image(sectors * SECTOR_BYTES);
    this.#written = new Uint8Array(sectors * SECTOR_BYTES);
  }

  queueRq(request: Request, isLast: boolean): number {
    const { hwQueue, tag } = request;
    expect(this.isClosed).toBeUndefined();
    expect(this.#isInside, "queueRq within queueRq").toBe(false);
    expect(this.#own(hwQueue).has(tag), "a tag of which the device has the buffer").toBe(false);
    expect(this.tags.find(hwQueue, tag)).toBe(request);
    this.#isInside = true;
    const status = this.#answer(request, isLast);
    this.#isInside = false;
    return status;
  }

  #answer(request: Request, isLast: boolean): number {
    const { hwQueue } = request;
    const answer = this.answers.shift() ?? "take";
    if (answer === "resource") return BlkStatus.RESOURCE;
    if (answer === "refuse") return BlkStatus.IOERR;
    if (answer === "fail") {
      this.fail(hwQueue);
      return BlkStatus.OFFLINE;
    }
    this.log.push(describe(request));
    this.untold[hwQueue] = isLast ? 0 : (this.untold[hwQueue] as number) + 1;
    this.#own(hwQueue).set(request.tag, request);
    if (answer === "inline") this.answer(hwQueue, request.tag, BlkStatus.OK);
    return BlkStatus.OK;
  }

  commitRqs(hwQueue: number): void {
    expect(this.isClosed).toBeUndefined();
    this.untold[hwQueue] = 0;
  }

  complete(request: Request, status: number): void {
    const { hwQueue, tag } = request;
    expect(this.#own(hwQueue).delete(tag), "the device gives back what it has, once").toBe(true);
    expect(this.tags.find(hwQueue, tag)).toBeUndefined();
    if (status === BlkStatus.OK) this.#transfer(request);
  }

  timeout(): boolean {
    return true;
  }

  poll(hwQueue: number, waitMs: number): number {
    const [first] = this.#own(hwQueue).values();
    if (this.pollCompletes && first !== undefined) {
      return this.answer(hwQueue, first.tag, BlkStatus.OK) ? 1 : 0;
    }
    if (waitMs > 0) this.onBlock();
    return 0;
  }

  mayMerge(): boolean {
    return true;
  }

  /** The device answers a tag, be it too late or not; false if it has none such. */
  answer(hwQueue: number, tag: number, status: number): boolean {
    if (!this.#own(hwQueue).has(tag)) return false;
    const request = this.tags.find(hwQueue, tag);
    if (request === undefined) expect(this.tags.reclaim(hwQueue, tag)).toBe(true);
    else expect(request.complete(status)).toBe(true);
    return true;
  }

  /** Nobody takes part any more, until `resume`. */
  fail(hwQueue: number): void {
    this.disk?.fail(hwQueue, new Error("the device is gone") as never);
    this.untold[hwQueue] = 0;
  }

  #own(hwQueue: number): Map<number, Request> {
    return this.owned[hwQueue] as Map<number, Request>;
  }

  #transfer(request: Request): void {
    let position = request.startSector * SECTOR_BYTES;
    for (const { bio, offset, length } of request.segments.slice(0, request.segmentCount)) {
      const data = bio.buffer?.subarray(offset, offset + length);
      const end = position + length;
      if (request.opf === Operation.READ) data?.set(this.#image.subarray(position, end));
      if (request.opf === Operation.WRITE && data !== undefined) this.#written.set(data, position);
      position = end;
    }
  }

  /** The byte that is read there. */
  expected(at: number): number | undefined {
    return this.#image[at];
  }

  /** What lies on the disk where a write went. */
  written(from: number, lenBytes: number): Uint8Array {
    return this.#written.slice(from, from + lenBytes);
  }
}

/** A request in words: what, how much, where, and of how many parts. */
export function describe({ opf, flags, lenBytes, startSector, segmentCount }: Request): string {
  const name = nameOf(Operation, opf) ?? opf;
  const fua = flags === 0 ? "" : " FUA";
  return `${name}${fua} ${lenBytes} at ${startSector} of ${segmentCount}`;
}

/** A model driver and its disk. */
export function modelDisk(
  { queues = 1, depth = 8, sectors = 2048 } = {},
  options: Omit<Partial<GenDiskOptions>, "limits"> & { limits?: Partial<DiskLimits> } = {},
): { driver: ModelDriver; disk: GenDisk<"added">; tags: TagSet } {
  const tags = new TagSet(queues, depth);
  const driver = new ModelDriver(tags, sectors);
  const limits = { sectors, ...options.limits };
  const disk = new GenDisk(tags, driver, { name: "model", ...options, limits }).add();
  driver.disk = disk;
  return { driver, disk, tags };
}

/** A bio with a buffer of its own, not submitted. */
export function makeBio(
  opf: number,
  startSector: number,
  lenBytes: number,
  onEnd: (bio: Bio) => void = () => {},
): Bio {
  const bio = new Bio();
  const moves = opf === Operation.READ || opf === Operation.WRITE;
  bio.opf = opf;
  bio.startSector = startSector;
  bio.lenBytes = lenBytes;
  if (moves) bio.buffer = new Uint8Array(lenBytes);
  bio.onEnd = onEnd;
  return bio;
}

/** The submitter's turn ends, and what follows from that has happened. */
export async function turn(): Promise<void> {
  for (let microtask = 0; microtask < 8; microtask++) await Promise.resolve();
}
