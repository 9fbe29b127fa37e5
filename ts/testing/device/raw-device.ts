// The endpoint's side of a bus by its bytes: lays out the BAR, answers commands and serves queues from memory, on
// timers of its own thread, honestly but for what it is told to answer else. Queues are in device-rings.ts.

import {
  Command,
  DESCRIPTOR_BYTES,
  DEV_NAME_BYTES,
  DEVICE_ID,
  EVENTS_QIDX,
  EXT_MAGIC,
  EXT_VERSION,
  Feature,
  MAGIC,
  MAX_LEN_BYTES,
  REGISTERS_BYTES,
  Register,
  SECTOR_BYTES,
  Status,
  VENDOR_ID,
} from "../../abi/layout.js";
import { ringBytes } from "../../abi/queue-layout.js";
import type { Bus } from "../../bus/bus.js";
import { Msix } from "../../bus/msix.js";
import { BlockptError, checkInteger } from "../../errors.js";
import { RawRegisters } from "../raw-registers.js";
import { DeviceRings, type RawRequest } from "./device-rings.js";

/** A disc of a {@link RawDevice}. */
export interface RawDisc {
  /** Its name, as GET_DEVICES lists it. */
  readonly name: string;
  /** What it holds; a multiple of 512 bytes. */
  readonly data: Uint8Array;
  /** What it offers besides doorbells: bits of `Feature`. Default none. */
  features?: number | undefined;
}

/** What a {@link RawDevice} is to be like. */
export interface RawDeviceOptions {
  /** MSI-X vectors: 1 to 2048. Default 8. */
  msixInterrupts?: number | undefined;
  /** Whether it has the extension block (protocol, section 5). Default true. */
  extension?: boolean | undefined;
}

/** What a {@link RawDevice} does else than is right. */
export interface Lies {
  /** After a command was served, before it is answered: writes over what was answered. */
  served?: ((command: number) => void) | undefined;
  /** The status that a command is answered with, 0 for no answer at all; undefined for the right one. */
  answer?: ((command: number) => number | undefined) | undefined;
  /** What is done with a request: a status to answer, "hold" for `complete`; undefined serves it. */
  decide?: ((request: RawRequest) => number | "hold" | undefined) | undefined;
  /** Never raises a vector. Default false. */
  silent?: boolean | undefined;
  /** Leaves the heartbeat to others. Default false. */
  heartless?: boolean | undefined;
}

const MOST_QUEUES = 4;
const ORDER = [
  Command.GET_DEVICES,
  Command.SET_IRQ,
  Command.NUM_SECTORS,
  Command.SET_QUEUE,
  Command.GET_PERMISSION,
  Command.START,
  Command.STOP,
] as const;
/** Between two looks: of a thread that has other things to do, and of a test that shall not last. */
const TICK_MS = 1;

interface Served {
  readonly disc: RawDisc;
  /** Of each queue that was set, the last one last. */
  readonly rings: Map<number, DeviceRings>;
  /** Of each queue. */
  readonly irqs: Map<number, number>;
  eventsIrq: number;
  isStarted: boolean;
}

/**
 * An endpoint that serves discs from memory, up to four queues each, and does whatever else it is told: any register, any
 * answer, any entry on a device ring. For tests of root complexes; who wants an endpoint uses `Endpoint`.
 *
 * @example A device that fails its first read:
 * ```ts
 * import { createBus, RootComplex } from "blockpt";
 * import { BlkStatus } from "blockpt/abi";
 * import { RawDevice } from "blockpt/testing";
 *
 * const bus = await createBus();
 * const device = new RawDevice(bus, [{ name: "/dev/raw", data: new Uint8Array(65536).fill(7) }]);
 * let reads = 0;
 * device.lies = { decide: () => (++reads === 1 ? BlkStatus.MEDIUM : undefined) };
 * device.start();
 *
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("raw");
 * const bytes = new Uint8Array(512);
 * const error = await disk.read(bytes, 0).catch((error) => error);
 * console.log(error.code); // ERR_BLOCKPT_IO
 * await disk.read(bytes, 0);
 * console.log(bytes[0]); // 7
 * await rc.close();
 * device.stop();
 * ```
 */
export class RawDevice extends RawRegisters {
  /** What it does else than is right; nothing, to begin with. */
  lies: Lies = {};
  readonly #discs: readonly RawDisc[];
  readonly #hasExtension: boolean;
  /** Not the bus's: a root complex in this thread puts that where it believes the table to be. */
  readonly #msix: Msix;
  /** MSI-X vectors. */
  readonly vectors: number;
  #served: Served[] = [];
  #generation = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if an option is out of its range */
  constructor(bus: Bus, discs: readonly RawDisc[], options: RawDeviceOptions = {}) {
    super(bus);
    const { msixInterrupts = 8, extension = true } = options;
    checkInteger("msixInterrupts", msixInterrupts, 1, 2048);
    for (const { name, data } of discs) {
      if (data.length > 0 && data.length % SECTOR_BYTES === 0) continue;
      const why = `${name} has ${data.length} bytes: a multiple of ${SECTOR_BYTES} is wanted`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    this.#msix = new Msix(bus.buffer, bus.configSpace, bus.hostMemory, bus.iommu);
    this.#discs = discs;
    this.vectors = msixInterrupts;
    this.#hasExtension = extension;
  }

  /** Whether it serves. */
  get started(): boolean {
    return this.#timer !== undefined;
  }

  /** The generation that its last start had. */
  get generation(): number {
    return this.#generation;
  }

  /** Where descriptor space is in the BAR, and its bytes. */
  get descriptorSpace(): {
    /** From the start of the BAR, in bytes. */
    offset: number;
    /** Bytes. */
    length: number;
  } {
    const { table, pending } = Msix.bytes(this.vectors);
    const end = this.bus.bar.length - table - pending;
    return { offset: REGISTERS_BYTES, length: end - REGISTERS_BYTES };
  }

  /** The link comes up: every byte of the BAR anew, with the next generation; serves from here on. */
  start(): void {
    this.stop();
    this.#generation++;
    this.#served = this.#discs.map((disc) => {
      return { disc, rings: new Map(), irqs: new Map(), eventsIrq: 0, isStarted: false };
    });
    this.#layOut();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The link goes down: answers nothing any more. The BAR stays as it is, but for the magic. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.write("magic", 0);
    this.bus.configSpace.linkDown();
  }

  /** The rings of a disc's queues, in the order in which they were set. */
  rings(devIdx = 0): DeviceRings[] {
    return [...(this.#served[devIdx]?.rings.values() ?? [])];
  }

  /** Raises the vector of a queue. */
  raise({ devIdx, qidx }: DeviceRings): void {
    if (!this.lies.silent) this.#msix.raise((this.#served[devIdx]?.irqs.get(qidx) ?? 0) - 1);
  }

  /** Raises the vector of a disc's events. */
  raiseEvents(devIdx = 0): void {
    if (!this.lies.silent) this.#msix.raise((this.#served[devIdx]?.eventsIrq ?? 0) - 1);
  }

  /** Moves the data of a request, and says nothing of it on the ring; gives the status that is due. */
  perform({ rings, descriptor }: RawRequest): number {
    return rings.move((this.#discs[rings.devIdx] as RawDisc).data, descriptor);
  }

  /** Answers a request that was held: serves it, or fails it with a status. */
  complete(request: RawRequest, status?: number): void {
    request.rings.complete(request, status ?? this.perform(request));
    this.raise(request.rings);
  }

  /** Writes `dev_name`, all of it: what is missing is 0. */
  writeDevName(bytes: Uint8Array): void {
    const field = new Uint8Array(
      this.bus.buffer,
      this.bus.bar.offset + Register.devName,
      DEV_NAME_BYTES,
    );
    field.fill(0);
    field.set(bytes.subarray(0, DEV_NAME_BYTES));
  }

  #layOut(): void {
    const { bus } = this;
    const space = this.descriptorSpace;
    const tableOffset = space.offset + space.length;
    const pendingOffset = tableOffset + Msix.bytes(this.vectors).table;
    const msix = { vectors: this.vectors, tableOffset, pendingOffset };
    new Uint8Array(bus.buffer, bus.bar.offset, bus.bar.length).fill(0);
    this.#msix.locate(msix, bus.bar.offset);
    this.#msix.reset();
    this.write("queueBarOffset", space.offset);
    this.write("availableQsize", space.length);
    this.write("maxDevs", 16);
    this.write("numQueues", MOST_QUEUES);
    if (this.#hasExtension) {
      this.write("extMagic", EXT_MAGIC);
      this.write("extVersion", EXT_VERSION);
      this.write("extFeatures", Feature.DOORBELL);
      this.write("generation", this.#generation);
    }
    const identity = {
      ...{ vendorId: VENDOR_ID, deviceId: DEVICE_ID, revisionId: 0, classCode: 0xff0000 },
      ...{ subsystemVendorId: 0, subsystemId: 0, cacheLineSize: 0, interruptPin: 0 },
    };
    bus.configSpace.linkUp(identity, bus.bar.offset, msix, 0);
    // Last: who finds it finds the rest.
    this.write("magic", MAGIC);
  }

  /** One look at everything. It does not sleep on bells, which is allowed: nobody need ring. */
  #tick(): void {
    if (this.#hasExtension && !this.lies.heartless) {
      Atomics.add(this.words, Register.heartbeat / 4, 1);
    }
    const command = Atomics.exchange(this.words, Register.command / 4, 0) >>> 0;
    if (command !== 0) this.#command(command);
    for (const served of this.#served) if (served.isStarted) this.#serve(served);
    for (let vector = 0; vector < this.vectors; vector++) this.#msix.sendPending(vector);
  }

  #command(command: number): void {
    this.write("status", 0);
    const known = ORDER.reduce((all: number, bit) => all | bit, 0);
    let isRight = (command & ~known) === 0;
    for (const bit of ORDER) if (isRight && (command & bit) !== 0) isRight = this.#one(bit);
    this.lies.served?.(command);
    const status = this.lies.answer?.(command) ?? (isRight ? Status.SUCCESS : Status.ERROR);
    this.write("status", status);
  }

  #one(bit: (typeof ORDER)[number]): boolean {
    if (bit === Command.GET_DEVICES) {
      const list = this.#discs.map(({ name }) => `${name};`).join("");
      this.writeDevName(new TextEncoder().encode(list));
      return true;
    }
    const { devIdx, qidx, irq } = this.registers;
    const served = this.#served[devIdx];
    if (served === undefined) return false;
    switch (bit) {
      case Command.SET_IRQ:
        if (irq < 1 || irq > this.vectors) return false;
        if (qidx === EVENTS_QIDX) served.eventsIrq = irq;
        else served.irqs.set(qidx, irq);
        return true;
      case Command.NUM_SECTORS:
        this.#describe(served.disc);
        return true;
      case Command.SET_QUEUE:
        return this.#setQueue(served, devIdx, qidx);
      case Command.GET_PERMISSION:
        this.write("perm", 0);
        return true;
      case Command.START:
        if (served.isStarted || served.rings.size === 0) return false;
        served.isStarted = true;
        return true;
      case Command.STOP:
        return this.#stopDisc(served);
    }
  }

  #describe({ data, features = 0 }: RawDisc): void {
    this.write("numSectors", BigInt(data.length / SECTOR_BYTES));
    this.write("numQueues", MOST_QUEUES);
    if (!this.#hasExtension) return;
    this.write("extFeatures", Feature.DOORBELL | features);
    this.write("logicalBlockSize", SECTOR_BYTES);
    this.write("maxLen", MAX_LEN_BYTES);
  }

  /** Takes any queue whose bytes are there, overlapping or not. */
  #setQueue({ rings }: Served, devIdx: number, qidx: number): boolean {
    const { queueOffset, drvOffset, devOffset, numDesc } = this.registers;
    const { offset, length } = this.descriptorSpace;
    const start = queueOffset + Math.max(drvOffset, devOffset);
    const end = Math.max(start + ringBytes(numDesc), queueOffset + numDesc * DESCRIPTOR_BYTES);
    if (end > length || queueOffset % 8 !== 0 || (drvOffset | devOffset) % 2 !== 0) return false;
    const at = this.bus.bar.offset + offset + queueOffset;
    const layout = { driverOffset: drvOffset, deviceOffset: devOffset, numDescriptors: numDesc };
    rings.delete(qidx);
    rings.set(qidx, new DeviceRings(this.bus, { devIdx, qidx }, at, layout));
    return true;
  }

  #stopDisc(served: Served): boolean {
    const { isStarted, rings } = served;
    if (isStarted) this.#serve(served);
    // What is held has no better end.
    for (const { held } of rings.values()) for (const request of [...held]) this.complete(request);
    served.isStarted = false;
    rings.clear();
    return isStarted;
  }

  #serve({ rings }: Served): void {
    for (const request of [...rings.values()].flatMap((each) => each.take())) {
      const decision = this.lies.decide?.(request);
      if (decision === "hold") request.rings.held.push(request);
      else this.complete(request, decision);
    }
  }
}
