// A disc that answers as a script says: which status each request gets, when, and behind which others. For driving a root
// complex through what was seen once; `blockpt trace replay` makes the script of a trace.
//
// The answers are in shared memory, as each queue's thread takes its own: a request gets the first answer for that
// operation, sector and length that nobody took.
//
//   word   0        1, 2          3         4       5          6      7
//          opf      startSector   lenBytes  status  delay µs   after  taken
//
// Each thread gives the answers of its queue in the script's order: `after` is the number, counted from 1, of the one before.

import { BlkStatus, Feature, Operation, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import { BlockptError, checkInteger } from "../errors.js";
import { nextTurn } from "../platform/turns.js";
import { checkDiscSize, type Disc, type ReplayDiscHandle } from "./disc.js";

/** How a `ReplayDisc` answers one request. */
export interface ReplayAnswer {
  /** Which requests it is for: one of `Operation`, of `blockpt/abi`. */
  opf: number;
  /** Their first sector. */
  startSector: number;
  /** Their length in bytes; 0 for a flush. */
  lenBytes: number;
  /** What is answered: one of `BlkStatus`, 0 to 255. */
  status: number;
  /** How long after the request, in microseconds, at the least. Default 0. */
  delayUs?: number | undefined;
  /** Which answer comes before it, counted from 0: this one is held until that was given. Default: none. */
  after?: number | undefined;
}

/** What a replay disc is to be like. */
export interface ReplayDiscOptions {
  /** Bytes, a multiple of 512. */
  sizeBytes: number;
  /** What is answered, each once. */
  answers: readonly ReplayAnswer[];
  /** Whether it may only be read. Default false. */
  readOnly?: boolean | undefined;
}

const WORDS = 8;
const STATUS = 4;
const DELAY = 5;
const AFTER = 6;
/** 0, 1 once a request has it, 2 once it was given. */
const TAKEN = 7;
/** For so long an answer waits for the one before it. */
const MOST_HELD_MS = 1000;

/**
 * A disc that moves nothing, and answers each request as a script says: with that status, after that time, and behind
 * another one. A request that is not in the script, or there for the last time, is answered MEDIUM.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, ReplayDisc, RootComplex } from "blockpt";
 * import { BlkStatus, Operation } from "blockpt/abi";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * const write = { opf: Operation.WRITE, startSector: 8, lenBytes: 512 };
 * const answers = [
 *   { ...write, status: BlkStatus.NOSPC },
 *   { ...write, status: BlkStatus.OK, delayUs: 1000 },
 * ];
 * await endpoint.exportDisc("odd", ReplayDisc.create({ sizeBytes: 1024 * 1024, answers }));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("odd");
 * const outcome = await disk.write(new Uint8Array(512), 4096).catch((error) => error.blkStatus);
 * console.log(outcome); // 3
 * await disk.write(new Uint8Array(512), 4096);
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class ReplayDisc implements Disc {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly logicalBlockBytes = SECTOR_BYTES;
  readonly asynchronous = true;
  readonly features = Feature.FLUSH | Feature.FUA | Feature.DISCARD | Feature.WRITE_ZEROES;
  readonly busRange = undefined;
  readonly handle: ReplayDiscHandle;
  readonly #words: Int32Array;
  /** The answers that nobody took, as far as this thread knows, by what they are for. */
  readonly #untaken = new Map<string, number[]>();
  #left = false;

  private constructor(handle: ReplayDiscHandle) {
    this.handle = handle;
    this.sizeBytes = handle.sizeBytes;
    this.readOnly = handle.readOnly;
    this.#words = new Int32Array(handle.answers);
    for (let answer = 0; answer < this.#words.length / WORDS; answer++) {
      const [opf, low, high, lenBytes] = this.#words.subarray(
        answer * WORDS,
      ) as unknown as number[];
      const key = keyOf(opf as number, low as number, high as number, lenBytes as number);
      const found = this.#untaken.get(key);
      if (found === undefined) this.#untaken.set(key, [answer]);
      else found.push(answer);
    }
    for (const answers of this.#untaken.values()) answers.reverse();
  }

  /**
   * Makes a disc.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` for a size that is none; `ERR_BLOCKPT_INVALID_ARGUMENT` if a
   * number of an answer is out of its range
   */
  static create(options: ReplayDiscOptions): ReplayDisc {
    const { sizeBytes, answers, readOnly = false } = options;
    checkDiscSize("a replay disc", sizeBytes);
    const words = new Int32Array(new SharedArrayBuffer(answers.length * WORDS * 4));
    for (const [number, answer] of answers.entries()) {
      const { opf, startSector, lenBytes, status, delayUs = 0, after = -1 } = answer;
      checkInteger("opf", opf, 0, 255);
      checkInteger("startSector", startSector, 0, Number.MAX_SAFE_INTEGER);
      checkInteger("lenBytes", lenBytes, 0, 2 ** 31 - 1);
      checkInteger("status", status, 0, 255);
      checkInteger("delayUs", delayUs, 0, 2 ** 31 - 1);
      checkInteger("after", after, -1, answers.length - 1);
      const [low, high] = [startSector | 0, Math.floor(startSector / 0x1_0000_0000)];
      words.set([opf, low, high, lenBytes, status, delayUs, after + 1, 0], number * WORDS);
    }
    const buffer = words.buffer as SharedArrayBuffer;
    return new ReplayDisc({ kind: "replay", sizeBytes, readOnly, answers: buffer });
  }

  /** @internal The disc of a handle, for this thread. */
  static adopt(handle: ReplayDiscHandle): ReplayDisc {
    return new ReplayDisc(handle);
  }

  isOn(): boolean {
    return true;
  }

  readBytes(lenBytes: number): Uint8Array {
    return new Uint8Array(lenBytes);
  }

  readInto(_bus: Bus, _address: number, lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#answer(Operation.READ, offsetBytes, lenBytes);
  }

  writeFrom(_bus: Bus, _address: number, lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#answer(Operation.WRITE, offsetBytes, lenBytes);
  }

  writeThroughFrom(
    bus: Bus,
    address: number,
    lenBytes: number,
    offsetBytes: number,
  ): Promise<number> {
    return this.writeFrom(bus, address, lenBytes, offsetBytes);
  }

  flush(): Promise<number> {
    return this.#answer(Operation.FLUSH, 0, 0);
  }

  discard(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#answer(Operation.DISCARD, offsetBytes, lenBytes);
  }

  writeZeroes(lenBytes: number, offsetBytes: number): Promise<number> {
    return this.#answer(Operation.WRITE_ZEROES, offsetBytes, lenBytes);
  }

  /** A replay disc keeps the size that it was made with. */
  resize(sizeBytes: number = this.sizeBytes): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", "a replay disc keeps its size");
  }

  async leave(): Promise<void> {
    this.#left = true;
  }

  close(): void {
    // It holds nothing.
  }

  async #answer(opf: number, offsetBytes: number, lenBytes: number): Promise<number> {
    const startSector = offsetBytes / SECTOR_BYTES;
    const high = Math.floor(startSector / 0x1_0000_0000);
    const word = this.#take(keyOf(opf, startSector | 0, high, lenBytes)) * WORDS;
    if (word < 0) return BlkStatus.MEDIUM;
    const delayMs = (this.#words[word + DELAY] as number) / 1000;
    if (delayMs > 0) await pause(delayMs);
    const before = ((this.#words[word + AFTER] as number) - 1) * WORDS;
    const heldUntil = performance.now() + MOST_HELD_MS;
    while (before >= 0 && !this.#left && performance.now() < heldUntil) {
      if (Atomics.load(this.#words, before + TAKEN) === 2) break;
      await nextTurn();
    }
    Atomics.store(this.#words, word + TAKEN, 2);
    return this.#words[word + STATUS] as number;
  }

  /** The number of the next answer of that kind; −1 if there is none. */
  #take(key: string): number {
    const untaken = this.#untaken.get(key) ?? [];
    for (let answer = untaken.pop(); answer !== undefined; answer = untaken.pop()) {
      if (Atomics.compareExchange(this.#words, answer * WORDS + TAKEN, 0, 1) === 0) return answer;
    }
    return -1;
  }
}

function keyOf(opf: number, low: number, high: number, lenBytes: number): string {
  return `${opf} ${high} ${low} ${lenBytes}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
