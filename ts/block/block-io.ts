// A disk as its users see it: reads, writes, flushes, with a promise each or in a call that
// blocks. Checks what they ask for, and makes bios of it.

import { DescriptorFlag, Feature, Operation, SECTOR_BYTES } from "../abi/layout.js";
import { isMultiple } from "../abi/queue-layout.js";
import { BlockptError } from "../errors.js";
import { Bio } from "./bio.js";
import type { GenDisk } from "./gendisk.js";

/** How a disk is written. */
export interface WriteOptions {
  /** Force unit access: the data is on stable storage when the write has ended. Default false. */
  fua?: boolean | undefined;
}

/** Most bios that are kept for reuse: a burst of more leaves none behind. */
const KEPT_BIOS = 1024;

const FEATURE_OF = new Map<number, { bit: number; name: string }>([
  [Operation.FLUSH, { bit: Feature.FLUSH, name: "flush" }],
  [Operation.DISCARD, { bit: Feature.DISCARD, name: "discard" }],
  [Operation.WRITE_ZEROES, { bit: Feature.WRITE_ZEROES, name: "writeZeroes" }],
]);

/**
 * The I/O of a disk. Offsets and lengths are bytes, multiples of `logicalBlockBytes`.
 *
 * Calls that are in flight at the same time have no order: what overlaps may be mixed, also within
 * a sector. Adjacent ones of the same turn are merged, reads and writes up to 64 KiB.
 *
 * Each `…Sync` call blocks its thread until the device has answered, and throws what its namesake
 * is rejected with. In Node every thread may block; in a browser only a worker.
 */
export class BlockIo {
  readonly #disk: GenDisk<"added">;
  readonly #hwQueue: number;
  /** Bios that nobody uses. */
  readonly #bios: Bio[] = [];
  /** The bio whose promise is being made. */
  #bio = new Bio();

  /** @param hwQueue - which hardware queue it uses */
  constructor(disk: GenDisk<"added">, hwQueue = 0) {
    this.#disk = disk;
    this.#hwQueue = hwQueue;
  }

  /** Size in sectors of 512 bytes. */
  get sectors(): number {
    return this.#disk.sectors;
  }

  /** Size in bytes. */
  get sizeBytes(): number {
    return this.#disk.sectors * SECTOR_BYTES;
  }

  /** Bytes of the blocks it is read and written in: 512, or a larger power of two. */
  get logicalBlockBytes(): number {
    return this.#disk.logicalBlockBytes;
  }

  /** Whether it may only be read. */
  get readOnly(): boolean {
    return this.#disk.readOnly;
  }

  /** What it does besides reads and writes: bits of `Feature`. */
  get features(): number {
    return this.#disk.features;
  }

  /** How many requests are in flight. A read or write larger than 1 MiB is several. */
  get inFlight(): number {
    return this.#disk.inFlight;
  }

  /**
   * Reads into `target`, all of it. Until the promise settles `target` is the device's.
   *
   * @param offsetBytes - where on the disk
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_UNALIGNED`,
   * `ERR_BLOCKPT_OUT_OF_RANGE`, `ERR_BLOCKPT_IO` with the device's `blkStatus`,
   * `ERR_BLOCKPT_TIMEOUT`, `ERR_BLOCKPT_OFFLINE`, `ERR_BLOCKPT_NO_SPACE` if there is no room to
   * bounce it, `ERR_BLOCKPT_PROTOCOL`, `ERR_BLOCKPT_DETACHED`
   */
  read(target: Uint8Array, offsetBytes: number | bigint): Promise<void> {
    return this.#transfer(Operation.READ, 0, target, offsetBytes);
  }

  /**
   * Writes all of `source`. Until the promise settles `source` is the device's.
   *
   * @param offsetBytes - where on the disk
   * @throws {@link BlockptError} (as a rejection) as `read` does, and `ERR_BLOCKPT_READ_ONLY`;
   * `ERR_BLOCKPT_NOT_SUPPORTED` for `fua` if the device has no FUA
   */
  write(
    source: Uint8Array,
    offsetBytes: number | bigint,
    options?: WriteOptions | undefined,
  ): Promise<void> {
    return this.#transfer(Operation.WRITE, flagsOf(options), source, offsetBytes);
  }

  /**
   * Everything whose write has ended is on stable storage when this has.
   *
   * @throws {@link BlockptError} (as a rejection) as `read` does, and `ERR_BLOCKPT_NOT_SUPPORTED` if the
   * device cannot promise it
   */
  flush(): Promise<void> {
    return this.#range(Operation.FLUSH, 0, 0);
  }

  /**
   * Tells the device that a range is used no more; its content is undefined then. Memory discs have it,
   * file discs do not: Node has no call that punches a hole.
   *
   * @throws {@link BlockptError} (as a rejection) as `write` does, and `ERR_BLOCKPT_NOT_SUPPORTED`
   */
  discard(offsetBytes: number | bigint, lenBytes: number | bigint): Promise<void> {
    return this.#range(Operation.DISCARD, offsetBytes, lenBytes);
  }

  /**
   * Fills a range with zeros, without moving them.
   *
   * @throws {@link BlockptError} (as a rejection) as `write` does, and `ERR_BLOCKPT_NOT_SUPPORTED`
   */
  writeZeroes(offsetBytes: number | bigint, lenBytes: number | bigint): Promise<void> {
    return this.#range(Operation.WRITE_ZEROES, offsetBytes, lenBytes);
  }

  /** `read` in a call that blocks. */
  readSync(target: Uint8Array, offsetBytes: number | bigint): void {
    this.#transferSync(Operation.READ, 0, target, offsetBytes);
  }

  /** `write` in a call that blocks. */
  writeSync(
    source: Uint8Array,
    offsetBytes: number | bigint,
    options?: WriteOptions | undefined,
  ): void {
    this.#transferSync(Operation.WRITE, flagsOf(options), source, offsetBytes);
  }

  /** `flush` in a call that blocks. */
  flushSync(): void {
    this.#rangeSync(Operation.FLUSH, 0, 0);
  }

  /** `discard` in a call that blocks. */
  discardSync(offsetBytes: number | bigint, lenBytes: number | bigint): void {
    this.#rangeSync(Operation.DISCARD, offsetBytes, lenBytes);
  }

  /** `writeZeroes` in a call that blocks. */
  writeZeroesSync(offsetBytes: number | bigint, lenBytes: number | bigint): void {
    this.#rangeSync(Operation.WRITE_ZEROES, offsetBytes, lenBytes);
  }

  /**
   * Starts a bio of the caller's own, which is told of its end by its `onEnd`, perhaps before this returns:
   * what the calls above are made of, without a promise. Its `opf`, `startSector`, `lenBytes` and `buffer`
   * are the caller's to set; while it is in flight they, and what is in the buffer, are the device's.
   *
   * @throws {@link BlockptError} what `read` and its like are rejected with before anything is submitted;
   * `ERR_BLOCKPT_BUSY` if it is in flight
   */
  submit(bio: Bio): void {
    if (!bio.hasEnded) throw new BlockptError("ERR_BLOCKPT_BUSY", "the bio is in flight");
    if (this.isStale) this.refresh();
    const { opf, flags, startSector, lenBytes } = bio;
    const error =
      shapeComplaint(bio) ?? this.#complaint(opf, flags, startSector * SECTOR_BYTES, lenBytes);
    if (error !== undefined) throw error;
    this.#disk.submit(bio, this.#hwQueue);
  }

  /** Whether the driver knows something of the disk that is not taken yet. */
  protected get isStale(): boolean {
    return false;
  }

  /** Takes what the driver knows of the disk; called if it is stale, and before a request is refused. */
  protected refresh(): void {
    // A class of the driver's own looks.
  }

  #transfer(
    opf: number,
    flags: number,
    buffer: Uint8Array,
    offsetBytes: number | bigint,
  ): Promise<void> {
    const error = bufferComplaint(buffer);
    if (error !== undefined) return Promise.reject(error);
    return this.#range(opf, offsetBytes, buffer.length, flags, buffer);
  }

  #range(
    opf: number,
    offsetBytes: number | bigint,
    lenBytes: number | bigint,
    flags = 0,
    buffer?: Uint8Array,
  ): Promise<void> {
    const offset = Number(offsetBytes);
    const length = Number(lenBytes);
    const error = this.#complaint(opf, flags, offset, length);
    if (error !== undefined) return Promise.reject(error);
    if (length === 0 && opf !== Operation.FLUSH) return Promise.resolve();
    return this.#submit(this.#fill(opf, flags, offset, length, buffer));
  }

  #transferSync(
    opf: number,
    flags: number,
    buffer: Uint8Array,
    offsetBytes: number | bigint,
  ): void {
    const error = bufferComplaint(buffer);
    if (error !== undefined) throw error;
    this.#rangeSync(opf, offsetBytes, buffer.length, flags, buffer);
  }

  #rangeSync(
    opf: number,
    offsetBytes: number | bigint,
    lenBytes: number | bigint,
    flags = 0,
    buffer?: Uint8Array,
  ): void {
    const offset = Number(offsetBytes);
    const length = Number(lenBytes);
    const error = this.#complaint(opf, flags, offset, length);
    if (error !== undefined) throw error;
    if (length === 0 && opf !== Operation.FLUSH) return;
    this.#wait(this.#fill(opf, flags, offset, length, buffer));
  }

  #fill(
    opf: number,
    flags: number,
    offset: number,
    lenBytes: number,
    buffer: Uint8Array | undefined,
  ): Bio {
    const bio = this.#bios.pop() ?? new Bio();
    bio.opf = opf;
    bio.flags = flags;
    bio.startSector = offset / SECTOR_BYTES;
    bio.lenBytes = lenBytes;
    bio.buffer = buffer;
    return bio;
  }

  #submit(bio: Bio): Promise<undefined> {
    if (this.isStale) this.refresh();
    bio.onEnd = this.#settle;
    this.#bio = bio;
    const promise = new Promise(this.#keepSettlers);
    this.#disk.submit(bio, this.#hwQueue);
    return promise;
  }

  #wait(bio: Bio): void {
    if (this.isStale) this.refresh();
    bio.onEnd = nothing;
    this.#disk.submit(bio, this.#hwQueue);
    this.#disk.waitFor(bio, this.#hwQueue);
    const { error } = bio;
    this.#drop(bio);
    if (error !== undefined) throw error;
  }

  readonly #keepSettlers = (
    resolve: (value: undefined) => void,
    reject: (error: BlockptError) => void,
  ): void => {
    this.#bio.resolve = resolve;
    this.#bio.reject = reject;
  };

  readonly #settle = (bio: Bio): void => {
    const { error, resolve, reject } = bio;
    this.#drop(bio);
    if (error === undefined) resolve(undefined);
    else reject(error);
  };

  #drop(bio: Bio): void {
    bio.buffer = undefined;
    if (this.#bios.length < KEPT_BIOS) this.#bios.push(bio);
  }

  #complaint(
    opf: number,
    flags: number,
    offset: number,
    lenBytes: number,
  ): BlockptError | undefined {
    const disk = this.#disk;
    const block = disk.logicalBlockBytes;
    const aligned = isMultiple(offset, block) && isMultiple(lenBytes, block);
    const inside = offset >= 0 && lenBytes >= 0 && offset + lenBytes <= this.sizeBytes;
    const allowed = opf === Operation.READ || opf === Operation.FLUSH || !disk.readOnly;
    if (aligned && inside && allowed && this.#missing(opf, flags) === undefined) return undefined;
    this.refresh();
    const failure = disk.failure(this.#hwQueue);
    if (failure !== undefined) return failure;
    const missing = this.#missing(opf, flags);
    if (missing !== undefined) {
      const text = `${disk.name}: the device offers no ${missing}`;
      return new BlockptError("ERR_BLOCKPT_NOT_SUPPORTED", text);
    }
    const what = opf === Operation.READ ? "read" : (FEATURE_OF.get(opf)?.name ?? "write");
    const where = `${what} of ${lenBytes} bytes at ${offset} of ${disk.name}`;
    if (!aligned) {
      const text = `${where}: offset and length are multiples of ${disk.logicalBlockBytes}`;
      return new BlockptError("ERR_BLOCKPT_UNALIGNED", text);
    }
    if (!allowed) {
      return new BlockptError("ERR_BLOCKPT_READ_ONLY", `${where}, which may only be read`);
    }
    if (lenBytes >= 0 && offset >= 0 && offset + lenBytes <= this.sizeBytes) return undefined;
    return new BlockptError(
      "ERR_BLOCKPT_OUT_OF_RANGE",
      `${where}, which has ${this.sizeBytes} bytes`,
    );
  }

  /** What the device would have to offer, and does not. */
  #missing(opf: number, flags: number): string | undefined {
    if (opf === Operation.READ || (opf === Operation.WRITE && flags === 0)) return undefined;
    const { features } = this.#disk;
    if (opf === Operation.WRITE) return (features & Feature.FUA) !== 0 ? undefined : "FUA";
    const feature = FEATURE_OF.get(opf);
    return feature !== undefined && (features & feature.bit) === 0 ? feature.name : undefined;
  }
}

function nothing(): void {}

function flagsOf(options: WriteOptions | undefined): number {
  return options?.fua === true ? DescriptorFlag.FUA : 0;
}

function bufferComplaint(buffer: Uint8Array): BlockptError | undefined {
  // Not by its class: an array of another realm is as good.
  if (ArrayBuffer.isView(buffer) && buffer.BYTES_PER_ELEMENT === 1) return undefined;
  return new BlockptError(
    "ERR_BLOCKPT_INVALID_ARGUMENT",
    "a Uint8Array is wanted; one over other memory is new Uint8Array(buffer, byteOffset, byteLength)",
  );
}

/** What is wrong with a bio by itself, whatever its disk. */
function shapeComplaint(bio: Bio): BlockptError | undefined {
  const why = shapeProblem(bio);
  if (why !== undefined) {
    return new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", `the bio: ${why}`);
  }
  return bio.buffer === undefined ? undefined : bufferComplaint(bio.buffer);
}

function shapeProblem({ opf, flags, lenBytes, buffer }: Bio): string | undefined {
  const movesData = opf === Operation.READ || opf === Operation.WRITE;
  if (!movesData && !FEATURE_OF.has(opf)) return `there is no operation ${opf}`;
  const isFua = flags === DescriptorFlag.FUA && opf === Operation.WRITE;
  if (flags !== 0 && !isFua) return `operation ${opf} takes no flags ${flags}`;
  if ((lenBytes === 0) !== (opf === Operation.FLUSH)) {
    return `operation ${opf} has ${lenBytes} bytes`;
  }
  const length = buffer?.length ?? 0;
  if (movesData && length < lenBytes) {
    return `its buffer has ${length} bytes, ${lenBytes} are wanted`;
  }
  return undefined;
}
