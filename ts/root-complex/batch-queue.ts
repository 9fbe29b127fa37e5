// A queue of a disk for programs that keep their own books: numbers go in, numbers come out, and nothing
// is made for a request. No merging, no splitting, no promise.

import { DescriptorFlag, Feature, Operation, SECTOR_BYTES } from "../abi/layout.js";
import { isMultiple } from "../abi/queue-layout.js";
import type { Bus } from "../bus/bus.js";
import type { DriverQueue } from "../engine/engine.js";
import { COMPLETION_WORDS, CompletionWord } from "../engine/records.js";
import { BlockptError, checkInteger } from "../errors.js";
import { offline } from "./disk-state.js";
import { HostBuffers } from "./host-buffers.js";
import { KeepAlive } from "./keep-alive.js";
import { QueueEnd, type QueueParts } from "./queue-end.js";
import { type QueueHandle, withQueue } from "./queue-handle.js";

/** Looks at the ring between two looks at the clock. */
const LOOKS = 64;
/** Longest block before it is seen whether the time is over. */
const BLOCK_MS = 100;
const MAX_TAG = 0xffff_fffe;
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The feature that each operation takes. */
const FEATURE_OF: Readonly<Record<number, number>> = {
  [Operation.READ]: 0,
  [Operation.WRITE]: 0,
  [Operation.FLUSH]: Feature.FLUSH,
  [Operation.DISCARD]: Feature.DISCARD,
  [Operation.WRITE_ZEROES]: Feature.WRITE_ZEROES,
};

/**
 * A queue of an attached disk in lists: `put` requests, `submit` them, and take what has completed by `reap`
 * or `wait`, each known by the tag that was put with it. Made by `openBatchQueue`, for one thread.
 *
 * Requests have no order among each other, and none is given up by itself: one that the device does not answer
 * stays the device's.
 */
export class BatchQueue {
  /** What the disk is called here. */
  readonly localName: string;
  /** Bytes of the blocks it is read and written in: 512, or a larger power of two. */
  readonly logicalBlockBytes: number;
  /** Most bytes of one request. */
  readonly maxLenBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** What it does besides reads and writes: bits of `Feature`. */
  readonly features: number;
  readonly #bus: Bus;
  readonly #end: QueueEnd;
  readonly #buffers: HostBuffers;
  readonly #keepAlive = new KeepAlive();
  readonly #depth: number;
  readonly #hostStart: number;
  readonly #hostEnd: number;
  #sizeBytes = 0;
  /** Undefined while nothing can be put. */
  #driver: DriverQueue | undefined;
  #completions: Uint32Array = new Uint32Array();
  #inFlight = 0;
  #failure: BlockptError | undefined;
  /** Whether the failure was thrown, so that it is known that nothing is in flight. */
  #isTold = false;
  /** Whether the disk is online again before the failure was thrown. */
  #isBack = false;

  /** @internal */
  constructor(bus: Bus, parts: QueueParts) {
    const queue = this;
    this.localName = parts.diskName;
    this.logicalBlockBytes = parts.logicalBlockBytes;
    this.maxLenBytes = parts.maxLenBytes;
    this.readOnly = parts.readOnly;
    this.features = parts.features;
    this.#bus = bus;
    this.#buffers = new HostBuffers(bus, parts.diskName);
    this.#depth = parts.geometry.numDescriptors - 1;
    this.#hostStart = bus.hostMemory.offset;
    this.#hostEnd = bus.hostMemory.offset + bus.hostMemory.length;
    this.#end = new QueueEnd(bus, parts, {
      get failure() {
        return queue.#failure;
      },
      fail: (error) => this.#fail(error),
      refresh: () => this.#refresh(),
    });
    this.#sizeBytes = this.#end.state.sectors * SECTOR_BYTES;
    if (this.#end.driver === undefined) this.#fail(this.#offline());
    else this.#begin(this.#end.driver);
  }

  /** Size in bytes, as far as this thread has heard. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** How many more requests fit now. */
  get available(): number {
    return this.#depth - this.#inFlight;
  }

  /** Requests that were put and have not completed. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * A buffer in host memory, for `put`: its `byteOffset` is its bus address. It is the caller's until
   * `free`, or until the queue is closed.
   *
   * @param bytes - at least 1; takes whole pages of 4096 bytes
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SPACE` if host memory has no room; `ERR_BLOCKPT_DETACHED`
   */
  allocate(bytes: number): Uint8Array {
    if (this.#failure?.code === "ERR_BLOCKPT_DETACHED") throw this.#failure;
    const buffer = this.#buffers.allocate(bytes);
    // Once for all its requests.
    this.#bus.iommu?.map(buffer.byteOffset, buffer.length);
    return buffer;
  }

  /**
   * Gives back a buffer of `allocate`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for any other; `ERR_BLOCKPT_BUSY` while
   * anything is in flight
   */
  free(buffer: Uint8Array): void {
    this.#buffers.check(buffer);
    this.#checkIdle("free a buffer");
    this.#bus.iommu?.unmap(buffer.byteOffset, buffer.length);
    this.#buffers.release(buffer);
  }

  /**
   * Adds a request; the device need not see it before `submit`.
   *
   * @param opf - one of `Operation`, of `blockpt/abi`
   * @param offsetBytes - where on the disk
   * @param lenBytes - at most `maxLenBytes`; 0 for a flush
   * @param address - the bus address of the data, inside a buffer of `allocate`; 0 where none moves
   * @param tag - comes back with the completion; 0 to 2^32 − 2
   * @param flags - of `DescriptorFlag`: FUA on a write, or 0
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT`, `ERR_BLOCKPT_UNALIGNED`,
   * `ERR_BLOCKPT_OUT_OF_RANGE`, `ERR_BLOCKPT_READ_ONLY`, `ERR_BLOCKPT_NOT_SUPPORTED`,
   * `ERR_BLOCKPT_NO_SPACE` if `available` is 0, `ERR_BLOCKPT_OFFLINE`, `ERR_BLOCKPT_DETACHED`
   */
  put(
    opf: number,
    offsetBytes: number,
    lenBytes: number,
    address: number,
    tag: number,
    flags = 0,
  ): void {
    let driver = this.#driver;
    const movesData = opf === Operation.READ || (opf === Operation.WRITE && !this.readOnly);
    // What most requests are, in few comparisons; a request that is not is looked at closely.
    const isPlain =
      movesData &&
      flags === 0 &&
      driver !== undefined &&
      lenBytes > 0 &&
      lenBytes <= this.maxLenBytes &&
      offsetBytes >= 0 &&
      offsetBytes <= this.#sizeBytes - lenBytes &&
      isMultiple(offsetBytes, this.logicalBlockBytes) &&
      isMultiple(lenBytes, this.logicalBlockBytes) &&
      address >= this.#hostStart &&
      address <= this.#hostEnd - lenBytes &&
      tag >= 0 &&
      tag <= MAX_TAG &&
      this.#inFlight < this.#depth;
    if (!isPlain) {
      this.#check(opf, offsetBytes, lenBytes, address, tag, flags);
      // That takes the rings of an endpoint that is back.
      driver = this.#driver;
    }
    this.#inFlight++;
    (driver as DriverQueue).put(offsetBytes / SECTOR_BYTES, address, lenBytes, opf, flags, tag);
  }

  /**
   * Shows the device all that was put.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_OFFLINE` if the endpoint is gone, or was and is back: nothing that was put is
   * in flight then
   */
  submit(): void {
    if (this.#end.isStale) this.#refresh();
    this.#throwFailure();
    if (!this.#end.publish()) {
      this.#refresh();
      this.#throwFailure();
    }
  }

  /**
   * Takes what has completed, at most 256 at once: says how many, and `tag` and `status` tell of each until the
   * next call.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_OFFLINE` if the endpoint is gone, or was and is back: nothing that was put
   * is in flight then; `ERR_BLOCKPT_PROTOCOL` if it broke the protocol; `ERR_BLOCKPT_DETACHED`
   */
  reap(): number {
    const count = this.#look();
    this.#throwFailure();
    return count;
  }

  /**
   * `reap` in a call that blocks until something has completed; 0 if nothing is in flight.
   *
   * @param timeoutMs - longest time that it waits
   * @throws {@link BlockptError} as `reap` does; `ERR_BLOCKPT_TIMEOUT`: what is in flight stays the device's
   */
  wait(timeoutMs = 30_000): number {
    checkInteger("timeoutMs", timeoutMs, 1, MAX_TIMEOUT_MS);
    let until = 0;
    for (let looks = 1; ; looks++) {
      const count = this.reap();
      if (count > 0) {
        if (looks > LOOKS) this.#end.patience.found();
        return count;
      }
      if (this.#inFlight === 0) return 0;
      if (looks % LOOKS !== 0 || this.#end.patience.mayLookOn()) continue;
      const now = performance.now();
      if (until === 0) until = now + timeoutMs;
      if (now >= until) {
        const why = `${this.localName}: nothing was answered in ${timeoutMs} ms`;
        throw new BlockptError("ERR_BLOCKPT_TIMEOUT", why);
      }
      const blocked = this.#end.block(Math.min(BLOCK_MS, until - now), this.#look);
      if (blocked > 0) return blocked;
    }
  }

  /** The tag of one that the last `reap` or `wait` gave, counted from 0. */
  tag(index: number): number {
    return this.#completions[index * COMPLETION_WORDS + CompletionWord.tag] as number;
  }

  /** Its status: one of `BlkStatus`, of `blockpt/abi`. */
  status(index: number): number {
    return this.#completions[index * COMPLETION_WORDS + CompletionWord.status] as number;
  }

  /**
   * Resolves once the disk is online; at once, if it is. What was put before the endpoint went is not in flight then, and
   * `inFlight` does not count it.
   *
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_DETACHED`, `ERR_BLOCKPT_PROTOCOL`
   */
  async whenOnline(): Promise<void> {
    this.#isTold = true;
    await this.#end.whenOnline(this.#keepAlive);
    this.#isTold = false;
  }

  /**
   * Gives the queue back to its disk, which hands it out again, and its buffers with it.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_BUSY` while anything is in flight
   */
  close(): void {
    if (this.#failure?.code === "ERR_BLOCKPT_DETACHED") return;
    if (this.#failure === undefined) this.#checkIdle("close it");
    const isAbandoned = this.#inFlight > 0;
    this.#buffers.releaseAll((buffer) => {
      if (!isAbandoned) this.#bus.iommu?.unmap(buffer.byteOffset, buffer.length);
      return isAbandoned;
    });
    this.#keepAlive.close();
    this.#end.close(isAbandoned);
    this.#fail(new BlockptError("ERR_BLOCKPT_DETACHED", `${this.localName}: the queue was closed`));
  }

  #begin(driver: DriverQueue): void {
    this.#driver = driver;
    this.#completions = driver.completions;
    this.#inFlight = 0;
    this.#failure = undefined;
    this.#isTold = false;
    this.#isBack = false;
  }

  #fail(error: BlockptError): void {
    this.#failure = error;
    this.#driver = undefined;
  }

  #offline(): BlockptError {
    const { state } = this.#end;
    return state.isDetached
      ? new BlockptError("ERR_BLOCKPT_DETACHED", `${this.localName} was detached`)
      : offline(this.localName, "the endpoint is gone");
  }

  #refresh(): void {
    const isCleared = this.#end.refresh();
    this.#sizeBytes = this.#end.state.sectors * SECTOR_BYTES;
    if (!isCleared) return;
    this.#fail(this.#offline());
    this.#isBack = this.#end.state.isOnline;
    if (this.#isBack && (this.#inFlight === 0 || this.#isTold)) this.#reopen();
  }

  #reopen(): void {
    this.#end.reopen();
    this.#begin(this.#end.driver as DriverQueue);
  }

  /** Throws why nothing goes on, if so: at least once for what was in flight, also where the disk is online again. */
  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#isTold = true;
    if (this.#isBack) this.#reopen();
    throw failure;
  }

  readonly #look = (): number => {
    if (this.#end.isStale) this.#refresh();
    if (this.#driver === undefined) return 0;
    const count = this.#driver.reap();
    if (count < 0) {
      this.#end.fault(-count);
      return 0;
    }
    this.#inFlight -= count;
    return count;
  };

  #checkIdle(what: string): void {
    if (this.#inFlight === 0) return;
    const why = `${this.localName} has requests in flight (${this.#inFlight}): wait for them, then ${what}`;
    throw new BlockptError("ERR_BLOCKPT_BUSY", why);
  }

  /** Throws if a request cannot be put. */
  #check(
    opf: number,
    offset: number,
    lenBytes: number,
    address: number,
    tag: number,
    flags: number,
  ): void {
    if (this.#end.isStale) this.#refresh();
    this.#throwFailure();
    checkInteger("tag", tag, 0, MAX_TAG);
    const isFua = flags === DescriptorFlag.FUA && opf === Operation.WRITE;
    const feature = isFua ? Feature.FUA : FEATURE_OF[opf];
    if (feature === undefined || (flags !== 0 && !isFua)) {
      const why = `there is no operation ${opf} with the flags ${flags}`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    if ((this.features & feature) !== feature) {
      const why = `${this.localName}: the device does not offer operation ${opf}, or FUA`;
      throw new BlockptError("ERR_BLOCKPT_NOT_SUPPORTED", why);
    }
    if (this.readOnly && opf !== Operation.READ && opf !== Operation.FLUSH) {
      throw new BlockptError("ERR_BLOCKPT_READ_ONLY", `${this.localName} may only be read`);
    }
    const where = `${lenBytes} bytes at ${offset} of ${this.localName}`;
    const block = this.logicalBlockBytes;
    if (!isMultiple(offset, block) || !isMultiple(lenBytes, block)) {
      const why = `${where}: offset and length are multiples of ${block}`;
      throw new BlockptError("ERR_BLOCKPT_UNALIGNED", why);
    }
    const least = opf === Operation.FLUSH ? 0 : SECTOR_BYTES;
    const most = opf === Operation.FLUSH ? 0 : this.maxLenBytes;
    checkInteger("lenBytes", lenBytes, least, most);
    if (!(offset >= 0 && offset <= this.#sizeBytes - lenBytes)) {
      const why = `${where}, which has ${this.#sizeBytes} bytes`;
      throw new BlockptError("ERR_BLOCKPT_OUT_OF_RANGE", why);
    }
    if (opf === Operation.READ || opf === Operation.WRITE) {
      checkInteger("address", address, this.#hostStart, this.#hostEnd - lenBytes);
    }
    if (this.available === 0) {
      const why = `${this.localName}: all ${this.#depth} requests are in flight: wait first`;
      throw new BlockptError("ERR_BLOCKPT_NO_SPACE", why);
    }
  }
}

/**
 * Opens a queue of a disk for batches: also in the thread that attached the disk. No other thread may use the
 * same handle.
 *
 * @param bus - this thread's view of the bus
 * @param handle - what `disk.openQueue()` gave, posted here
 * @throws {@link BlockptError} as `openQueue` does
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, openBatchQueue, RootComplex } from "blockpt";
 * import { Operation } from "blockpt/abi";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024), { queues: 2 });
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("ram0", { queues: 2, numDescriptors: 256 });
 *
 * // Reads the disk, 32 blocks at a time, each into its place.
 * const queue = openBatchQueue(bus, disk.openQueue());
 * const data = queue.allocate(disk.sizeBytes);
 * const blocks = disk.sizeBytes / 4096;
 * for (let next = 0, done = 0; done < blocks; ) {
 *   for (; next < blocks && queue.inFlight < 32; next++) {
 *     queue.put(Operation.READ, next * 4096, 4096, data.byteOffset + next * 4096, next);
 *   }
 *   queue.submit();
 *   const count = queue.wait();
 *   for (let index = 0; index < count; index++) {
 *     if (queue.status(index) !== 0) throw new Error(`block ${queue.tag(index)} cannot be read`);
 *   }
 *   done += count;
 * }
 * console.log(data.every((byte) => byte === 0)); // true
 * queue.close();
 *
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export function openBatchQueue(bus: Bus, handle: QueueHandle): BatchQueue {
  return withQueue(bus, handle, (parts) => new BatchQueue(bus, parts));
}
