// The engine in TypeScript: typed arrays and Atomics, no WebAssembly. Written to be
// fast: whole-buffer views, positions in fields, u64 as two words, no BigInt.

import { DESCRIPTOR_BYTES, DescriptorField } from "../../abi/layout.js";
import { checkGeometry, checkLimits, checkRange, checkRing, checkTable } from "../bounds.js";
import type { DeviceLimits, Engine, QueueGeometry } from "../engine.js";
import { LIST_CAPACITY, QueueFault, REQUEST_WORDS, RequestWord } from "../records.js";
import { TypeScriptDeviceQueue } from "./typescript-device-queue.js";
import { TypeScriptDriverQueue } from "./typescript-driver-queue.js";
import { Views } from "./views.js";

const DESCRIPTOR_WORDS = DESCRIPTOR_BYTES / 4;

export class TypeScriptEngine implements Engine {
  readonly kind = "typescript";
  readonly list = new Uint32Array(LIST_CAPACITY * REQUEST_WORDS);
  readonly #views: Views;
  readonly #busBytes: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#views = new Views(buffer);
    this.#busBytes = buffer.byteLength;
  }

  copy(target: number, source: number, lenBytes: number): void {
    checkRange(this.#busBytes, target, lenBytes);
    checkRange(this.#busBytes, source, lenBytes);
    this.#views.copy(target, source, lenBytes);
  }

  copyWords(target: number, source: number, lenBytes: number): void {
    checkRange(this.#busBytes, target, lenBytes);
    checkRange(this.#busBytes, source, lenBytes);
    this.#views.copyWords(target, source, lenBytes);
  }

  fill(offset: number, value: number, lenBytes: number): void {
    checkRange(this.#busBytes, offset, lenBytes);
    this.#views.u8.fill(value, offset, offset + lenBytes);
  }

  openDriverQueue(geometry: QueueGeometry, position = 0): TypeScriptDriverQueue {
    checkGeometry(this.#busBytes, geometry, position);
    return new TypeScriptDriverQueue(this.#views, geometry, position);
  }

  openDeviceQueue(geometry: QueueGeometry, limits: DeviceLimits): TypeScriptDeviceQueue {
    checkGeometry(this.#busBytes, geometry);
    checkLimits(this.#busBytes, limits);
    return new TypeScriptDeviceQueue(this.#views, geometry, limits);
  }

  encodeDescriptors(table: number, count: number): void {
    checkTable(this.#busBytes, table, count);
    const { u32 } = this.#views;
    const { list } = this;
    let word = table >>> 2;
    let record = 0;
    for (let index = 0; index < count; index++) {
      u32[word] = list[record + RequestWord.startSectorLow] as number;
      u32[word + 1] = list[record + RequestWord.startSectorHigh] as number;
      u32[word + 2] = list[record + RequestWord.address] as number;
      u32[word + 3] = 0;
      u32[word + 4] = list[record + RequestWord.lenBytes] as number;
      u32[word + 5] =
        ((list[record + RequestWord.opf] as number) & 0xff) |
        (((list[record + RequestWord.status] as number) & 0xff) << 8) |
        (((list[record + RequestWord.flags] as number) & 0xff) << 16);
      word += DESCRIPTOR_WORDS;
      record += REQUEST_WORDS;
    }
  }

  decodeDescriptors(table: number, count: number): void {
    checkTable(this.#busBytes, table, count);
    const { u32 } = this.#views;
    const { list } = this;
    let word = table >>> 2;
    let record = 0;
    for (let index = 0; index < count; index++) {
      const last = u32[word + (DescriptorField.opf >> 2)] as number;
      list[record + RequestWord.startSectorLow] = u32[word] as number;
      list[record + RequestWord.startSectorHigh] = u32[word + 1] as number;
      list[record + RequestWord.address] = u32[word + 2] as number;
      list[record + RequestWord.lenBytes] = u32[word + 4] as number;
      list[record + RequestWord.opf] = last & 0xff;
      list[record + RequestWord.tag] = index;
      list[record + RequestWord.flags] = (last >>> 16) & 0xff;
      list[record + RequestWord.status] = (last >>> 8) & 0xff;
      word += DESCRIPTOR_WORDS;
      record += REQUEST_WORDS;
    }
  }

  pushRing(ring: number, numDescriptors: number, position: number, count: number): number {
    checkRing(this.#busBytes, ring, numDescriptors, position, count);
    const { u16 } = this.#views;
    const idx = ring >>> 1;
    let next = position;
    for (let index = 0; index < count; index++) {
      u16[idx + 1 + next] = this.list[index] as number;
      if (++next === numDescriptors) next = 0;
    }
    // Publishes: pairs with the load in popRing.
    Atomics.store(u16, idx, next);
    return next;
  }

  popRing(ring: number, numDescriptors: number, position: number, capacity: number): number {
    checkRing(this.#busBytes, ring, numDescriptors, position, capacity);
    const { u16 } = this.#views;
    const idx = ring >>> 1;
    // Pairs with the store in pushRing.
    const head = Atomics.load(u16, idx);
    if (head >= numDescriptors) return -QueueFault.RING_INDEX;
    let next = position;
    let count = 0;
    while (next !== head && count < capacity) {
      const entry = u16[idx + 1 + next] as number;
      if (entry >= numDescriptors) return -QueueFault.DESCRIPTOR_INDEX;
      this.list[count++] = entry;
      if (++next === numDescriptors) next = 0;
    }
    return count;
  }

  close(): void {
    // Nothing in the bus is this engine's.
  }
}
