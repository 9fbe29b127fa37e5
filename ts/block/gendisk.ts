// A disk of the block layer: what it is like, its hardware queues, and the timer that gives up
// requests. It does I/O from `add` on, and its type says so.

import { MAX_LEN_BYTES, SECTOR_BYTES } from "../abi/layout.js";
import { checkLogicalBlock } from "../abi/logical-block.js";
import { BlockptError, checkInteger } from "../errors.js";
import { unref } from "../platform/turns.js";
import type { Bio } from "./bio.js";
import { HardwareQueue, SWEEPS } from "./hardware-queue.js";
import type { Operations } from "./operations.js";
import type { TagSet } from "./tag-set.js";

/** What a disk is like. */
export interface DiskLimits {
  /** Size in sectors of 512 bytes. */
  sectors: number;
  /** Bytes of the blocks it is read and written in: a power of two, 512 to 65536. Default 512. */
  logicalBlockBytes?: number | undefined;
  /** Most bytes of one request, a multiple of 512: what is longer is split. Default 1 MiB. */
  maxLenBytes?: number | undefined;
  /** Whether it may only be read. Default false. */
  readOnly?: boolean | undefined;
  /** What it does besides reads and writes: bits of `Feature`. Default 0. */
  features?: number | undefined;
}

/** How a disk is made. */
export interface GenDiskOptions {
  /** What it is called. */
  name: string;
  /** What it is like. */
  limits: DiskLimits;
  /**
   * After this, in milliseconds, a request is given up, or up to an eighth of it later. Default 30000. The timer
   * holds no process up.
   */
  timeoutMs?: number | undefined;
  /** Sees to it that `disk.unplug()` is called at the end of the submitter's turn. By default a microtask calls it. */
  unplugLater?: (() => void) | undefined;
  /** What a user can do about a driver that has no room for a request, such as "raise hostMemoryBytes". */
  roomHint?: string | undefined;
}

/** `initialized` until `add`, then `added`. */
export type GenDiskState = "initialized" | "added";

const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * A disk on a driver's operations, after blk-mq's `gendisk`. Only a disk that was added does I/O.
 *
 * @example
 * ```ts
 * import { BlockIo, GenDisk, RamDriver, TagSet } from "blockpt";
 *
 * const driver = new RamDriver(1024 * 1024);
 * const options = { name: "ram0", limits: { sectors: 2048 } };
 * const disk = new GenDisk(new TagSet(1, 64), driver, options).add();
 * const io = new BlockIo(disk);
 * await io.write(new Uint8Array(512).fill(7), 512);
 * const back = new Uint8Array(512);
 * io.readSync(back, 512);
 * console.log(back[0]); // 7
 * disk.remove();
 * ```
 */
export class GenDisk<State extends GenDiskState = "initialized"> {
  /** What it is called. */
  readonly name: string;
  /** Bytes of the blocks it is read and written in. */
  readonly logicalBlockBytes: number;
  /** Most bytes of one request. */
  readonly maxLenBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** What it does besides reads and writes: bits of `Feature`. */
  readonly features: number;
  readonly #queues: readonly HardwareQueue[];
  readonly #timeoutMs: number;
  #sectors: number;
  #state: GenDiskState = "initialized";
  #removed = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param tags - the disk's own
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if a number is out of its range;
   * `ERR_BLOCKPT_STATE` if the tag set is another disk's
   */
  constructor(tags: TagSet, operations: Operations, options: GenDiskOptions) {
    const { limits, timeoutMs = 30_000, roomHint = "try again later" } = options;
    const { logicalBlockBytes = SECTOR_BYTES, maxLenBytes = MAX_LEN_BYTES } = limits;
    checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMEOUT_MS);
    checkSectors(limits.sectors);
    checkLogicalBlock(logicalBlockBytes);
    checkInteger("maxLenBytes", maxLenBytes, logicalBlockBytes, 2 ** 32 - 1);
    if (!tags.adopt()) {
      throw new BlockptError("ERR_BLOCKPT_STATE", "the tag set is another disk's");
    }
    this.name = options.name;
    this.logicalBlockBytes = logicalBlockBytes;
    this.maxLenBytes = maxLenBytes - (maxLenBytes % logicalBlockBytes);
    this.readOnly = limits.readOnly ?? false;
    this.features = limits.features ?? 0;
    this.#sectors = limits.sectors;
    this.#timeoutMs = timeoutMs;
    let unplugs = false;
    const unplug = (): void => {
      unplugs = false;
      for (const queue of this.#queues) queue.unplug();
    };
    const inMicrotask = (): void => {
      if (unplugs) return;
      unplugs = true;
      queueMicrotask(unplug);
    };
    const unplugLater = options.unplugLater ?? inMicrotask;
    this.#queues = Array.from(
      { length: tags.nrHwQueues },
      (_, index) =>
        new HardwareQueue({
          index,
          tags,
          operations,
          logicalBlockBytes,
          maxLenBytes: this.maxLenBytes,
          timeoutMs,
          unplugLater,
          roomHint,
        }),
    );
  }

  /** `initialized`, or `added`. */
  get state(): State {
    return this.#state as State;
  }

  /** Size in sectors of 512 bytes. */
  get sectors(): number {
    return this.#sectors;
  }

  /** Requests, and bios that wait to become some, that have not ended. */
  get inFlight(): number {
    let sum = 0;
    for (const queue of this.#queues) sum += queue.inFlight;
    return sum;
  }

  /**
   * Opens the disk for I/O.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_STATE` if it was added before
   */
  add(this: GenDisk<"initialized">): GenDisk<"added"> {
    if (this.#state !== "initialized") {
      throw new BlockptError("ERR_BLOCKPT_STATE", `${this.name} was added before`);
    }
    this.#state = "added";
    this.#timer = setInterval(this.#sweep, Math.ceil(this.#timeoutMs / SWEEPS));
    unref(this.#timer);
    return this as unknown as GenDisk<"added">;
  }

  /**
   * Starts a bio; its `onEnd` is called once, perhaps before this returns. Whoever calls has checked its
   * range, and that it is not in use: `BlockIo` does.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_STATE` if the disk was not added
   */
  submit(this: GenDisk<"added">, bio: Bio, hwQueue = 0): void {
    this.#queue(hwQueue).submit(bio);
  }

  /** Blocks until a bio that was submitted has ended. Not to be called from within an `onEnd`. */
  waitFor(this: GenDisk<"added">, bio: Bio, hwQueue = 0): void {
    this.#queue(hwQueue).waitFor(bio);
  }

  /** The submitter's turn is over: the driver is told of all that was submitted. */
  unplug(this: GenDisk<"added">, hwQueue = 0): void {
    this.#queue(hwQueue).unplug();
  }

  /** Whether a request that the driver does not have yet is for a byte of a buffer. */
  isWaitingFor(buffer: Uint8Array): boolean {
    return this.#queues.some((queue) => queue.isWaitingFor(buffer));
  }

  /** Why everything on a queue is refused, if it is. */
  failure(hwQueue = 0): BlockptError | undefined {
    return this.#queues[hwQueue]?.failure;
  }

  /**
   * Driver: ends everything on a queue with an error, and refuses what comes, until `resume`. What
   * the device has stays its own until `reclaimAll`.
   */
  fail(this: GenDisk<"added">, hwQueue: number, error: BlockptError): void {
    if (!this.#removed) this.#queue(hwQueue).fail(error);
  }

  /** Driver: the device has left a queue, and takes and gives nothing of it any more. */
  reclaimAll(this: GenDisk<"added">, hwQueue: number): void {
    this.#queue(hwQueue).reclaimAll();
  }

  /** Driver: a queue that failed takes requests again. */
  resume(this: GenDisk<"added">, hwQueue: number): void {
    if (!this.#removed) this.#queue(hwQueue).resume();
  }

  /** Driver: the disk has another size, in sectors. */
  resize(sectors: number): void {
    checkSectors(sectors);
    this.#sectors = sectors;
  }

  /** Ends what is in flight with `ERR_BLOCKPT_DETACHED`; the disk is of no more use. */
  remove(this: GenDisk<"added">): void {
    this.#removed = true;
    clearInterval(this.#timer);
    const error = new BlockptError(
      "ERR_BLOCKPT_DETACHED",
      `${this.name}: the disk was detached, or this queue of it closed`,
    );
    for (const queue of this.#queues) {
      queue.fail(error);
      queue.reclaimAll();
    }
  }

  #queue(hwQueue: number): HardwareQueue {
    const queue = this.#queues[hwQueue];
    if (queue === undefined || this.#state !== "added") {
      throw new BlockptError(
        "ERR_BLOCKPT_STATE",
        queue === undefined ? `${this.name} has no queue ${hwQueue}` : `add() ${this.name} first`,
      );
    }
    return queue;
  }

  readonly #sweep = (): void => {
    for (const queue of this.#queues) queue.sweep();
  };
}

function checkSectors(sectors: number): void {
  checkInteger("sectors", sectors, 1, Math.floor(Number.MAX_SAFE_INTEGER / SECTOR_BYTES));
}
