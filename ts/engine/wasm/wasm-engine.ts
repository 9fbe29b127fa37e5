// The engine of crates/core: one instance a thread, over the bus's memory.
//
// An instance takes one page of the bus's workspace:
//
//   0      ┌───────────────┐
//          │ list          │  records for encode, decode, push and pop
//   8 KiB  ├───────────────┤
//          │ stack         │  grows down from the end: instances that share a
//   64 KiB └───────────────┘  memory share its stack, unless each is given its own

import { BlockptError } from "../../errors.js";
import { checkGeometry, checkLimits, checkRange, checkRing, checkTable } from "../bounds.js";
import type { BusRange, DeviceLimits, Engine, QueueGeometry } from "../engine.js";
import { PageAllocator, WORKSPACE_PAGE_BYTES } from "../page-allocator.js";
import { LIST_CAPACITY, REQUEST_WORDS } from "../records.js";
import type { WasmExports } from "./exports.js";
import { WasmDeviceQueue } from "./wasm-device-queue.js";
import { WasmDriverQueue } from "./wasm-driver-queue.js";

export class WasmEngine implements Engine {
  readonly kind = "wasm";
  readonly list: Uint32Array;
  /** The instance's functions. */
  readonly exports: WasmExports;
  /** The bus's bytes. */
  readonly buffer: SharedArrayBuffer;
  readonly #busBytes: number;
  readonly #workspace: PageAllocator;
  readonly #page: number;

  constructor(
    memory: WebAssembly.Memory,
    module: WebAssembly.Module,
    workspace: BusRange,
    workspaceTable: number,
    owner: number,
  ) {
    this.buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.#busBytes = this.buffer.byteLength;
    this.#workspace = new PageAllocator(
      this.buffer,
      workspaceTable,
      workspace,
      WORKSPACE_PAGE_BYTES,
      owner,
    );
    this.#page = this.claim(WORKSPACE_PAGE_BYTES);
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    this.exports = instance.exports as unknown as WasmExports;
    this.exports.__stack_pointer.value = this.#page + WORKSPACE_PAGE_BYTES;
    this.list = new Uint32Array(this.buffer, this.#page, LIST_CAPACITY * REQUEST_WORDS);
  }

  /** Claims room in the workspace. */
  claim(lenBytes: number): number {
    const offset = this.#workspace.claim(lenBytes);
    if (offset === undefined) {
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `the bus's workspace has no room for ${lenBytes} bytes: too many queues or threads are open`,
      );
    }
    return offset;
  }

  /** Gives room in the workspace back. */
  release(offset: number): void {
    this.#workspace.release(offset);
  }

  copy(target: number, source: number, lenBytes: number): void {
    checkRange(this.#busBytes, target, lenBytes);
    checkRange(this.#busBytes, source, lenBytes);
    this.exports.copy(this.#busBytes, target, source, lenBytes);
  }

  copyWords(target: number, source: number, lenBytes: number): void {
    checkRange(this.#busBytes, target, lenBytes);
    checkRange(this.#busBytes, source, lenBytes);
    this.exports.copy_words(this.#busBytes, target, source, lenBytes);
  }

  fill(offset: number, value: number, lenBytes: number): void {
    checkRange(this.#busBytes, offset, lenBytes);
    this.exports.fill(this.#busBytes, offset, value, lenBytes);
  }

  openDriverQueue(geometry: QueueGeometry, position = 0): WasmDriverQueue {
    checkGeometry(this.#busBytes, geometry, position);
    return new WasmDriverQueue(this, geometry, position);
  }

  openDeviceQueue(geometry: QueueGeometry, limits: DeviceLimits): WasmDeviceQueue {
    checkGeometry(this.#busBytes, geometry);
    checkLimits(this.#busBytes, limits);
    return new WasmDeviceQueue(this, geometry, limits);
  }

  encodeDescriptors(table: number, count: number): void {
    checkTable(this.#busBytes, table, count);
    this.exports.encode_descriptors(this.#busBytes, table, this.#page, count);
  }

  decodeDescriptors(table: number, count: number): void {
    checkTable(this.#busBytes, table, count);
    this.exports.decode_descriptors(this.#busBytes, table, this.#page, count);
  }

  pushRing(ring: number, numDescriptors: number, position: number, count: number): number {
    checkRing(this.#busBytes, ring, numDescriptors, position, count);
    return this.exports.push_ring(
      this.#busBytes,
      ring,
      numDescriptors,
      position,
      this.#page,
      count,
    );
  }

  popRing(ring: number, numDescriptors: number, position: number, capacity: number): number {
    checkRing(this.#busBytes, ring, numDescriptors, position, capacity);
    return this.exports.pop_ring(
      this.#busBytes,
      ring,
      numDescriptors,
      position,
      this.#page,
      capacity,
    );
  }

  close(): void {
    this.release(this.#page);
  }
}
