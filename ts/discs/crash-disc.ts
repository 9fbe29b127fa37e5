// A disc with a cache that a crash loses: it writes down all that is done to it, and shows what it could hold
// had the power gone at any moment of that.

import { BlkStatus, Feature, SECTOR_BYTES } from "../abi/layout.js";
import { checkLogicalBlock } from "../abi/logical-block.js";
import type { Bus } from "../bus/bus.js";
import { BlockptError, checkInteger } from "../errors.js";
import { onNextTurn } from "../platform/turns.js";
import {
  type CrashOperation,
  type CrashOptions,
  crashImage,
  describeEvent,
} from "./crash-image.js";
import { CrashLog, createCrashMemory, EventKind } from "./crash-log.js";
import { type CrashDiscHandle, checkDiscSize, type Disc } from "./disc.js";

/** How a crash disc is made. */
export interface CrashDiscOptions {
  /** 512, or a larger power of two. Default 512. */
  logicalBlockBytes?: number | undefined;
  /**
   * Room for the data of all writes, in bytes; with no room left a write is answered with `NOSPC`. Memory that is not
   * used costs nothing. To 4 GiB. Default 256 MiB.
   */
  logBytes?: number | undefined;
  /**
   * Room for events, of which each change and each flush is two; with no room left both are answered with `NOSPC`. Each
   * takes 32 bytes. To 2^26. Default 2^20.
   */
  maxEvents?: number | undefined;
}

const MAX_BYTES = 2 ** 32;
const MAX_EVENTS = 2 ** 26;
const DEFAULT_LOG_BYTES = 256 * 1024 * 1024;
const DEFAULT_EVENTS = 2 ** 20;

/**
 * A disc in memory that answers a write when the data is in its cache, as discs do, and writes down each change and each
 * flush. `crash()` gives the contents that it could have had, if the power had gone at any moment since:
 * what the flushes force is there, and of the rest any part, by sector, in any order.
 *
 * A flush forces every change that had been answered before the flush began, by whichever queue; a write with FUA is
 * there once it is answered. A change that was not answered may be there, and in part.
 *
 * It works on every request that it gets in one turn at the same time. So a flush that is sent before the answer to a write
 * has come does not, as a rule, force that write, which catches those who do not wait.
 *
 * Every thread that serves one of its queues sees one disc. It keeps its size; what is discarded becomes zeros.
 *
 * @example
 * ```ts
 * import { CrashDisc, createBus, Endpoint, RootComplex } from "blockpt";
 *
 * const bus = await createBus();
 * const disc = CrashDisc.create(1024 * 1024);
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("crash0", disc);
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("crash0");
 *
 * await disk.write(new Uint8Array(512).fill(1), 0);
 * await disk.flush();
 * await disk.write(new Uint8Array(512).fill(2), 0);
 * console.log(disc.crash({ keep: "none" })[0]); // 1
 * console.log(disc.crash({ keep: "all" })[0]); // 2
 * console.log(disc.crash({ at: 0 })[0]); // 0
 *
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class CrashDisc implements Disc {
  readonly readOnly = false;
  readonly asynchronous = true;
  readonly features = Feature.FLUSH | Feature.FUA | Feature.DISCARD | Feature.WRITE_ZEROES;
  readonly busRange = undefined;
  readonly logicalBlockBytes: number;
  readonly #log: CrashLog;
  /** The whole bus. */
  #view: Uint8Array | undefined;
  /** What is answered when this turn is over. */
  #held: (() => void)[] = [];

  private constructor(log: CrashLog, logicalBlockBytes: number) {
    this.#log = log;
    this.logicalBlockBytes = logicalBlockBytes;
  }

  /**
   * Makes a disc.
   *
   * @param contents - its size in bytes, to 4 GiB, for a disc of zeros; or what is on it, which no crash loses: an image that
   * another crash gave is the disc after the power is back
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` for another size than a multiple of its blocks;
   * `ERR_BLOCKPT_INVALID_ARGUMENT` for options out of range; `ERR_BLOCKPT_NO_SPACE` if there is no memory for it
   */
  static create(contents: number | Uint8Array, options: CrashDiscOptions = {}): CrashDisc {
    const { logicalBlockBytes = SECTOR_BYTES } = options;
    const { logBytes = DEFAULT_LOG_BYTES, maxEvents = DEFAULT_EVENTS } = options;
    checkLogicalBlock(logicalBlockBytes);
    checkInteger("logBytes", logBytes, SECTOR_BYTES, MAX_BYTES);
    checkInteger("maxEvents", maxEvents, 1, MAX_EVENTS);
    const sizeBytes = typeof contents === "number" ? contents : contents.length;
    checkDiscSize("a crash disc", sizeBytes, logicalBlockBytes);
    if (sizeBytes > MAX_BYTES) {
      const why = `a crash disc has ${sizeBytes} bytes, and may have ${MAX_BYTES}`;
      throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", why);
    }
    const log = new CrashLog(createCrashMemory(sizeBytes, logBytes, maxEvents));
    if (typeof contents !== "number") log.base.set(contents);
    return new CrashDisc(log, logicalBlockBytes);
  }

  /** Opens the same disc in another thread, where a program wants to know its `position`. */
  static open(handle: CrashDiscHandle): CrashDisc {
    return new CrashDisc(new CrashLog(handle.memory), handle.logicalBlockBytes);
  }

  get sizeBytes(): number {
    return this.#log.sectors * SECTOR_BYTES;
  }

  get handle(): CrashDiscHandle {
    const { logicalBlockBytes } = this;
    return { kind: "crash", memory: this.#log.memory, logicalBlockBytes };
  }

  /**
   * How many events there were until now, or until the power was cut: the beginning of a change or a flush is one, its answer
   * another. What was answered to a program before it reads this has its place before it.
   */
  get position(): number {
    return this.#log.position;
  }

  /** Whether the power was cut. */
  get isCut(): boolean {
    return this.#log.isCut;
  }

  /**
   * Cuts the power: from now on every request is answered with `OFFLINE`, and `crash()` is by default
   * one at this moment.
   *
   * @returns the position
   */
  cut(): number {
    return this.#log.cut();
  }

  /**
   * The disc's contents after a crash, `sizeBytes` of them; the disc goes on as if nothing had happened, so one run of a
   * program gives any number of crashes.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for options out of range
   *
   * @example
   * ```ts
   * import { CrashDisc } from "blockpt";
   *
   * const disc = CrashDisc.create(1024 * 1024);
   * // A program runs on it; then, for hundreds of moments of that:
   * const image = disc.crash({ at: Math.floor(disc.position / 2), seed: 7 });
   * console.log(image.length); // 1048576
   * ```
   */
  crash(options: CrashOptions = {}): Uint8Array {
    return crashImage(this.#log, this.logicalBlockBytes, options);
  }

  /** What was done to it until now, in the order in which it began; reads leave no trace. */
  operations(): CrashOperation[] {
    return Array.from(this.#log.eventsBefore(this.position), describeEvent);
  }

  /** A crash disc is in no bus: any endpoint can export it. */
  isOn(): boolean {
    return true;
  }

  readBytes(lenBytes: number, offsetBytes: number): Uint8Array {
    const bytes = new Uint8Array(lenBytes);
    this.#log.read(bytes, 0, offsetBytes / SECTOR_BYTES, lenBytes / SECTOR_BYTES);
    return bytes;
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): Promise<number> {
    const { isCut } = this.#log;
    if (!isCut) {
      const sectors = lenBytes / SECTOR_BYTES;
      this.#log.read(this.#bytes(bus), address, offsetBytes / SECTOR_BYTES, sectors);
    }
    return this.#later(() => (isCut ? BlkStatus.OFFLINE : BlkStatus.OK));
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#write(EventKind.WRITE, bus, address, lenBytes, offsetBytes);
  }

  writeThroughFrom(
    bus: Bus,
    address: number,
    lenBytes: number,
    offsetBytes: number,
  ): Promise<number> {
    return this.#write(EventKind.WRITE_THROUGH, bus, address, lenBytes, offsetBytes);
  }

  flush(): Promise<number> {
    return this.#do(EventKind.FLUSH, 0, 0);
  }

  writeZeroes(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#do(EventKind.ZEROES, lenBytes, offsetBytes);
  }

  discard(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#do(EventKind.DISCARD, lenBytes, offsetBytes);
  }

  /** A crash disc keeps the size that it was made with. */
  resize(sizeBytes: number = this.sizeBytes): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", "a crash disc keeps its size");
  }

  close(): void {
    // Its memory goes when nobody has it any more: crashes are looked at when the endpoint is closed.
  }

  #write(
    kind: number,
    bus: Bus,
    address: number,
    lenBytes: number,
    offsetBytes: number,
  ): Promise<number> {
    const place = this.#log.isCut ? undefined : this.#log.claimData(lenBytes / SECTOR_BYTES);
    if (place === undefined) return this.#refuse();
    // Once: the other side can change it meanwhile.
    const from = this.#bytes(bus).subarray(address, address + lenBytes);
    this.#log.data.set(from, place * SECTOR_BYTES);
    return this.#do(kind, lenBytes, offsetBytes, place);
  }

  /** Begins something now, and ends it when this turn is over. */
  #do(kind: number, lenBytes: number, offsetBytes: number, place = 0): Promise<number> {
    const log = this.#log;
    if (log.isCut) return this.#refuse();
    const [startSector, sectors] = [offsetBytes / SECTOR_BYTES, lenBytes / SECTOR_BYTES];
    const position = log.begin(kind, startSector, sectors, place);
    if (position === undefined) return this.#refuse();
    return this.#later(() => (log.end(position) ? BlkStatus.OK : BlkStatus.OFFLINE));
  }

  /** Without power, or without room. */
  #refuse(): Promise<number> {
    return this.#later(() => (this.#log.isCut ? BlkStatus.OFFLINE : BlkStatus.NOSPC));
  }

  /** Answers when this turn is over, with all the others of it. */
  #later(end: () => number): Promise<number> {
    return new Promise((resolve) => {
      if (this.#held.push(() => resolve(end())) === 1) onNextTurn(this.#release);
    });
  }

  readonly #release = (): void => {
    const held = this.#held;
    this.#held = [];
    for (const answer of held) answer();
  };

  #bytes(bus: Bus): Uint8Array {
    this.#view ??= new Uint8Array(bus.buffer);
    return this.#view;
  }
}
