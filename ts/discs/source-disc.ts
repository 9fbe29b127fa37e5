// A disc over a source: what is common to discs whose bytes somebody else moves, be it a module of the user's or an
// interface of the browser's.
//
//   a source that answers at once      gets views of host memory, and its disc is served by the loop that blocks
//   one that answers later             gets bytes of its own, and they are copied: what it does when its queue has gone touches nothing
//
// Nothing that a source does is believed: what it throws is a status, and what it says it moved is checked.

import { BlkStatus, Feature, SECTOR_BYTES } from "../abi/layout.js";
import { checkLogicalBlock } from "../abi/logical-block.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import { checkDiscSize, type Disc, type DiscAnswer, type DiscHandle } from "./disc.js";
import type { DiscSource } from "./disc-source.js";
import { wholeBlocks } from "./whole-blocks.js";

/** Bytes of zeros that are written at once. */
const ZEROS_BYTES = 256 * 1024;
/** So long a source may take to close before its thread ends without it. */
const CLOSE_MS = 500;

const STATUSES: ReadonlySet<unknown> = new Set(
  Object.values(BlkStatus).filter((status) => status !== BlkStatus.OK),
);

/** What is known of a source that was checked. */
export interface SourceFacts {
  /** What messages call it. */
  readonly what: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  /**
   * Gets views of host memory although it answers later. One of ours, that touches none of them once it is closed.
   * Default: only where it answers at once.
   */
  readonly isDirect?: boolean | undefined;
}

type Move = (bytes: Uint8Array, offsetBytes: number) => unknown;

/** A disc over something that has calls to read and write: a `ModuleDisc`, a `BlobDisc`, an `HttpDisc` or an `OpfsDisc`. */
export abstract class SourceDisc implements Disc {
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  readonly asynchronous: boolean;
  readonly busRange: BusRange | undefined = undefined;
  /** Opens the same disc in another thread. */
  abstract readonly handle: DiscHandle;
  /** @internal */
  protected readonly source: DiscSource;
  readonly #facts: SourceFacts;
  readonly #isDirect: boolean;
  /** What is not answered yet. */
  readonly #pending = new Set<(status: number) => void>();
  #leaving: Promise<void> | undefined;
  #complained: string | undefined;
  /** The whole bus. */
  #view: Uint8Array | undefined;

  /** @internal */
  protected constructor(source: DiscSource, facts: SourceFacts) {
    this.source = source;
    this.#facts = facts;
    this.readOnly = facts.readOnly;
    this.logicalBlockBytes = facts.logicalBlockBytes;
    this.asynchronous = source.asynchronous ?? true;
    this.#isDirect = facts.isDirect ?? !this.asynchronous;
  }

  get sizeBytes(): number {
    return this.#facts.sizeBytes;
  }

  get features(): number {
    if (this.readOnly) return Feature.FLUSH;
    const discards = this.source.discard === undefined ? 0 : Feature.DISCARD;
    return Feature.FLUSH | Feature.FUA | Feature.WRITE_ZEROES | discards;
  }

  /** It is in no bus: any endpoint can export it. */
  isOn(): boolean {
    return true;
  }

  async readBytes(lenBytes: number, offsetBytes: number): Promise<Uint8Array> {
    const { start, end, wanted } = wholeBlocks(this, lenBytes, offsetBytes);
    const bytes = new Uint8Array(end - start);
    const blkStatus = await this.#move(this.#read, bytes, start);
    if (blkStatus === BlkStatus.OK) return wanted(bytes);
    const why = `${lenBytes} bytes at ${offsetBytes} of ${this.#facts.what} cannot be read`;
    throw new BlockptError("ERR_BLOCKPT_IO", why, { blkStatus });
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    if (!this.#isAligned(lenBytes, offsetBytes)) return BlkStatus.INVAL;
    const bytes = this.#bytes(bus, address, lenBytes);
    if (this.#isDirect) return this.#move(this.#read, bytes, offsetBytes);
    const own = new Uint8Array(lenBytes);
    return this.#move(this.#read, own, offsetBytes, () => bytes.set(own));
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    if (!this.#isAligned(lenBytes, offsetBytes)) return BlkStatus.INVAL;
    const bytes = this.#bytes(bus, address, lenBytes);
    return this.#move(this.#write, this.#isDirect ? bytes : bytes.slice(), offsetBytes);
  }

  flush(): DiscAnswer {
    return this.#act(() => this.source.flush?.());
  }

  writeZeroes(lenBytes: number, offsetBytes: number): DiscAnswer {
    if (!this.#isAligned(lenBytes, offsetBytes)) return BlkStatus.INVAL;
    const writeFrom = (done: number): DiscAnswer => {
      const zeros = new Uint8Array(Math.min(ZEROS_BYTES, lenBytes - done));
      return this.#move(this.#write, zeros, offsetBytes + done);
    };
    return this.asynchronous
      ? this.#zeroLater(lenBytes, writeFrom)
      : zeroNow(lenBytes, writeFrom as (done: number) => number);
  }

  discard(lenBytes: number, offsetBytes: number): DiscAnswer {
    if (!this.#isAligned(lenBytes, offsetBytes)) return BlkStatus.INVAL;
    return this.#act(() => this.source.discard?.(lenBytes, offsetBytes));
  }

  /**
   * It keeps its size.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` for another one
   */
  resize(sizeBytes: number = this.sizeBytes): void | Promise<void> {
    if (sizeBytes === this.sizeBytes) return;
    throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", `${this.#facts.what} keeps its size`);
  }

  /** Fails what is not answered, and closes the source. */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  close(): void {
    void this.leave();
  }

  async #leave(): Promise<void> {
    for (const answer of this.#pending) answer(BlkStatus.IOERR);
    // What comes for them now is too late.
    this.#pending.clear();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    try {
      await Promise.race([this.source.close?.(), late]);
    } catch (error) {
      this.#complain(error);
    } finally {
      clearTimeout(timer);
    }
  }

  readonly #read: Move = (into, offsetBytes) => this.source.read(into, offsetBytes);
  readonly #write: Move = (from, offsetBytes) => {
    if (this.source.write !== undefined) return this.source.write(from, offsetBytes);
    throw Object.assign(new Error("it has no write"), { blkStatus: BlkStatus.PROTECTION });
  };

  /** Moves bytes, as often as it takes; `arrived` is called if they are there, and are still wanted. */
  #move(move: Move, bytes: Uint8Array, offsetBytes: number, arrived?: () => void): DiscAnswer {
    if (this.asynchronous) return this.#later(() => moveLater(move, bytes, offsetBytes), arrived);
    try {
      return moveNow(move, bytes, offsetBytes);
    } catch (error) {
      return this.#statusOf(error);
    }
  }

  #act(act: () => unknown): DiscAnswer {
    if (this.asynchronous) {
      return this.#later(async () => {
        await act();
        return BlkStatus.OK;
      });
    }
    try {
      checkNow(act());
      return BlkStatus.OK;
    } catch (error) {
      return this.#statusOf(error);
    }
  }

  /** What answers later, or when the disc is left. */
  #later(work: () => Promise<number>, arrived?: () => void): Promise<number> {
    if (this.#leaving !== undefined) return Promise.resolve(BlkStatus.IOERR);
    return new Promise((resolve) => {
      this.#pending.add(resolve);
      const answer = (status: number): void => {
        if (!this.#pending.delete(resolve)) return;
        if (status === BlkStatus.OK) arrived?.();
        resolve(status);
      };
      work().then(answer, (error) => answer(this.#statusOf(error)));
    });
  }

  async #zeroLater(lenBytes: number, write: (done: number) => DiscAnswer): Promise<number> {
    for (let done = 0; done < lenBytes; done += ZEROS_BYTES) {
      const status = await write(done);
      if (status !== BlkStatus.OK) return status;
    }
    return BlkStatus.OK;
  }

  /** Sources are promised whole blocks; a root complex need not keep to them. */
  #isAligned(lenBytes: number, offsetBytes: number): boolean {
    const { logicalBlockBytes } = this;
    if (logicalBlockBytes === SECTOR_BYTES) return true;
    return lenBytes % logicalBlockBytes === 0 && offsetBytes % logicalBlockBytes === 0;
  }

  #statusOf(error: unknown): number {
    // What comes of its end is no news.
    if (this.#leaving === undefined) this.#complain(error);
    const status = (error as { blkStatus?: unknown } | undefined | null)?.blkStatus;
    return STATUSES.has(status) ? (status as number) : BlkStatus.IOERR;
  }

  /** Says what went wrong, once, as long as it is the same. */
  #complain(error: unknown): void {
    const text = messageOf(error);
    if (text === this.#complained) return;
    this.#complained = text;
    console.error(`blockpt: ${this.#facts.what}: ${text}`);
  }

  #bytes(bus: Bus, address: number, lenBytes: number): Uint8Array {
    this.#view ??= new Uint8Array(bus.buffer);
    return this.#view.subarray(address, address + lenBytes);
  }
}

/**
 * What a source says of itself, checked.
 *
 * @param what - what messages call it
 * @param readOnly - whether it shall be read only, whatever it says
 * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_OPEN` for what is no source, `ERR_BLOCKPT_DISC_SIZE` for a size that
 * no disc has, `ERR_BLOCKPT_INVALID_ARGUMENT` for blocks that none has
 */
export function factsOf(what: string, source: unknown, readOnly: boolean): SourceFacts {
  const found = (source ?? {}) as Partial<Record<keyof DiscSource, unknown>>;
  const refuse = (why: string): never => {
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", `${what} ${why}`);
  };
  if (typeof source !== "object" || source === null) refuse(`is ${String(source)}, no object`);
  if (typeof found.read !== "function") refuse("has no function read(into, offsetBytes)");
  for (const name of ["write", "flush", "discard", "close"] as const) {
    if (found[name] !== undefined && typeof found[name] !== "function") {
      refuse(`has a ${name} that is no function`);
    }
  }
  for (const name of ["readOnly", "asynchronous"] as const) {
    if (found[name] !== undefined && typeof found[name] !== "boolean") {
      refuse(`has a ${name} that is neither true nor false`);
    }
  }
  if (typeof found.sizeBytes !== "number") refuse("has no number sizeBytes");
  if (found.readOnly === false && found.write === undefined) {
    refuse("says readOnly: false and has no function write(from, offsetBytes)");
  }
  const { sizeBytes, logicalBlockBytes = SECTOR_BYTES } = found as unknown as DiscSource;
  checkLogicalBlock(logicalBlockBytes);
  checkDiscSize(what, sizeBytes, logicalBlockBytes);
  const mayWrite = found.write !== undefined && found.readOnly !== true;
  return { what, sizeBytes, logicalBlockBytes, readOnly: readOnly || !mayWrite };
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function moveNow(move: Move, bytes: Uint8Array, offsetBytes: number): number {
  let done = 0;
  while (done < bytes.length) {
    const rest = done === 0 ? bytes : bytes.subarray(done);
    const moved = amountOf(checkNow(move(rest, offsetBytes + done)), rest.length);
    if (moved === 0) return BlkStatus.MEDIUM;
    done += moved;
  }
  return BlkStatus.OK;
}

async function moveLater(move: Move, bytes: Uint8Array, offsetBytes: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const rest = done === 0 ? bytes : bytes.subarray(done);
    const moved = amountOf(await move(rest, offsetBytes + done), rest.length);
    if (moved === 0) return BlkStatus.MEDIUM;
    done += moved;
  }
  return BlkStatus.OK;
}

function zeroNow(lenBytes: number, write: (done: number) => number): number {
  for (let done = 0; done < lenBytes; done += ZEROS_BYTES) {
    const status = write(done);
    if (status !== BlkStatus.OK) return status;
  }
  return BlkStatus.OK;
}

/** How many bytes a source says that it moved. */
function amountOf(answer: unknown, lenBytes: number): number {
  if (answer === undefined) return lenBytes;
  if (Number.isInteger(answer) && (answer as number) >= 0 && (answer as number) <= lenBytes) {
    return answer as number;
  }
  throw new Error(`it says that it moved ${String(answer)} bytes, of ${lenBytes}`);
}

/** Of a source that answers at once. */
function checkNow(answer: unknown): unknown {
  if (typeof (answer as PromiseLike<unknown> | undefined | null)?.then !== "function")
    return answer;
  // Nobody waits for it.
  Promise.resolve(answer).catch(() => {});
  throw new Error("it says asynchronous: false, and answers by a promise");
}
