// The driver's end of a queue in TypeScript; crates/core/src/driver_queue.rs is its twin.

import { DESCRIPTOR_BYTES, DescriptorField, DescriptorFlag, RING_GONE } from "../../abi/layout.js";
import type { DriverQueue, QueueGeometry } from "../engine.js";
import { COMPLETION_WORDS, CompletionWord, LIST_CAPACITY, QueueFault } from "../records.js";
import type { Views } from "./views.js";

const DESCRIPTOR_WORDS = DESCRIPTOR_BYTES / 4;
const FLAGS_SHIFT = (DescriptorField.flags % 4) * 8;
const STATUS_SHIFT = (DescriptorField.status % 4) * 8;

/** The mark of a descriptor that is not outstanding. */
const FREE = 0xffff_ffff;

export class TypeScriptDriverQueue implements DriverQueue {
  readonly completions = new Uint32Array(LIST_CAPACITY * COMPLETION_WORDS);
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  readonly #descriptors: number;
  readonly #driverRing: number;
  readonly #deviceRing: number;
  readonly #numDescriptors: number;
  /** A stack of free descriptors, `#available` high. */
  readonly #free: Uint16Array;
  readonly #tags: Uint32Array;
  #available: number;
  #driverPosition: number;
  #devicePosition: number;
  #published: number;
  #fault = 0;

  constructor(views: Views, geometry: QueueGeometry, position: number) {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    this.#u16 = views.u16;
    this.#u32 = views.u32;
    this.#descriptors = descriptors >>> 2;
    this.#driverRing = driverRing >>> 1;
    this.#deviceRing = deviceRing >>> 1;
    this.#numDescriptors = numDescriptors;
    // One descriptor is never used: a full ring would read as empty.
    this.#available = numDescriptors - 1;
    this.#free = new Uint16Array(this.#available);
    for (let height = 0; height < this.#available; height++) {
      this.#free[height] = this.#available - 1 - height;
    }
    this.#tags = new Uint32Array(numDescriptors).fill(FREE);
    this.#driverPosition = position;
    this.#devicePosition = position;
    this.#published = position;
    Atomics.store(this.#u16, this.#driverRing, position);
  }

  get available(): number {
    return this.#available;
  }

  get position(): number {
    return this.#driverPosition;
  }

  put(
    startSector: number,
    address: number,
    lenBytes: number,
    opf: number,
    flags: number,
    tag: number,
  ): void {
    const index = this.#free[--this.#available] as number;
    this.#tags[index] = tag;
    const u32 = this.#u32;
    const word = this.#descriptors + index * DESCRIPTOR_WORDS;
    u32[word] = startSector;
    u32[word + 1] = startSector > 0xffff_ffff ? startSector / 0x1_0000_0000 : 0;
    u32[word + 2] = address;
    u32[word + 3] = 0;
    u32[word + 4] = lenBytes;
    u32[word + 5] = opf | ((flags | DescriptorFlag.IN_USE) << FLAGS_SHIFT);
    this.#u16[this.#driverRing + 1 + this.#driverPosition] = index;
    if (++this.#driverPosition === this.#numDescriptors) this.#driverPosition = 0;
  }

  publish(): void {
    if (this.#published === this.#driverPosition) return;
    this.#published = this.#driverPosition;
    // Pairs with the device's load of the driver ring's idx.
    Atomics.store(this.#u16, this.#driverRing, this.#driverPosition);
  }

  reap(): number {
    if (this.#fault !== 0) return this.#fault;
    const u16 = this.#u16;
    // Pairs with the device's store of the device ring's idx.
    const head = Atomics.load(u16, this.#deviceRing);
    if (head === this.#devicePosition) return 0;
    if (head === RING_GONE) return this.#stop(QueueFault.GONE, 0);
    if (head >= this.#numDescriptors) return this.#stop(QueueFault.RING_INDEX, 0);
    // More completions than requests: the ring was set back, as by a reset of the BAR.
    const count =
      head - this.#devicePosition + (head < this.#devicePosition ? this.#numDescriptors : 0);
    if (count > this.#numDescriptors - 1 - this.#available) {
      return this.#stop(QueueFault.RING_INDEX, 0);
    }
    const { completions } = this;
    const u32 = this.#u32;
    let record = 0;
    while (this.#devicePosition !== head && record < completions.length) {
      const index = u16[this.#deviceRing + 1 + this.#devicePosition] as number;
      if (++this.#devicePosition === this.#numDescriptors) this.#devicePosition = 0;
      if (index >= this.#numDescriptors) return this.#stop(QueueFault.DESCRIPTOR_INDEX, record);
      const tag = this.#tags[index] as number;
      if (tag === FREE) return this.#stop(QueueFault.DESCRIPTOR_STATE, record);
      const word = this.#descriptors + index * DESCRIPTOR_WORDS;
      const last = u32[word + 5] as number;
      // A descriptor that is not as it was put, as after a reset of the BAR, has no result.
      if (((last >>> FLAGS_SHIFT) & DescriptorFlag.IN_USE) === 0) {
        return this.#stop(QueueFault.DESCRIPTOR_STATE, record);
      }
      const status = (last >>> STATUS_SHIFT) & 0xff;
      for (let clear = 0; clear < DESCRIPTOR_WORDS; clear++) u32[word + clear] = 0;
      this.#tags[index] = FREE;
      this.#free[this.#available++] = index;
      completions[record + CompletionWord.tag] = tag;
      completions[record + CompletionWord.status] = status;
      record += COMPLETION_WORDS;
    }
    return record / COMPLETION_WORDS;
  }

  /** Notes a fault; what came before it is given first. */
  #stop(fault: number, record: number): number {
    this.#fault = -fault;
    return record === 0 ? this.#fault : record / COMPLETION_WORDS;
  }

  close(): void {
    // Nothing in the bus is this queue's.
  }
}
