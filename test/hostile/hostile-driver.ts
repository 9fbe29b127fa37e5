// A driver that breaks the protocol on purpose: raw access to the BAR of a live endpoint.

import type { Bus } from "blockpt";
import {
  Command,
  type Descriptor,
  DescriptorFlag,
  decodeDescriptor,
  encodeDescriptor,
  Operation,
  type QueueLayout,
  queueLayout,
  REGISTERS_BYTES,
  Register,
} from "blockpt/abi";
import { until } from "../api/rig.js";

/** Registers that a command reads. */
export interface Arguments {
  devIdx?: number;
  qidx?: number;
  irq?: number;
  queueOffset?: number;
  drvOffset?: number;
  devOffset?: number;
  numDesc?: number;
  qsize?: number;
}

const WIDTHS = { devIdx: 1, qidx: 1 } as Readonly<Record<string, number>>;

export class HostileDriver {
  readonly bus: Bus;
  readonly bar: DataView;
  readonly numDescriptors: number;
  readonly layout: QueueLayout;
  readonly #words: Int32Array;
  #driverIdx = 0;

  constructor(bus: Bus, numDescriptors = 16) {
    this.bus = bus;
    this.bar = new DataView(bus.buffer, bus.bar.offset, bus.bar.length);
    this.numDescriptors = numDescriptors;
    this.layout = queueLayout(numDescriptors);
    this.#words = new Int32Array(bus.buffer, bus.bar.offset, 16);
  }

  /** Writes registers and a command; gives the status. */
  async command(command: number, args: Arguments = {}): Promise<number> {
    for (const [name, value] of Object.entries(args) as [keyof Arguments, number][]) {
      if (WIDTHS[name] === 1) this.bar.setUint8(Register[name], value);
      else this.bar.setUint32(Register[name], value, true);
    }
    Atomics.store(this.#words, Register.status / 4, 0);
    Atomics.store(this.#words, Register.command / 4, command);
    await until(`an answer to command 0x${command.toString(16)}`, () => this.#status() !== 0);
    const status = this.#status();
    Atomics.store(this.#words, Register.status / 4, 0);
    return status;
  }

  /** SET_QUEUE's arguments for an honest queue at the start of descriptor space. */
  queue(overrides: Arguments = {}): Arguments {
    return {
      devIdx: 0,
      qidx: 0,
      irq: 1,
      queueOffset: 0,
      drvOffset: this.layout.driverOffset,
      devOffset: this.layout.deviceOffset,
      numDesc: this.numDescriptors,
      qsize: this.layout.bytes,
      ...overrides,
    };
  }

  /** Sets the queue up and starts the disc. */
  async start(overrides: Arguments = {}): Promise<number> {
    new Uint8Array(this.bus.buffer, this.#queue, this.layout.bytes).fill(0);
    this.#driverIdx = 0;
    const bits = Command.GET_DEVICES | Command.SET_IRQ | Command.SET_QUEUE | Command.START;
    return this.command(bits, this.queue(overrides));
  }

  /** An honest read of the first sector into the start of host memory. */
  read(overrides: Partial<Descriptor> = {}): Descriptor {
    return {
      startSector: 0n,
      address: BigInt(this.bus.hostMemory.offset),
      lenBytes: 512,
      opf: Operation.READ,
      status: 0xff,
      flags: DescriptorFlag.IN_USE,
      ...overrides,
    };
  }

  /** Writes a descriptor. */
  fill(index: number, descriptor: Descriptor): void {
    encodeDescriptor(this.bar, REGISTERS_BYTES + index * 24, descriptor);
  }

  /** A descriptor's status as it is now. */
  status(index: number): number {
    return decodeDescriptor(this.bar, REGISTERS_BYTES + index * 24).status;
  }

  /** Puts indices on the driver ring, true or not, and publishes. */
  push(...indices: number[]): void {
    const ring = new Uint16Array(this.bus.buffer, this.#queue + this.layout.driverOffset);
    for (const index of indices) {
      ring[1 + this.#driverIdx] = index;
      this.#driverIdx = (this.#driverIdx + 1) % this.numDescriptors;
    }
    Atomics.store(ring, 0, this.#driverIdx);
  }

  /** Starts again at the beginning of an empty driver ring. */
  reset(): void {
    this.#driverIdx = 0;
    this.publish(0);
  }

  /** Publishes any `idx`. */
  publish(idx: number): void {
    Atomics.store(
      new Uint16Array(this.bus.buffer, this.#queue + this.layout.driverOffset, 1),
      0,
      idx,
    );
  }

  /** How far the device has published. */
  get deviceIdx(): number {
    return Atomics.load(
      new Uint16Array(this.bus.buffer, this.#queue + this.layout.deviceOffset, 1),
      0,
    );
  }

  /** Has one descriptor served alone; gives its status. */
  async submit(index: number, descriptor: Descriptor): Promise<number> {
    const before = this.deviceIdx;
    this.fill(index, descriptor);
    this.push(index);
    await until(`an answer to descriptor ${index}`, () => this.deviceIdx !== before);
    return this.status(index);
  }

  get #queue(): number {
    return this.bus.bar.offset + REGISTERS_BYTES;
  }

  #status(): number {
    return Atomics.load(this.#words, Register.status / 4) >>> 0;
  }
}

/** Copies of regions of a bus, to see later that nothing there has changed. */
export class Canary {
  readonly #bus: Bus;
  readonly #before: Buffer;
  readonly #start: number;

  /** Watches from the BAR's start to the end of endpoint memory, and configuration space. */
  constructor(bus: Bus) {
    this.#bus = bus;
    this.#start = bus.bar.offset;
    this.#before = Buffer.from(this.#now());
  }

  /** Offsets of the bus whose bytes changed, outside the ranges that may. */
  changed(...allowed: { offset: number; length: number }[]): number[] {
    const now = this.#now();
    const changed: number[] = [];
    for (let index = 0; index < now.length; index++) {
      if (now[index] === this.#before[index]) continue;
      const at = this.#start + index;
      if (!allowed.some(({ offset, length }) => at >= offset && at < offset + length)) {
        changed.push(at);
      }
    }
    return changed;
  }

  #now(): Buffer {
    const end = this.#bus.endpointMemory.offset + this.#bus.endpointMemory.length;
    return Buffer.from(this.#bus.buffer, this.#start, end - this.#start);
  }
}
