/**
 * Owns a root complex that knows docs/protocol.md and nothing of blockpt: it
 * finds the registers, writes commands, lays out its own queues and drives them.
 * It never blocks its thread, since the endpoint polls on the same event loop.
 */

import {
  BusMemory,
  CMD,
  DESC,
  DEV_NAME_BYTES,
  DOORBELL,
  FEATURE,
  GONE,
  IN_USE,
  MAGIC,
  MSIX,
  REG,
  type Region,
  roundUp,
  STATUS,
  until,
} from "./protocol.js";
import type { QueueShape } from "./queue-shape.js";

export interface CommandArguments {
  readonly devIdx?: number;
  readonly qidx?: number;
  readonly irq?: number;
  readonly queue?: QueueShape;
}

export interface Transfer {
  readonly op: number;
  readonly sector: number | bigint;
  readonly addr: number | bigint;
  readonly len: number;
  readonly flags?: number;
}

export interface Completion {
  readonly index: number;
  readonly status: number;
}

export class ForeignRootComplex {
  readonly memory: BusMemory;
  readonly bar: number;
  /** How often it rang for a command. */
  rings = 0;
  readonly #host: Region;
  #allocated = 0;

  constructor(buffer: SharedArrayBuffer, bar: Region, host: Region) {
    this.memory = new BusMemory(buffer);
    this.bar = bar.offset;
    this.#host = host;
  }

  /** Looks at the start of each region for the magic, as an RC looks through BARs. */
  static async find(
    buffer: SharedArrayBuffer,
    regions: readonly Region[],
    host: Region,
  ): Promise<ForeignRootComplex> {
    const memory = new BusMemory(buffer);
    const bar = await until("the magic", () =>
      regions.find((region) => memory.load32(region.offset + REG.magic) === MAGIC),
    );
    return new ForeignRootComplex(buffer, bar, host);
  }

  reg(at: number): number {
    return this.memory.load32(this.bar + at);
  }
  reg8(at: number): number {
    return this.memory.view.getUint8(this.bar + at);
  }
  get numSectors(): bigint {
    return this.memory.view.getBigUint64(this.bar + REG.numSectors, true);
  }
  get spaceStart(): number {
    return this.bar + this.reg(REG.queueBarOffset);
  }

  /** Section 5: says what it will use, for the queues that are set from here on. */
  enable(features: number): void {
    this.memory.store32(this.bar + REG.extEnabled, features);
  }

  /** Writes arguments, then the command; the status comes back and is cleared. */
  async command(bits: number, args: CommandArguments = {}): Promise<number> {
    const { memory, bar } = this;
    if (args.devIdx !== undefined) memory.view.setUint8(bar + REG.devIdx, args.devIdx);
    if (args.qidx !== undefined) memory.view.setUint8(bar + REG.qidx, args.qidx);
    if (args.irq !== undefined) memory.store32(bar + REG.irq, args.irq);
    if (args.queue !== undefined) {
      memory.store32(bar + REG.queueOffset, args.queue.offset);
      memory.store32(bar + REG.drvOffset, args.queue.drv);
      memory.store32(bar + REG.devOffset, args.queue.dev);
      memory.store32(bar + REG.numDesc, args.queue.numDesc);
      memory.store32(bar + REG.qsize, args.queue.size);
    }
    memory.store32(bar + REG.command, bits);
    const bells = (this.reg(REG.extEnabled) & FEATURE.doorbell) !== 0;
    if (bells && this.reg(REG.commandSleeping) !== 0) {
      memory.ring(bar + REG.commandBell);
      this.rings++;
    }
    const status = await until(
      `an answer to command 0x${bits.toString(16)}`,
      () => memory.load32(bar + REG.status) || undefined,
    );
    if (memory.load32(bar + REG.command) !== 0) {
      throw new Error(`command 0x${bits.toString(16)} was answered but not cleared`);
    }
    memory.store32(bar + REG.status, 0);
    return status;
  }

  async succeed(bits: number, args: CommandArguments = {}): Promise<void> {
    const status = await this.command(bits, args);
    if (status !== STATUS.success) {
      const asked = `command 0x${bits.toString(16)} ${JSON.stringify(args)}`;
      throw new Error(`${asked} was answered with status 0x${status.toString(16)}`);
    }
  }

  /** The raw text of dev_name, up to its NUL. */
  async deviceText(): Promise<string> {
    await this.succeed(CMD.getDevices);
    const field = this.memory.bytes(this.bar + REG.devName, DEV_NAME_BYTES).slice();
    const end = field.indexOf(0);
    if (end < 0) throw new Error("dev_name has no NUL");
    return new TextDecoder().decode(field.subarray(0, end));
  }

  async devices(): Promise<string[]> {
    const text = await this.deviceText();
    return text.slice(0, text.lastIndexOf(";")).split(";");
  }

  async sectors(devIdx: number): Promise<bigint> {
    await this.succeed(CMD.numSectors, { devIdx });
    return this.numSectors;
  }

  async permission(devIdx: number): Promise<number> {
    await this.succeed(CMD.getPermission, { devIdx });
    return this.reg8(REG.perm);
  }

  /** Host memory for data, never given back: a test is short. */
  allocate(bytes: number): number {
    const address = roundUp(this.#host.offset + this.#allocated, 512);
    if (address + bytes > this.#host.offset + this.#host.length)
      throw new Error("host memory full");
    this.#allocated = address + bytes - this.#host.offset;
    this.memory.bytes(address, bytes).fill(0);
    return address;
  }

  /** An address in host memory that holds these bytes. */
  place(data: Uint8Array): number {
    const address = this.allocate(data.length);
    this.memory.bytes(address, data.length).set(data);
    return address;
  }

  queue(shape: QueueShape): ForeignQueue {
    return new ForeignQueue(this.memory, this.spaceStart + shape.offset, shape);
  }

  /** A queue for this disc, announced but not started. */
  async setQueue(devIdx: number, shape: QueueShape, qidx = 0): Promise<ForeignQueue> {
    const queue = this.queue(shape);
    await this.succeed(CMD.setQueue, { devIdx, qidx, queue: shape });
    return queue;
  }

  /** A vector, counted from 1; `vectors` is the size of the table. */
  vector(irq: number, vectors: number): ForeignVector {
    const table = this.spaceStart + this.reg(REG.availableQsize);
    return new ForeignVector(this, table, irq - 1, table + MSIX.size * vectors);
  }
}

/** One entry of the MSI-X table, the word it writes, and its pending bit. */
export class ForeignVector {
  readonly word: number;
  readonly #rc: ForeignRootComplex;
  readonly #entry: number;
  readonly #number: number;
  readonly #pendingBits: number;

  constructor(rc: ForeignRootComplex, table: number, number: number, pendingBits: number) {
    this.#rc = rc;
    this.#entry = table + number * MSIX.size;
    this.#number = number;
    this.#pendingBits = pendingBits;
    this.word = rc.allocate(64);
  }

  program(data: number, masked: boolean, address = this.word): void {
    const { memory } = this.#rc;
    memory.store32(this.#entry + MSIX.addressLow, address);
    memory.store32(this.#entry + MSIX.addressHigh, 0);
    memory.store32(this.#entry + MSIX.data, data);
    memory.store32(this.#entry + MSIX.control, masked ? MSIX.masked : 0);
  }
  get masked(): boolean {
    return (this.#rc.memory.load32(this.#entry + MSIX.control) & MSIX.masked) !== 0;
  }
  unmask(): void {
    this.#rc.memory.store32(this.#entry + MSIX.control, 0);
  }
  get pending(): boolean {
    const byte = this.#pendingBits + (this.#number >> 3);
    return ((this.#rc.memory.view.getUint8(byte) >> (this.#number & 7)) & 1) === 1;
  }
  get value(): number {
    return this.#rc.memory.load32(this.word);
  }
  acknowledge(): void {
    this.#rc.memory.store32(this.word, 0);
  }
  raised(): Promise<number> {
    return this.#rc.memory.notified(`interrupt ${this.#number + 1}`, this.word);
  }
}

/** The RC's half of a queue: produces on the driver ring, consumes the device ring. */
export class ForeignQueue {
  readonly shape: QueueShape;
  readonly #memory: BusMemory;
  readonly #base: number;
  readonly #free: number[] = [];
  readonly #outstanding = new Set<number>();
  #produced = 0;
  #consumed = 0;
  turns = 0;
  /** How often it rang. */
  rings = 0;

  constructor(memory: BusMemory, base: number, shape: QueueShape) {
    this.#memory = memory;
    this.#base = base;
    this.shape = shape;
    memory.bytes(base, shape.size).fill(0);
    for (let index = 0; index < shape.numDesc; index++) this.#free.push(index);
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }
  get room(): number {
    return this.shape.numDesc - 1 - this.#outstanding.size;
  }

  submit(transfer: Transfer, rings = true): number {
    const index = this.#free.pop();
    if (index === undefined || this.room === 0) throw new Error("more than num_desc - 1 requests");
    const { view } = this.#memory;
    const at = this.#base + index * DESC.size;
    view.setUint8(at + DESC.flags, transfer.flags ?? IN_USE);
    view.setBigUint64(at + DESC.sector, BigInt(transfer.sector), true);
    view.setBigUint64(at + DESC.addr, BigInt(transfer.addr), true);
    view.setUint32(at + DESC.len, transfer.len, true);
    view.setUint8(at + DESC.opf, transfer.op);
    view.setUint8(at + DESC.status, 0xff); // an EP that never writes it is found out
    this.#outstanding.add(index);
    this.publishRaw(index, (this.#produced + 1) % this.shape.numDesc, rings);
    return index;
  }

  /** Puts any entry on the driver ring and publishes any idx, valid or not; rings if the EP sleeps. */
  publishRaw(entry: number, idx: number, rings = true): void {
    const { drv, numDesc } = this.shape;
    this.#memory.store16(this.#base + drv + 2 + 2 * this.#produced, entry);
    this.#produced = (this.#produced + 1) % numDesc;
    if (this.#produced === 0) this.turns++;
    this.#memory.store16(this.#base + drv, idx);
    if (rings && this.asleep) this.ring();
  }

  /** Whether the EP sleeps on the queue's doorbell. */
  get asleep(): boolean {
    const { bell } = this.shape;
    if (bell === undefined) return false;
    return this.#memory.load32(this.#base + bell + DOORBELL.sleeping) !== 0;
  }
  ring(): void {
    this.#memory.ring(this.#base + (this.shape.bell ?? Number.NaN) + DOORBELL.bell);
    this.rings++;
  }

  /** What the EP has published: its `idx`, or that it is gone. */
  get published(): number {
    return this.#memory.load16(this.#base + this.shape.dev);
  }
  get gone(): boolean {
    return this.published === GONE;
  }

  /** Takes what is on the device ring now; throws for what the page forbids. */
  collect(): Completion[] {
    const { dev, numDesc } = this.shape;
    const { published } = this;
    if (published >= numDesc) throw new Error(`device ring idx ${published} of ${numDesc}`);
    const taken: Completion[] = [];
    while (this.#consumed !== published) {
      const index = this.#memory.load16(this.#base + dev + 2 + 2 * this.#consumed);
      this.#consumed = (this.#consumed + 1) % numDesc;
      if (!this.#outstanding.delete(index)) throw new Error(`${index} completed, not outstanding`);
      const at = this.#base + index * DESC.size;
      taken.push({ index, status: this.#memory.view.getUint8(at + DESC.status) });
      this.#memory.bytes(at, DESC.size).fill(0);
      this.#free.push(index);
    }
    return taken;
  }

  /** Polls until so many completions are there. */
  async completions(count: number): Promise<Completion[]> {
    const all: Completion[] = [];
    await until(`${count} completions`, () => {
      all.push(...this.collect());
      return all.length >= count;
    });
    if (all.length > count) throw new Error(`${all.length} completions, ${count} were due`);
    return all;
  }

  /** One request, its status. */
  async one(transfer: Transfer): Promise<number> {
    const index = this.submit(transfer);
    const [completion] = await this.completions(1);
    if (completion?.index !== index) throw new Error(`${index} submitted, another completed`);
    return completion.status;
  }

  /** As many requests as there are, never more than num_desc - 1 at a time; statuses in order. */
  async all(transfers: readonly Transfer[]): Promise<number[]> {
    const statuses = new Array<number>(transfers.length).fill(-1);
    const position = new Map<number, number>();
    let next = 0;
    let done = 0;
    await until(
      `${transfers.length} requests`,
      () => {
        for (const { index, status } of this.collect()) {
          statuses[position.get(index) ?? -1] = status;
          done++;
        }
        for (
          let transfer = transfers[next];
          transfer && this.room > 0;
          transfer = transfers[next]
        ) {
          position.set(this.submit(transfer), next++);
        }
        return done === transfers.length;
      },
      20_000,
    );
    return statuses;
  }
}
