// One queue of an attached disk, in the thread that uses it: the block layer's driver on the
// driver's end of the rings.

import { BlkStatus, Operation } from "../abi/layout.js";
import { GenDisk } from "../block/gendisk.js";
import type { Operations } from "../block/operations.js";
import type { Request, Segment } from "../block/request.js";
import { TagSet } from "../block/tag-set.js";
import type { Bus } from "../bus/bus.js";
import type { MsixLocation } from "../bus/config-space.js";
import { Doorbell } from "../bus/doorbell.js";
import { isEndpointHere } from "../bus/local-endpoints.js";
import type { DriverQueue, QueueGeometry } from "../engine/engine.js";
import { COMPLETION_WORDS, CompletionWord, QueueFault } from "../engine/records.js";
import { BlockptError } from "../errors.js";
import {
  CompletionLadder,
  type CompletionSource,
  CROWDED_SPIN_MS,
  LOST_INTERRUPT_MS,
  SPIN_MS,
} from "./completion.js";
import { DiskState, offline } from "./disk-state.js";
import { EndpointWatch } from "./endpoint-watch.js";
import { KeepAlive } from "./keep-alive.js";

/** What a queue is made from, in whatever thread. */
export interface QueueParts {
  /** Which bus it is on. */
  readonly busId: number;
  /** What the disk is called here. */
  readonly diskName: string;
  /** Which of its queues. */
  readonly index: number;
  readonly geometry: QueueGeometry;
  /** The doorbell block, in the bus, if the endpoint has one. */
  readonly doorbell: number | undefined;
  /** The MSI-X vector, counted from 0; undefined if the function has none. */
  readonly vector: number | undefined;
  /** Where the vector writes. */
  readonly interruptAddress: number;
  readonly msix: MsixLocation;
  /** The words of `DiskState`. */
  readonly state: SharedArrayBuffer;
  readonly readOnly: boolean;
  readonly features: number;
  readonly logicalBlockBytes: number;
  readonly maxLenBytes: number;
  readonly requestTimeoutMs: number;
}

/** Puts after which they are published, at the latest: less than an engine's list has room for. */
const COMMIT_EVERY = 128;

export class RemoteQueue implements Operations, CompletionSource {
  readonly disk: GenDisk<"added">;
  readonly state: DiskState;
  readonly #bus: Bus;
  readonly #parts: QueueParts;
  readonly #tags: TagSet;
  readonly #ladder: CompletionLadder;
  readonly #doorbell: Doorbell | undefined;
  /** Holds the event loop while something is waited for. */
  readonly #keepAlive = new KeepAlive();
  /** Whether another thread than this one clears the rings. */
  readonly #isShared: boolean;
  readonly #onSuspect: () => void;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** Of each tag: where its data is on the bus, how much of it is mapped, whether it is a bounce. */
  readonly #address: Uint32Array;
  readonly #mapped: Uint32Array;
  readonly #bounced: Uint8Array;
  /** Undefined before the disk was online. */
  #driver: DriverQueue | undefined;
  #isClosed = false;
  /** Closed while the device has something still: what that is stays its own. */
  #isAbandoned = false;
  #watch: EndpointWatch;
  #version: number;
  #epoch: number;
  #staged = 0;
  /** Since when a call that waits looks in vain; 0 if none does. */
  #vainSince = 0;

  /** @param onSuspect - hears, in the thread that attached the disk, that the endpoint has left the queue */
  constructor(bus: Bus, parts: QueueParts, onSuspect?: () => void) {
    const depth = parts.geometry.numDescriptors - 1;
    const { doorbell } = parts;
    this.#bus = bus;
    this.#parts = parts;
    this.#isShared = onSuspect === undefined;
    this.#onSuspect = onSuspect ?? (() => {});
    this.state = new DiskState(parts.state);
    this.#words = new Int32Array(bus.buffer);
    this.#bytes = new Uint8Array(bus.buffer);
    this.#address = new Uint32Array(depth);
    this.#mapped = new Uint32Array(depth);
    this.#bounced = new Uint8Array(depth);
    if (doorbell !== undefined) this.#doorbell = Doorbell.ofQueue(bus.buffer, doorbell);
    bus.msix.locate(parts.msix, bus.bar.offset);
    // Its rings are not written while the disk is offline, nor while they are being cleared.
    do {
      this.#version = this.state.version;
      this.#epoch = this.state.epoch;
    } while (!this.state.enter(parts.index, this.#epoch));
    try {
      if (this.state.isOnline) {
        const position = this.state.position(parts.index, this.#epoch);
        this.#driver = bus.engine.openDriverQueue(parts.geometry, position);
      }
    } finally {
      this.state.leave(parts.index);
    }
    this.#watch = new EndpointWatch(bus);
    this.#tags = new TagSet(1, depth);
    this.disk = new GenDisk(this.#tags, this, {
      name: parts.diskName,
      limits: {
        sectors: this.state.sectors,
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
    this.#ladder = new CompletionLadder(this, bus, vector, interruptAddress, this.#keepAlive);
    if (this.#driver === undefined) this.#failOffline();
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
      const epoch = this.#epoch;
      this.refresh();
      // The request ended there, and is nobody's now.
      if (this.#epoch !== epoch) return BlkStatus.OK;
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
    (this.#driver as DriverQueue).put(
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
    if (!this.#isShared) {
      this.#driver?.publish();
    } else if (this.state.enter(this.#parts.index, this.#epoch)) {
      this.#driver?.publish();
      this.state.leave(this.#parts.index);
    } else {
      this.refresh();
      return;
    }
    this.#doorbell?.ring();
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
    if (count > 0) {
      this.#vainSince = 0;
      this.#bus.spinners.leave();
    }
    if (count > 0 || waitMs === 0 || this.#mayLookOn()) return count;
    if (!isEndpointHere(this.#bus.buffer) && !this.#watch.lives()) {
      this.#suspect("the endpoint is gone");
      return 0;
    }
    return this.#block(Math.min(waitMs, LOST_INTERRUPT_MS));
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
    const driver = this.#driver;
    if (this.disk.failure() !== undefined || driver === undefined) return 0;
    const count = driver.reap();
    if (count < 0) {
      this.#fault(-count);
      return 0;
    }
    const { completions } = driver;
    const epoch = this.#epoch;
    for (let index = 0; index < count && this.#epoch === epoch; index++) {
      const record = index * COMPLETION_WORDS;
      const tag = completions[record + CompletionWord.tag] as number;
      const request = this.#tags.find(0, tag);
      // One that was given up has no end left, but gives its tag and its buffer back.
      if (request === undefined) this.#tags.reclaim(0, tag);
      else request.complete(completions[record + CompletionWord.status] as number);
    }
    return count;
  }

  /** Whether something has changed. */
  get isStale(): boolean {
    return this.state.version !== this.#version && !this.#isClosed;
  }

  /** Takes what has changed of the disk: its size, and whether it is online. */
  refresh(): void {
    if (this.#isClosed) return;
    this.#version = this.state.version;
    const { epoch, sectors } = this.state;
    this.disk.resize(sectors);
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#failOffline();
    if (!this.state.isOnline) return;
    // It is back: nothing of what was outstanding is its own any more.
    this.disk.reclaimAll(0);
    this.#driver?.close();
    this.#driver = this.#bus.engine.openDriverQueue(this.#parts.geometry, 0);
    this.#watch = new EndpointWatch(this.#bus);
    this.#staged = 0;
    this.disk.resume(0);
  }

  /** Resolves once the disk is online. */
  async whenOnline(): Promise<void> {
    this.#keepAlive.ref();
    try {
      for (;;) {
        const { version } = this.state;
        this.refresh();
        // It may be gone, and nobody have noticed.
        if (this.disk.failure() === undefined && !this.#watch.lives()) {
          this.#suspect("the endpoint is gone");
        }
        const failure = this.disk.failure();
        if (failure === undefined) return;
        if (failure.code !== "ERR_BLOCKPT_OFFLINE") throw failure;
        await this.state.versionChange(version, 1000);
      }
    } finally {
      this.#keepAlive.unref();
    }
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
    const { index } = this.#parts;
    if (this.#isAbandoned) this.state.abandon(index);
    else this.state.release(index, this.#driver?.position ?? 0, this.#epoch);
    this.#driver?.close();
  }

  #failOffline(): void {
    this.disk.fail(0, offline(this.#parts.diskName, "the endpoint is gone"));
  }

  #fault(fault: number): void {
    // The rings may have been cleared since: then this was no fault.
    if (this.isStale) {
      this.refresh();
    } else if (!this.#watch.lives()) {
      // A BAR that was reset has rings that make no sense.
      this.#suspect("the endpoint is gone");
    } else if (fault === QueueFault.GONE) {
      this.#suspect("the endpoint has left the queue");
    } else {
      const why = `the endpoint broke the protocol on the device ring (fault ${fault})`;
      this.disk.fail(0, new BlockptError("ERR_BLOCKPT_PROTOCOL", why));
    }
  }

  /** The endpoint is gone, as far as can be seen from here: the thread that attached the disk sees to it. */
  #suspect(why: string): void {
    this.disk.fail(0, offline(this.#parts.diskName, why));
    this.state.suspect();
    this.#onSuspect();
  }

  /** Whether a call that waits had better look once more than sleep. */
  #mayLookOn(): boolean {
    const now = performance.now();
    if (this.#vainSince === 0) this.#vainSince = now;
    const vainMs = now - this.#vainSince;
    if (vainMs < CROWDED_SPIN_MS) return true;
    if (vainMs < SPIN_MS && !this.#bus.spinners.areCrowded()) return true;
    this.#vainSince = 0;
    this.#bus.spinners.leave();
    return false;
  }

  /** Waits for the interrupt, as the completion ladder does, but blocks. */
  #block(waitMs: number): number {
    const { vector, interruptAddress } = this.#parts;
    const word = interruptAddress / 4;
    Atomics.store(this.#words, word, 0);
    if (vector !== undefined) this.#bus.msix.unmask(vector);
    let count = this.reap();
    if (count === 0 && this.disk.failure() === undefined) {
      Atomics.wait(this.#words, word, 0, waitMs);
      count = this.reap();
    }
    if (vector !== undefined) this.#bus.msix.mask(vector);
    return count;
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
