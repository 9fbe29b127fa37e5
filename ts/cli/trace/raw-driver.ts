// A root complex that writes what a recorded one wrote, byte for byte and be it malformed, without any opinion: commands
// into the registers, descriptors onto the rings.
//
// It rings no doorbell, so what a recording enabled of it is left out: the endpoint then looks by itself.

import type { Bus, TraceArguments, TraceDescriptor } from "blockpt";
import {
  Command,
  DESCRIPTOR_BYTES,
  DescriptorField,
  encodeDescriptor,
  Feature,
  Register,
  type Registers,
  readRegisters,
  Status,
} from "blockpt/abi";
import { settle } from "./pace.js";

/** A queue that SET_QUEUE has placed. */
interface RawQueue {
  readonly descriptors: number;
  readonly driverRing: number;
  readonly deviceRing: number;
  readonly numDescriptors: number;
  driverPosition: number;
  devicePosition: number;
  isGone: boolean;
  /** What is outstanding, by its descriptor. */
  readonly outstanding: Map<number, TraceDescriptor>;
}

export class RawDriver {
  readonly #bus: Bus;
  readonly #bar: DataView;
  readonly #words: Int32Array;
  readonly #u16: Uint16Array;
  readonly #queues = new Map<string, RawQueue>();
  readonly #onEnd: (request: TraceDescriptor, status: number) => void;

  /** @param onEnd - hears how each request was answered */
  constructor(bus: Bus, onEnd: (request: TraceDescriptor, status: number) => void) {
    this.#bus = bus;
    this.#bar = new DataView(bus.buffer, bus.bar.offset, bus.bar.length);
    this.#words = new Int32Array(bus.buffer, bus.bar.offset, 4);
    this.#u16 = new Uint16Array(bus.buffer);
    this.#onEnd = onEnd;
  }

  /** Gives a command; undefined if it is not answered. */
  async command(
    commandBits: number,
    args: TraceArguments,
    disc: string,
  ): Promise<Registers | undefined> {
    const queue = (commandBits & Command.SET_QUEUE) === 0 ? undefined : this.#place(args);
    // As the protocol has it; one that lies outside is the endpoint's to refuse.
    if (queue !== undefined) Atomics.store(this.#u16, queue.driverRing / 2, 0);
    this.#write(args);
    Atomics.store(this.#words, Register.status / 4, 0);
    Atomics.store(this.#words, Register.command / 4, commandBits);
    const isAnswered = await settle(
      () => 0,
      () => Atomics.load(this.#words, Register.status / 4) !== 0,
    );
    if (!isAnswered) return undefined;
    const registers = readRegisters(this.#bar);
    Atomics.store(this.#words, Register.status / 4, 0);
    if (queue !== undefined && registers.status === Status.SUCCESS) {
      this.#queues.set(`${disc} ${args.qidx}`, queue);
    }
    return registers;
  }

  /** Whether a queue has room for one more. */
  hasRoom(disc: string, queue: number): boolean {
    const found = this.#queues.get(`${disc} ${queue}`);
    return found === undefined || found.outstanding.size < found.numDescriptors - 1;
  }

  /** How many requests of a queue were not answered; of all queues, where none is named. */
  outstanding(disc?: string, queue?: number): number {
    if (disc !== undefined) return this.#queues.get(`${disc} ${queue}`)?.outstanding.size ?? 0;
    return [...this.#queues.values()].reduce((sum, each) => sum + each.outstanding.size, 0);
  }

  /** Puts a request; false where there is no such queue. */
  put(request: TraceDescriptor, address: bigint): boolean {
    const queue = this.#queues.get(`${request.disc} ${request.queue}`);
    if (queue === undefined) return false;
    let { index } = request;
    // As it is recorded, if that is free now.
    while (index >= queue.numDescriptors || queue.outstanding.has(index)) {
      index = (index + 1) % queue.numDescriptors;
    }
    const { lenBytes, opf, flagBits: flags } = request;
    const startSector = BigInt(request.startSector);
    const bytes = new Uint8Array(this.#bus.buffer);
    const start = queue.descriptors + index * DESCRIPTOR_BYTES;
    encodeDescriptor(bytes, start, { startSector, address, lenBytes, opf, status: 0, flags });
    queue.outstanding.set(index, request);
    const ring = queue.driverRing / 2;
    this.#u16[ring + 1 + queue.driverPosition] = index;
    queue.driverPosition = (queue.driverPosition + 1) % queue.numDescriptors;
    Atomics.store(this.#u16, ring, queue.driverPosition);
    return true;
  }

  /** Takes what has been answered; says how many that were. */
  reap(): number {
    let count = 0;
    for (const queue of this.#queues.values()) {
      const ring = queue.deviceRing / 2;
      const head = Atomics.load(this.#u16, ring);
      if (head >= queue.numDescriptors) queue.isGone = true;
      while (!queue.isGone && queue.devicePosition !== head) {
        this.#end(queue, this.#u16[ring + 1 + queue.devicePosition] as number);
        queue.devicePosition = (queue.devicePosition + 1) % queue.numDescriptors;
        count++;
      }
    }
    return count;
  }

  #end(queue: RawQueue, index: number): void {
    const request = queue.outstanding.get(index);
    queue.outstanding.delete(index);
    const start = queue.descriptors + index * DESCRIPTOR_BYTES;
    const bytes = new Uint8Array(this.#bus.buffer, start, DESCRIPTOR_BYTES);
    const status = bytes[DescriptorField.status] as number;
    bytes.fill(0);
    if (request !== undefined) this.#onEnd(request, status);
  }

  #write(args: TraceArguments): void {
    const bar = this.#bar;
    bar.setUint8(Register.devIdx, args.devIdx);
    bar.setUint8(Register.qidx, args.qidx);
    const words = [
      [Register.irq, args.irq],
      [Register.queueOffset, args.queueOffset],
      [Register.drvOffset, args.drvOffset],
      [Register.devOffset, args.devOffset],
      [Register.numDesc, args.numDesc],
      [Register.qsize, args.qsize],
      [Register.extEnabled, args.extEnabled & ~Feature.DOORBELL],
    ] as const;
    for (const [register, value] of words) bar.setUint32(register, value, true);
  }

  /** The queue that SET_QUEUE speaks of, if it can be in the BAR. */
  #place(args: TraceArguments): RawQueue | undefined {
    const { queueOffset, drvOffset, devOffset, numDesc } = args;
    const start = this.#bar.getUint32(Register.queueBarOffset, true) + queueOffset;
    const ring = 2 + 2 * numDesc;
    const end = start + Math.max(numDesc * DESCRIPTOR_BYTES, drvOffset + ring, devOffset + ring);
    const isEven = queueOffset % 8 === 0 && drvOffset % 2 === 0 && devOffset % 2 === 0;
    if (end > this.#bar.byteLength || !isEven) return undefined;
    const at = this.#bus.bar.offset + start;
    return {
      descriptors: at,
      driverRing: at + drvOffset,
      deviceRing: at + devOffset,
      numDescriptors: numDesc,
      ...{ driverPosition: 0, devicePosition: 0, isGone: false, outstanding: new Map() },
    };
  }
}
