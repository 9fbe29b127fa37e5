/**
 * Owns an endpoint that knows docs/protocol.md and nothing of blockpt: it lays
 * out the BAR, serves commands and queues from memory on timers of the test's
 * own thread, and notes whatever the root complex does against the page.
 */

import {
  BLK,
  BusMemory,
  CMD,
  DESC,
  DEV_NAME_BYTES,
  IN_USE,
  MAGIC,
  MAX_LEN,
  MSIX,
  OP,
  REG,
  REGISTER_BYTES,
  type Region,
  roundUp,
  SECTOR,
  STATUS,
} from "./protocol.js";
import { type QueueShape, wrongShape } from "./queue-shape.js";

export interface ForeignDisc {
  readonly name: string;
  readonly data: Uint8Array;
  readonly readOnly?: boolean;
  readonly queues?: number;
}

export interface ForeignRequest {
  readonly queue: ServedQueue;
  readonly index: number;
  readonly sector: bigint;
  readonly addr: bigint;
  readonly len: number;
  readonly op: number;
}

export interface ForeignOptions {
  readonly vectors?: number;
  /** Where descriptor space starts, and how much of it there is; the page's default else. */
  readonly queueBarOffset?: number;
  readonly availableQsize?: number;
  /** Never raises a vector when false. */
  readonly raise?: boolean;
  /** Answers these commands with an error. */
  readonly refuse?: number;
  /** Answers no command at all. */
  readonly mute?: boolean;
}

/** One queue as SET_QUEUE described it, and the EP's positions in it. */
interface ServedQueue extends QueueShape {
  readonly devIdx: number;
  readonly qidx: number;
  readonly inService: Set<number>;
  taken: number;
  published: number;
}

interface ServedDisc {
  readonly disc: ForeignDisc;
  readonly queues: Map<number, ServedQueue>;
  readonly irqs: Map<number, number>;
  started: boolean;
}

export interface SeenCommand extends Partial<Omit<ServedQueue, "inService">> {
  readonly bits: number;
  readonly devIdx: number;
  readonly status: number;
}

export class ForeignEndpoint {
  /** What the root complex did that the page does not allow. */
  readonly violations: string[] = [];
  readonly commands: SeenCommand[] = [];
  readonly requests: ForeignRequest[] = [];
  readonly held: ForeignRequest[] = [];
  interrupts = 0;
  /** A status to answer with, "hold" to leave the request for complete(), or nothing: serve it. */
  decide: (request: ForeignRequest) => number | "hold" | undefined = () => undefined;

  readonly memory: BusMemory;
  readonly #bar: number;
  readonly #host: Region;
  readonly #discs: ServedDisc[];
  readonly #options: ForeignOptions;
  readonly #space: { readonly offset: number; readonly size: number };
  readonly #vectors: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    buffer: SharedArrayBuffer,
    bar: Region,
    host: Region,
    discs: readonly ForeignDisc[],
    options: ForeignOptions = {},
  ) {
    this.memory = new BusMemory(buffer);
    this.#bar = bar.offset;
    this.#host = host;
    this.#options = options;
    this.#discs = discs.map((disc) => {
      return { disc, queues: new Map(), irqs: new Map(), started: false };
    });
    this.#vectors = options.vectors ?? 512;
    const msixBytes = this.#vectors * MSIX.size + roundUp(Math.ceil(this.#vectors / 8), 8);
    const offset = options.queueBarOffset ?? REGISTER_BYTES;
    const size = options.availableQsize ?? bar.length - offset - msixBytes;
    this.#space = { offset, size };

    this.memory.bytes(bar.offset, bar.length).fill(0);
    for (let vector = 0; vector < this.#vectors; vector++) {
      this.memory.store32(this.#entry(vector) + MSIX.control, MSIX.masked);
    }
    this.#setReg(REG.queueBarOffset, offset);
    this.#setReg(REG.availableQsize, size);
    this.#setReg(REG.maxDevs, 16);
    this.#setReg(REG.numQueues, 1);
    this.#setReg(REG.magic, MAGIC); // last: what finds it finds the rest
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), 1);
  }
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The vectors, counted from 1, that may be raised now. */
  get unmasked(): number[] {
    const irqs = Array.from({ length: this.#vectors }, (_, vector) => vector + 1);
    return irqs.filter(
      (irq) => (this.memory.load32(this.#entry(irq - 1) + MSIX.control) & 1) === 0,
    );
  }

  /** In-use marks in a queue's descriptors, as shared memory has them now. */
  inUse(queue: ServedQueue): number {
    let count = 0;
    for (let index = 0; index < queue.numDesc; index++) {
      const at = this.#base(queue) + index * DESC.size + DESC.flags;
      if ((this.memory.view.getUint8(at) & IN_USE) !== 0) count++;
    }
    return count;
  }

  /** Serves a held request, or fails it with a status; its data moves now. */
  complete(request: ForeignRequest, status?: number): void {
    const held = this.held.indexOf(request);
    if (held >= 0) this.held.splice(held, 1);
    const result = status ?? this.#move(request);
    const at = this.#base(request.queue) + request.index * DESC.size;
    this.memory.view.setUint8(at + DESC.status, result);
    request.queue.inService.delete(request.index);
    this.publishRaw(request.queue, request.index);
  }

  /** Puts any entry on the device ring, publishes it or any other idx, and raises. */
  publishRaw(queue: ServedQueue, entry: number, idx?: number): void {
    const ring = this.#base(queue) + queue.dev;
    this.memory.store16(ring + 2 + 2 * queue.published, entry);
    queue.published = (queue.published + 1) % queue.numDesc;
    this.memory.store16(ring, idx ?? queue.published);
    this.#raise(this.#discs[queue.devIdx]?.irqs.get(queue.qidx));
  }

  #reg(at: number): number {
    return this.memory.load32(this.#bar + at);
  }
  #setReg(at: number, value: number): void {
    this.memory.store32(this.#bar + at, value);
  }
  #base(queue: ServedQueue): number {
    return this.#bar + this.#space.offset + queue.offset;
  }
  #entry(vector: number): number {
    return this.#bar + this.#space.offset + this.#space.size + vector * MSIX.size;
  }

  #tick(): void {
    const bits = this.#reg(REG.command);
    if (bits !== 0 && this.#options.mute !== true) this.#serve(bits);
    for (const { started, queues } of this.#discs) {
      if (started) for (const queue of queues.values()) this.#take(queue);
    }
    for (let vector = 0; vector < this.#vectors; vector++) this.#deliverPending(vector);
  }

  #serve(bits: number): void {
    if (this.#reg(REG.status) !== 0) this.violations.push("a command before status was cleared");
    this.#setReg(REG.command, 0);
    this.#setReg(REG.status, 0);
    const { view } = this.memory;
    const devIdx = view.getUint8(this.#bar + REG.devIdx);
    const qidx = view.getUint8(this.#bar + REG.qidx);
    const known = Object.values(CMD).reduce((all, bit) => all | bit, 0);
    let status = (bits & ~known) === 0 ? 0 : STATUS.error;
    const { getDevices, setIrq, numSectors, setQueue, getPermission, start, stop } = CMD;
    for (const bit of [getDevices, setIrq, numSectors, setQueue, getPermission, start, stop]) {
      if (status !== 0 || (bits & bit) === 0) continue;
      const refused = ((this.#options.refuse ?? 0) & bit) !== 0;
      status = refused ? STATUS.error : this.#one(bit, devIdx, qidx);
      // A STOP of a disc that is not started has its queue forgotten, and is answered with an error.
      if (status !== 0 && !refused && bit !== stop) {
        this.violations.push(`command bit ${bit}: status ${status}`);
      }
    }
    const answer = status === 0 ? STATUS.success : status;
    const shape = (bits & setQueue) !== 0 ? this.#shape(devIdx, qidx) : {};
    this.commands.push({ bits, ...shape, devIdx, status: answer });
    this.#setReg(REG.status, answer);
  }

  /** Serves one bit; 0 is success. */
  #one(bit: number, devIdx: number, qidx: number): number {
    const { view } = this.memory;
    if (bit === CMD.getDevices) {
      const text = this.#discs.map(({ disc }) => `${disc.name};`).join("");
      const field = this.memory.bytes(this.#bar + REG.devName, DEV_NAME_BYTES).fill(0);
      field.set(new TextEncoder().encode(text));
      return 0;
    }
    const served = this.#discs[devIdx];
    if (served === undefined) return STATUS.error;
    const { disc, queues, irqs } = served;
    if (bit === CMD.numSectors) {
      view.setBigUint64(this.#bar + REG.numSectors, BigInt(disc.data.length / SECTOR), true);
      this.#setReg(REG.numQueues, disc.queues ?? 1);
    } else if (bit === CMD.getPermission) {
      view.setUint8(this.#bar + REG.perm, disc.readOnly === true ? 1 : 0);
    } else if (bit === CMD.setIrq) {
      const irq = this.#reg(REG.irq);
      if (qidx >= (disc.queues ?? 1) || irq < 1 || irq > this.#vectors) return STATUS.error;
      irqs.set(qidx, irq);
    } else if (bit === CMD.setQueue) {
      if (qidx >= (disc.queues ?? 1)) return STATUS.error;
      const queue = this.#shape(devIdx, qidx);
      const others = this.#discs.flatMap((each) => [...each.queues.values()]);
      const apart = others.filter((other) => other.devIdx !== devIdx || other.qidx !== qidx);
      const wrong = wrongShape(queue, this.#space.size, apart);
      if (wrong !== undefined) {
        this.violations.push(`SET_QUEUE: ${wrong}`);
        return STATUS.error | STATUS.queueInvalid;
      }
      queues.set(qidx, queue);
    } else if (bit === CMD.start) {
      if (served.started || queues.size === 0) return STATUS.error;
      served.started = true;
    } else if (bit === CMD.stop) {
      const { started } = served;
      if (started) for (const queue of queues.values()) this.#take(queue);
      for (const request of this.held.filter(({ queue }) => queue.devIdx === devIdx)) {
        this.complete(request, BLK.ioErr); // drains; what was held has no better end
      }
      served.started = false;
      queues.clear();
      irqs.clear();
      if (!started) return STATUS.error;
    }
    return 0;
  }

  #shape(devIdx: number, qidx: number): ServedQueue {
    return {
      devIdx,
      qidx,
      offset: this.#reg(REG.queueOffset),
      drv: this.#reg(REG.drvOffset),
      dev: this.#reg(REG.devOffset),
      numDesc: this.#reg(REG.numDesc),
      size: this.#reg(REG.qsize),
      inService: new Set(),
      taken: 0,
      published: 0,
    };
  }

  /** Takes what is new on the driver ring, and decides about each. */
  #take(queue: ServedQueue): void {
    const ring = this.#base(queue) + queue.drv;
    const idx = this.memory.load16(ring);
    if (idx >= queue.numDesc) {
      this.violations.push(`driver ring idx ${idx} of ${queue.numDesc}`);
      return;
    }
    const batch: ForeignRequest[] = [];
    while (queue.taken !== idx) {
      const index = this.memory.load16(ring + 2 + 2 * queue.taken);
      queue.taken = (queue.taken + 1) % queue.numDesc;
      const request = this.#copy(queue, index);
      if (request !== undefined) batch.push(request);
    }
    for (const request of batch) {
      const decision = this.decide(request);
      if (decision === "hold") this.held.push(request);
      else this.complete(request, decision);
    }
  }

  #copy(queue: ServedQueue, index: number): ForeignRequest | undefined {
    if (index >= queue.numDesc || queue.inService.has(index)) {
      this.violations.push(`driver ring entry ${index} out of range or in service`);
      return undefined;
    }
    queue.inService.add(index);
    if (queue.inService.size >= queue.numDesc) this.violations.push("num_desc outstanding");
    const at = this.#base(queue) + index * DESC.size;
    const { view } = this.memory;
    if ((view.getUint8(at + DESC.flags) & IN_USE) === 0) this.violations.push("not in use");
    const request = {
      queue,
      index,
      sector: view.getBigUint64(at + DESC.sector, true),
      addr: view.getBigUint64(at + DESC.addr, true),
      len: view.getUint32(at + DESC.len, true),
      op: view.getUint8(at + DESC.opf),
    };
    this.requests.push(request);
    const { len, addr } = request;
    if (len === 0 || len % SECTOR !== 0 || len > MAX_LEN) this.violations.push(`len ${len}`);
    if (request.op !== OP.read && request.op !== OP.write) this.violations.push("unknown opf");
    const hostEnd = BigInt(this.#host.offset + this.#host.length);
    if (addr < BigInt(this.#host.offset) || addr + BigInt(len) > hostEnd) {
      this.violations.push(`addr ${addr} is not host memory`);
    }
    return request;
  }

  /** Moves the data of one request between the disc and host memory. */
  #move({ queue, sector, addr, len, op }: ForeignRequest): number {
    const disc = this.#discs[queue.devIdx]?.disc;
    if (disc === undefined || sector * 512n + BigInt(len) > BigInt(disc.data.length)) {
      return BLK.inval;
    }
    if (op === OP.write && disc.readOnly === true) return BLK.protection;
    const at = Number(sector) * SECTOR;
    const host = this.memory.bytes(Number(addr), len);
    if (op === OP.write) disc.data.set(host, at);
    else host.set(disc.data.subarray(at, at + len));
    return BLK.ok;
  }

  #raise(irq: number | undefined): void {
    if (irq === undefined || this.#options.raise === false) return;
    const pending = this.#pendingByte(irq - 1);
    const { view } = this.memory;
    view.setUint8(pending, view.getUint8(pending) | (1 << ((irq - 1) & 7)));
    this.#deliverPending(irq - 1);
  }

  #pendingByte(vector: number): number {
    return this.#entry(this.#vectors) + (vector >> 3);
  }

  #deliverPending(vector: number): void {
    const { view } = this.memory;
    const pending = this.#pendingByte(vector);
    const bit = 1 << (vector & 7);
    if ((view.getUint8(pending) & bit) === 0) return;
    const entry = this.#entry(vector);
    if ((this.memory.load32(entry + MSIX.control) & MSIX.masked) !== 0) return;
    view.setUint8(pending, view.getUint8(pending) & ~bit);
    const low = this.memory.load32(entry + MSIX.addressLow);
    const high = this.memory.load32(entry + MSIX.addressHigh);
    const inHost = low >= this.#host.offset && low + 4 <= this.#host.offset + this.#host.length;
    if (high !== 0 || low % 4 !== 0 || !inHost) {
      this.violations.push(`vector ${vector + 1} writes to ${high}:${low}`);
      return;
    }
    this.memory.store32(low, this.memory.load32(entry + MSIX.data));
    this.memory.notify(low);
    this.interrupts++;
  }
}
