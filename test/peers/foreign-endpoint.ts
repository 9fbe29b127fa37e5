/**
 * Owns an endpoint that knows docs/protocol.md and nothing of blockpt: it lays
 * out the BAR, serves commands and queues from memory on timers of the test's
 * own thread, and notes whatever the root complex does against the page.
 */

import { Doorbell } from "./doorbell.js";
import {
  BLK,
  BusMemory,
  CMD,
  DESC,
  DEV_NAME_BYTES,
  DOORBELL,
  EVENTS,
  EXT_MAGIC,
  EXT_VERSION,
  FEATURE,
  FUA,
  GONE,
  IN_USE,
  MAGIC,
  MAX_LEN,
  MSIX,
  NEEDS,
  OP,
  REG,
  REGISTER_BYTES,
  type Region,
  roundUp,
  SECTOR,
  STATUS,
} from "./protocol.js";
import { type QueueShape, withDoorbell, wrongShape } from "./queue-shape.js";

export interface ForeignDisc {
  readonly name: string;
  data: Uint8Array;
  readonly readOnly?: boolean;
  readonly queues?: number;
  /** What num_queues says, if it lies. */
  readonly numQueues?: number;
  /** Section 5: what it offers besides DOORBELL, and its limits. */
  readonly features?: number;
  readonly logicalBlockSize?: number;
  readonly maxLen?: number;
}

export interface ForeignRequest {
  readonly queue: ServedQueue;
  readonly index: number;
  readonly sector: bigint;
  readonly addr: bigint;
  readonly len: number;
  readonly op: number;
  readonly flags: number;
}

export interface ForeignOptions {
  /** Offers section 5. */
  readonly extension?: { readonly version?: number; readonly generation?: number };
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
  /** Leaves descriptor space as it finds it. */
  readonly keepsQueues?: boolean;
}

/** One queue as SET_QUEUE described it, and the EP's positions in it. */
interface ServedQueue extends QueueShape {
  readonly devIdx: number;
  readonly qidx: number;
  /** What of section 5 is enabled. */
  readonly features: number;
  readonly doorbell: Doorbell | undefined;
  /** Whether the root complex had zeroed its bytes. */
  readonly zeroed: boolean;
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

export interface SeenCommand extends Partial<Omit<ServedQueue, "doorbell" | "inService">> {
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
  /** Sleeps on doorbells where it may; else it looks each millisecond. */
  sleeps = true;
  /** A status to answer with, "hold" to leave the request for complete(), or nothing: serve it. */
  decide: (request: ForeignRequest) => number | "hold" | undefined = () => undefined;

  readonly memory: BusMemory;
  readonly #bar: number;
  readonly #host: Region;
  readonly #discs: ServedDisc[];
  readonly #options: ForeignOptions;
  readonly #space: { readonly offset: number; readonly size: number };
  readonly #vectors: number;
  readonly #commands: Doorbell;
  readonly #generation: number;
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
    this.#generation = options.extension?.generation ?? 1;
    this.#discs = discs.map((disc) => {
      return { disc, queues: new Map(), irqs: new Map(), started: false };
    });
    this.#vectors = options.vectors ?? 512;
    const msixBytes = this.#vectors * MSIX.size + roundUp(Math.ceil(this.#vectors / 8), 8);
    const offset = options.queueBarOffset ?? REGISTER_BYTES;
    const size = options.availableQsize ?? bar.length - offset - msixBytes;
    this.#space = { offset, size };

    const zeroed = options.keepsQueues === true ? REGISTER_BYTES : bar.length;
    this.memory.bytes(bar.offset, zeroed).fill(0);
    for (let vector = 0; vector < this.#vectors; vector++) {
      this.memory.store32(this.#entry(vector) + MSIX.control, MSIX.masked);
    }
    this.#setReg(REG.queueBarOffset, offset);
    this.#setReg(REG.availableQsize, size);
    this.#setReg(REG.maxDevs, 16);
    this.#setReg(REG.numQueues, 1);
    this.#commands = this.#doorbell(
      "the command handler",
      bar.offset + REG.commandBell,
      bar.offset + REG.commandSleeping,
    );
    if (options.extension !== undefined) {
      this.#setReg(REG.extMagic, EXT_MAGIC);
      this.#setReg(REG.extVersion, options.extension.version ?? EXT_VERSION);
      this.#setReg(REG.extFeatures, FEATURE.doorbell);
      this.#setReg(REG.generation, this.#generation);
    }
    this.#setReg(REG.magic, MAGIC); // last: what finds it finds the rest
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), 1);
  }
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Goes down as the page says: nobody will answer. */
  leave(): void {
    for (const { queues } of this.#discs) for (const queue of queues.values()) this.abandon(queue);
    this.#setReg(REG.magic, 0);
    this.stop();
  }
  abandon(queue: ServedQueue): void {
    this.memory.store16(this.#base(queue) + queue.dev, GONE);
    this.#raise(this.#discs[queue.devIdx]?.irqs.get(queue.qidx));
  }

  /** Gives a disc other data, of another size, and says so. */
  resize(disc: ForeignDisc, data: Uint8Array): void {
    disc.data = data;
    this.#raise(this.#discs.find((served) => served.disc === disc)?.irqs.get(EVENTS));
  }

  /** The root complex's words of section 5, which one that does not know it leaves zero. */
  get told(): { readonly enabled: number; readonly bell: number } {
    return { enabled: this.#reg(REG.extEnabled), bell: this.#reg(REG.commandBell) };
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
  #base(queue: QueueShape): number {
    return this.#bar + this.#space.offset + queue.offset;
  }
  #entry(vector: number): number {
    return this.#bar + this.#space.offset + this.#space.size + vector * MSIX.size;
  }

  #tick(): void {
    if (this.#options.extension !== undefined) {
      if (this.#reg(REG.generation) !== this.#generation) {
        this.stop(); // taken over
        return;
      }
      this.#setReg(REG.heartbeat, this.#reg(REG.heartbeat) + 1);
    }
    if (!this.#commands.asleep) {
      const bits = this.#reg(REG.command);
      if (bits !== 0 && this.#options.mute !== true) this.#serve(bits);
      const rings = (): boolean =>
        this.#options.extension !== undefined &&
        (this.#reg(REG.extEnabled) & FEATURE.doorbell) !== 0;
      if (this.sleeps && rings())
        this.#commands.sleep(() => rings() && this.#reg(REG.command) !== 0);
    }
    const unseen = new Set<number | undefined>();
    for (const { started, queues, irqs } of this.#discs) {
      if (!started) continue;
      for (const queue of queues.values()) {
        if (queue.doorbell?.asleep !== true) this.#take(queue);
        if (this.sleeps) queue.doorbell?.sleep(() => this.#published(queue) !== queue.taken);
        if (queue.doorbell?.asleep === true) unseen.add(irqs.get(queue.qidx));
      }
    }
    // Who sleeps on a doorbell does not look at its vector's mask.
    for (let irq = 1; irq <= this.#vectors; irq++) {
      if (!unseen.has(irq)) this.#deliverPending(irq - 1);
    }
  }

  #doorbell(who: string, bell: number, sleeping: number): Doorbell {
    return new Doorbell(this.memory, { bell, sleeping }, () => this.#timer !== undefined, {
      wake: () => this.#tick(),
      wrong: (what) => this.violations.push(`${who} ${what}`),
    });
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
    const { doorbell: _, ...shape } =
      (bits & setQueue) !== 0 ? this.#shape(devIdx, qidx) : { doorbell: undefined };
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
      this.#setReg(REG.numQueues, disc.numQueues ?? disc.queues ?? 1);
      if (this.#options.extension !== undefined) {
        this.#setReg(REG.extFeatures, this.#offered(disc));
        this.#setReg(REG.logicalBlockSize, disc.logicalBlockSize ?? SECTOR);
        this.#setReg(REG.maxLen, disc.maxLen ?? MAX_LEN);
      }
    } else if (bit === CMD.getPermission) {
      view.setUint8(this.#bar + REG.perm, disc.readOnly === true ? 1 : 0);
    } else if (bit === CMD.setIrq) {
      const irq = this.#reg(REG.irq);
      const events = qidx === EVENTS && (this.#enabled(disc) & FEATURE.resize) !== 0;
      const known = events || qidx < (disc.queues ?? 1);
      if (!known || irq < 1 || irq > this.#vectors) return STATUS.error;
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
      this.memory.store16(this.#base(queue) + queue.dev, 0);
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
      for (const { doorbell } of queues.values()) doorbell?.forget();
      queues.clear();
      if (!started) return STATUS.error;
    }
    return 0;
  }

  #offered({ features }: ForeignDisc): number {
    return this.#options.extension === undefined ? 0 : FEATURE.doorbell | (features ?? 0);
  }
  #enabled(disc: ForeignDisc): number {
    return this.#reg(REG.extEnabled) & this.#offered(disc);
  }

  #shape(devIdx: number, qidx: number): ServedQueue {
    const disc = this.#discs[devIdx]?.disc;
    const features = disc === undefined ? 0 : this.#enabled(disc);
    const plain = {
      offset: this.#reg(REG.queueOffset),
      drv: this.#reg(REG.drvOffset),
      dev: this.#reg(REG.devOffset),
      numDesc: this.#reg(REG.numDesc),
      size: this.#reg(REG.qsize),
    };
    const bell = (features & FEATURE.doorbell) === 0 ? undefined : withDoorbell(plain).bell;
    const at = this.#base(plain) + (bell ?? 0);
    const who = `queue ${qidx} of disc ${devIdx}`;
    return {
      ...plain,
      ...(bell === undefined ? {} : { bell }),
      devIdx,
      qidx,
      features,
      doorbell:
        bell === undefined
          ? undefined
          : this.#doorbell(who, at + DOORBELL.bell, at + DOORBELL.sleeping),
      zeroed:
        wrongShape(plain, this.#space.size, []) === undefined &&
        this.memory.bytes(this.#base(plain), plain.size).every((byte) => byte === 0),
      inService: new Set(),
      taken: 0,
      published: 0,
    };
  }

  #published(queue: ServedQueue): number {
    return this.memory.load16(this.#base(queue) + queue.drv);
  }

  /** Takes what is new on the driver ring, and decides about each. */
  #take(queue: ServedQueue): void {
    const ring = this.#base(queue) + queue.drv;
    const idx = this.#published(queue);
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
      flags: view.getUint8(at + DESC.flags),
    };
    this.requests.push(request);
    this.#check(request);
    return request;
  }

  /** Notes what the page forbids in a request. */
  #check({ queue, op, flags, sector, len, addr }: ForeignRequest): void {
    const disc = this.#discs[queue.devIdx]?.disc;
    const moves = op === OP.read || op === OP.write;
    const needs = (NEEDS.get(op) ?? 0) | ((flags & FUA) === 0 ? 0 : FEATURE.fua);
    if (!moves && !NEEDS.has(op)) this.violations.push(`unknown opf ${op}`);
    if ((needs & ~queue.features) !== 0)
      this.violations.push(`opf ${op}, flags ${flags}: not enabled`);
    const block = disc?.logicalBlockSize ?? SECTOR;
    const most = Math.min(disc?.maxLen ?? MAX_LEN, MAX_LEN);
    const whole = len > 0 && len % block === 0 && len <= most;
    if (op === OP.flush ? len !== 0 : !whole) this.violations.push(`opf ${op}: len ${len}`);
    if ((Number(sector) * SECTOR) % block !== 0)
      this.violations.push(`sector ${sector} in a block`);
    const hostEnd = BigInt(this.#host.offset + this.#host.length);
    if (moves && (addr < BigInt(this.#host.offset) || addr + BigInt(len) > hostEnd)) {
      this.violations.push(`addr ${addr} is not host memory`);
    }
  }

  /** Moves the data of one request between the disc and host memory. */
  #move({ queue, sector, addr, len, op }: ForeignRequest): number {
    const disc = this.#discs[queue.devIdx]?.disc;
    if (op === OP.flush) return BLK.ok;
    if (disc === undefined || sector * 512n + BigInt(len) > BigInt(disc.data.length)) {
      return BLK.inval;
    }
    if (op !== OP.read && disc.readOnly === true) return BLK.protection;
    const at = Number(sector) * SECTOR;
    if (op === OP.discard || op === OP.writeZeroes) {
      disc.data.fill(op === OP.discard ? 0xdd : 0, at, at + len); // discarded: reads as anything
      return BLK.ok;
    }
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
