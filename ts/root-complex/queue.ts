// One queue of an attached disk, in the thread that uses it: the block layer's driver on the
// driver's end of the rings.

import { BlkStatus, Operation } from "../abi/layout.js";
import { GenDisk } from "../block/gendisk.js";
import type { Operations } from "../block/operations.js";
import type { Request, Segment } from "../block/request.js";
import { TagSet } from "../block/tag-set.js";
import type { Bus } from "../bus/bus.js";
import type { DriverQueue } from "../engine/engine.js";
import { COMPLETION_WORDS, CompletionWord } from "../engine/records.js";
import { BlockptError } from "../errors.js";
import { CompletionLadder, type CompletionSource } from "./completion.js";
import { type DiskState, offline } from "./disk-state.js";
import { KeepAlive } from "./keep-alive.js";
import { QueueEnd, type QueueOwner, type QueueParts } from "./queue-end.js";

/** Puts after which they are published, at the latest: less than an engine's list has room for. */
const COMMIT_EVERY = 128;

export class RemoteQueue implements Operations, CompletionSource, QueueOwner {
  readonly disk: GenDisk<"added">;
  readonly #end: QueueEnd;
  readonly #bus: Bus;
  readonly #parts: QueueParts;
  readonly #tags: TagSet;
  readonly #ladder: CompletionLadder;
  /** Holds the event loop while something is waited for. */
  readonly #keepAlive = new KeepAlive();
  readonly #bytes: Uint8Array;
  /** Of each tag: where its data is on the bus, how much of it is mapped, whether it is a bounce. */
  readonly #address: Uint32Array;
  readonly #mapped: Uint32Array;
  readonly #bounced: Uint8Array;
  #isClosed = false;
  /** Closed while the device has something still: what that is stays its own. */
  #isAbandoned = false;
  #staged = 0;

  /** @param onSuspect - hears, in the thread that attached the disk, that the endpoint has left the queue */
  constructor(bus: Bus, parts: QueueParts, onSuspect?: () => void) {
    const depth = parts.geometry.numDescriptors - 1;
    this.#bus = bus;
    this.#parts = parts;
    this.#bytes = new Uint8Array(bus.buffer);
    this.#address = new Uint32Array(depth);
    this.#mapped = new Uint32Array(depth);
    this.#bounced = new Uint8Array(depth);
    this.#end = new QueueEnd(bus, parts, this, onSuspect);
    this.#tags = new TagSet(1, depth);
    this.disk = new GenDisk(this.#tags, this, {
      name: parts.diskName,
      limits: {
        sectors: this.#end.state.sectors,
        logicalBlockBytes: parts.logicalBlockBytes,
        maxLenBytes: parts.maxLenBytes,
        readOnly: parts.readOnly,
        features: parts.features,
      },
      timeoutMs: parts.requestTimeoutMs,
      unplugLater: () => this.#ladder.kick(),
      roomHint: "raise createBus's hostMemoryBytes",
    }).add();
    const { vector, interruptAddress } = parts;
    const { patience } = this.#end;
    this.#ladder = new CompletionLadder(
      this,
      bus,
      vector,
      interruptAddress,
      this.#keepAlive,
      patience,
    );
    if (this.#end.driver === undefined) this.#failOffline();
  }

  /** What the threads of the disk share. */
  get state(): DiskState {
    return this.#end.state;
  }

  get inFlight(): number {
    return this.disk.inFlight;
  }

  /** Requests that have not ended, or that the device has still. */
  get outstanding(): number {
    const depth = this.#parts.geometry.numDescriptors - 1;
    return Math.max(this.disk.inFlight, depth - this.#tags.available(0));
  }

  /**
   * Whether the device may still read or write some byte of a buffer in host memory, be its request given
   * up or not.
   */
  isUsing(buffer: Uint8Array): boolean {
    const address = buffer.byteOffset;
    const isMapped = this.#mapped.some((mapped, tag) => {
      const start = this.#address[tag] as number;
      return mapped > 0 && start < address + buffer.length && address < start + mapped;
    });
    return isMapped || this.disk.isWaitingFor(buffer);
  }

  queueRq(request: Request, isLast: boolean): number {
    if (this.isStale) {
      const { epoch } = this.#end;
      this.refresh();
      // The request ended there, and is nobody's now.
      if (this.#end.epoch !== epoch) return BlkStatus.OK;
    }
    const { tag, opf } = request;
    let address = 0;
    if (opf === Operation.READ || opf === Operation.WRITE) {
      if (opf === Operation.WRITE && !hasItsBuffers(request)) return BlkStatus.INVAL;
      const inPlace = this.#addressOf(request.segments[0] as Segment);
      const mapped = inPlace ?? this.#bounce(request);
      if (mapped === undefined) return BlkStatus.RESOURCE;
      address = mapped;
      this.#address[tag] = address;
      this.#mapped[tag] = request.lenBytes;
      this.#bounced[tag] = inPlace === undefined ? 1 : 0;
      // Mapped before the descriptor is published, unmapped after its completion.
      this.#bus.iommu?.map(address, request.lenBytes);
    }
    (this.#end.driver as DriverQueue).put(
      request.startSector,
      address,
      request.lenBytes,
      opf,
      request.flags,
      tag,
    );
    if (isLast || ++this.#staged === COMMIT_EVERY) this.commitRqs();
    return BlkStatus.OK;
  }

  commitRqs(): void {
    this.#staged = 0;
    if (!this.#end.publish()) this.refresh();
  }

  complete(request: Request, status: number): void {
    const { tag } = request;
    const mapped = this.#mapped[tag] as number;
    if (mapped === 0 || this.#isAbandoned) return;
    const address = this.#address[tag] as number;
    this.#mapped[tag] = 0;
    this.#bus.iommu?.unmap(address, mapped);
    if (this.#bounced[tag] === 0) return;
    if (status === BlkStatus.OK && request.opf === Operation.READ) {
      hasItsBuffers(request);
      let source = address;
      for (let index = 0; index < request.segmentCount; index++) {
        const { bio, offset, length } = request.segments[index] as Segment;
        const data = this.#bytes.subarray(source, source + length);
        if (bio.error === undefined) (bio.buffer as Uint8Array).set(data, offset);
        source += length;
      }
    }
    this.#bus.hostPages.release(address);
  }

  timeout(): boolean {
    // Its completion may lie on the ring, and nobody have looked.
    this.reap();
    return true;
  }

  poll(_hwQueue: number, waitMs: number): number {
    const count = this.reap();
    if (count > 0) this.#end.patience.found();
    if (count > 0 || waitMs === 0 || this.#end.patience.mayLookOn()) return count;
    return this.#end.block(waitMs, this.#look);
  }

  mayMerge(request: Request, buffer: Uint8Array): boolean {
    const last = request.segments[request.segmentCount - 1] as Segment;
    if (last.bio.buffer?.buffer !== this.#bus.buffer) return buffer.buffer !== this.#bus.buffer;
    // In place there is one address for all of it.
    const end = last.bio.buffer.byteOffset + last.offset + last.length;
    return buffer.buffer === this.#bus.buffer && buffer.byteOffset === end;
  }

  publish(): void {
    this.disk.unplug();
  }

  reap(): number {
    if (this.isStale) this.refresh();
    const { driver } = this.#end;
    if (this.failure !== undefined || driver === undefined) return 0;
    const count = driver.reap();
    if (count < 0) {
      this.#end.fault(-count);
      return 0;
    }
    const { completions } = driver;
    const { epoch } = this.#end;
    for (let index = 0; index < count && this.#end.epoch === epoch; index++) {
      const record = index * COMPLETION_WORDS;
      const tag = completions[record + CompletionWord.tag] as number;
      const request = this.#tags.find(0, tag);
      // One that was given up has no end left, but gives its tag and its buffer back.
      if (request === undefined) this.#tags.reclaim(0, tag);
      else request.complete(completions[record + CompletionWord.status] as number);
    }
    return count;
  }

  get failure(): BlockptError | undefined {
    return this.disk.failure();
  }

  fail(error: BlockptError): void {
    this.disk.fail(0, error);
  }

  /** Whether something has changed. */
  get isStale(): boolean {
    return this.#end.isStale;
  }

  /** Takes what has changed of the disk: its size, and whether it is online. */
  refresh(): void {
    if (this.#isClosed) return;
    const isCleared = this.#end.refresh();
    this.disk.resize(this.#end.state.sectors);
    if (!isCleared) return;
    this.#failOffline();
    if (!this.#end.state.isOnline) return;
    // It is back: nothing of what was outstanding is its own any more.
    this.disk.reclaimAll(0);
    this.#end.reopen();
    this.#staged = 0;
    this.disk.resume(0);
  }

  /** Resolves once the disk is online. */
  whenOnline(): Promise<void> {
    return this.#end.whenOnline(this.#keepAlive);
  }

  /**
   * Ends the queue; what is outstanding is rejected. If the device has something of it still, and was not seen to
   * leave, that stays the device's: its pages, its mappings, and the queue's place.
   */
  close(hasLeft: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isAbandoned = !hasLeft && this.outstanding > 0;
    this.disk.remove();
    this.#keepAlive.close();
    this.#ladder.close();
    this.#end.close(this.#isAbandoned);
  }

  readonly #look = (): number => this.reap();

  #failOffline(): void {
    this.fail(offline(this.#parts.diskName, "the endpoint is gone"));
  }

  /** Copies a request's data to pages of host memory, or finds pages for it; undefined if there are none. */
  #bounce(request: Request): number | undefined {
    const address = this.#bus.hostPages.claim(request.lenBytes);
    if (address === undefined || request.opf === Operation.READ) return address;
    let target = address;
    for (let index = 0; index < request.segmentCount; index++) {
      const { bio, offset, length } = request.segments[index] as Segment;
      const buffer = bio.buffer as Uint8Array;
      const whole = length === buffer.length;
      this.#bytes.set(whole ? buffer : buffer.subarray(offset, offset + length), target);
      target += length;
    }
    return address;
  }

  /** The bus address of a segment whose buffer lies in host memory. */
  #addressOf(segment: Segment): number | undefined {
    const buffer = segment.bio.buffer as Uint8Array;
    if (buffer.buffer !== this.#bus.buffer) return undefined;
    const address = buffer.byteOffset;
    const { offset, length } = this.#bus.hostMemory;
    const inside = address >= offset && address + buffer.length <= offset + length;
    return inside ? address + segment.offset : undefined;
  }
}

/** Whether every buffer is still there, and as long as it was; a bio that lost its own gets an error. */
function hasItsBuffers(request: Request): boolean {
  let all = true;
  for (let index = 0; index < request.segmentCount; index++) {
    const { bio, offset, length } = request.segments[index] as Segment;
    if ((bio.buffer?.length ?? 0) >= offset + length) continue;
    all = false;
    bio.error ??= new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      "the buffer was detached or resized while it was read or written",
    );
  }
  return all;
}
