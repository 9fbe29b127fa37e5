// The driver's side of a bus by its bytes alone: registers and commands, nothing checked. What is
// written is what the caller says, right or wrong; queues are in raw-queue.ts.

import { Command, MAGIC, MSIX_ENTRY_BYTES, Register } from "../../abi/layout.js";
import type { Bus } from "../../bus/bus.js";
import { Doorbell } from "../../bus/doorbell.js";
import { Msix } from "../../bus/msix.js";
import type { BusRange } from "../../engine/engine.js";
import { BlockptError } from "../../errors.js";
import { RawRegisters } from "../raw-registers.js";
import { ANSWER_TIMEOUT_MS, until } from "../wait.js";
import { queueOptionsOf, RawQueue, type RawQueueOptions } from "./raw-queue.js";

/** Registers that a command reads (protocol, section 2), each of any value that its width can hold. */
export interface RawArguments {
  /** Which disc: 0 to 255. */
  devIdx?: number | undefined;
  /** Which of its queues: 0 to 255. */
  qidx?: number | undefined;
  /** MSI-X vector, counted from 1: 0 to 2^32 − 1. */
  irq?: number | undefined;
  /** The queue, in bytes from `queue_bar_offset`: 0 to 2^32 − 1. */
  queueOffset?: number | undefined;
  /** The driver ring, in bytes from the queue's start: 0 to 2^32 − 1. */
  drvOffset?: number | undefined;
  /** The device ring, in bytes from the queue's start: 0 to 2^32 − 1. */
  devOffset?: number | undefined;
  /** Descriptors of the queue: 0 to 2^32 − 1. */
  numDesc?: number | undefined;
  /** Bytes of the queue: 0 to 2^32 − 1. */
  qsize?: number | undefined;
  /** Section 5: what is used of it, bits of `Feature`. Read with SET_QUEUE and SET_IRQ. */
  extEnabled?: number | undefined;
}

/** The four words of an entry of the MSI-X table (protocol, section 2). */
export interface RawMsixEntry {
  /** Where it writes, lower half: 0 to 2^32 − 1. */
  addressLow: number;
  /** Where it writes, upper half: 0 to 2^32 − 1. */
  addressHigh: number;
  /** What it writes there: 0 to 2^32 − 1. */
  data: number;
  /** Bit 0 masks it: 0 to 2^32 − 1. */
  control: number;
}

/** What a {@link RawDriver} is to be like. */
export interface RawDriverOptions {
  /** How long an answer is waited for, in milliseconds. Default 30 000. */
  answerTimeoutMs?: number | undefined;
}

/**
 * A driver that does what it is told: raw registers and commands of the endpoint on a bus, with nothing checked
 * and nothing remembered. For tests of endpoints; who wants a disk uses `RootComplex`.
 *
 * @example An honest read, byte by byte:
 * ```ts
 * import { createBus, Endpoint, MemoryDisc } from "blockpt";
 * import { Command, Status } from "blockpt/abi";
 * import { RawDriver } from "blockpt/testing";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
 * await endpoint.start();
 *
 * const driver = new RawDriver(bus);
 * const queue = driver.openQueue({ numDescriptors: 16 });
 * console.log((await driver.command(Command.SET_QUEUE | Command.START, queue.arguments)) === Status.SUCCESS); // true
 * console.log(await queue.submit(3, queue.read())); // 0 — BlkStatus.OK
 * console.log(await queue.submit(3, queue.read({ startSector: 2n ** 64n - 1n }))); // 19 — BlkStatus.INVAL
 * console.log(await driver.command(1)); // 256 — Status.ERROR: that bit is no command
 * await endpoint.close();
 * ```
 */
export class RawDriver extends RawRegisters {
  readonly #doorbell: Doorbell;
  readonly #answerTimeoutMs: number;
  readonly #queueBarOffset: number;
  readonly #availableQsize: number;

  /**
   * Looks once where descriptor space is; what the register says later changes nothing.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT` if no endpoint is started on the bus
   */
  constructor(bus: Bus, options: RawDriverOptions = {}) {
    super(bus);
    this.#doorbell = Doorbell.ofCommands(this.bar);
    this.#answerTimeoutMs = options.answerTimeoutMs ?? ANSWER_TIMEOUT_MS;
    const { magic, queueBarOffset, availableQsize } = this.registers;
    if (magic !== MAGIC) {
      throw new BlockptError("ERR_BLOCKPT_NO_ENDPOINT", "no endpoint is started on the bus");
    }
    this.#queueBarOffset = queueBarOffset;
    this.#availableQsize = availableQsize;
  }

  /** Where descriptor space is in the bus, as the endpoint said when this was made; its length in bytes. */
  get descriptorSpace(): BusRange {
    return {
      offset: this.bus.bar.offset + this.#queueBarOffset,
      length: this.#availableQsize,
    };
  }

  /** Writes the registers that a command reads. */
  writeArguments(args: RawArguments): void {
    for (const [name, value] of Object.entries(args) as [
      keyof RawArguments,
      number | undefined,
    ][]) {
      if (value !== undefined) this.write(name, value);
    }
  }

  /**
   * Writes arguments, then a command of any bits, without waiting; rings if the endpoint sleeps on its bell. Follow
   * it by {@link answer}.
   */
  issue(command: number, args: RawArguments = {}): void {
    this.writeArguments(args);
    Atomics.store(this.words, Register.status / 4, 0);
    Atomics.store(this.words, Register.command / 4, command | 0);
    this.#doorbell.ring();
  }

  /**
   * Waits until the endpoint writes a status, and clears it; bits of `Status`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_COMMAND_TIMEOUT` if there is none in time
   */
  async answer(): Promise<number> {
    const { status } = Register;
    const look = (): number => Atomics.load(this.words, status / 4) >>> 0;
    const what = "an answer to a command";
    await until(what, "ERR_BLOCKPT_COMMAND_TIMEOUT", this.#answerTimeoutMs, () => look() !== 0);
    return Atomics.exchange(this.words, status / 4, 0) >>> 0;
  }

  /**
   * Gives a command of any bits, and waits for its status, bits of `Status` (protocol, section 2).
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_COMMAND_TIMEOUT` if there is none in time
   */
  command(command: number, args: RawArguments = {}): Promise<number> {
    this.issue(command, args);
    return this.answer();
  }

  /** The names that GET_DEVICES answers; `dev_idx` counts in them. */
  async devices(): Promise<string[]> {
    await this.command(Command.GET_DEVICES);
    return this.registers.devName.split(";").slice(0, -1);
  }

  /**
   * Zeroes the bytes of a queue in descriptor space, and gives its rings. The endpoint knows nothing of it before it
   * is given SET_QUEUE with the queue's `arguments`, and START.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` unless the queue lies in the BAR, and its parts in it
   */
  openQueue(options: RawQueueOptions = {}): RawQueue {
    return new RawQueue(this.bus, this.descriptorSpace.offset, this.#answerTimeoutMs, options);
  }

  /**
   * Zeroes the bytes of the queue that SET_QUEUE with these arguments is about, and gives its rings; with its doorbell
   * block, if DOORBELL is among what is enabled and the block is in `qsize`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` unless the queue lies in the BAR, and its parts in it
   */
  openQueueOf(args: Required<Omit<RawArguments, "irq">>): RawQueue {
    return this.openQueue(queueOptionsOf(args));
  }

  /** Writes an entry of the MSI-X table, or some of its words; `irq` counts from 1. */
  writeMsixEntry(irq: number, entry: Partial<RawMsixEntry>): void {
    const at = this.#msixEntry(irq);
    const words = [entry.addressLow, entry.addressHigh, entry.data, entry.control];
    for (const [index, word] of words.entries()) {
      if (word !== undefined) Atomics.store(this.words, at / 4 + index, word | 0);
    }
  }

  /** What an entry of the MSI-X table is now; `irq` counts from 1. */
  readMsixEntry(irq: number): RawMsixEntry {
    const at = this.#msixEntry(irq);
    const word = (index: number): number => Atomics.load(this.words, at / 4 + index) >>> 0;
    return { addressLow: word(0), addressHigh: word(1), data: word(2), control: word(3) };
  }

  /** How many MSI-X vectors there are: as many as have their table and pending bits behind descriptor space. */
  get vectors(): number {
    const room = this.bar.byteLength - this.#queueBarOffset - this.#availableQsize;
    let vectors = Math.max(0, Math.floor(room / MSIX_ENTRY_BYTES));
    for (; vectors > 0; vectors--) {
      const { table, pending } = Msix.bytes(vectors);
      if (table + pending <= room) break;
    }
    return vectors;
  }

  /** Whether the endpoint has left a vector pending, as it is masked; `irq` counts from 1. */
  isPending(irq: number): boolean {
    const byte = this.#msixEntry(this.vectors + 1) + ((irq - 1) >> 3);
    return ((this.bar.getUint8(byte) >> ((irq - 1) & 7)) & 1) === 1;
  }

  /** Where an entry is in the BAR: the table is behind descriptor space. */
  #msixEntry(irq: number): number {
    return this.#queueBarOffset + this.#availableQsize + (irq - 1) * MSIX_ENTRY_BYTES;
  }
}
