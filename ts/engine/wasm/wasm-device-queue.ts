// The device's end of a queue in WebAssembly: one call fetches, checks and, for a
// disc in the bus, serves all that is new.
//
//   context   ┌──────────────┐
//             │ DeviceQueue  │  of crates/core, with the state of each descriptor
//             ├──────────────┤
//             │ requests     │  list, from fetch
//             ├──────────────┤
//             │ completions  │  list, to complete
//             └──────────────┘

import { roundUp } from "../../abi/queue-layout.js";
import { assert } from "../../errors.js";
import type { BusRange, DeviceLimits, DeviceQueue, QueueGeometry } from "../engine.js";
import { COMPLETION_WORDS, LIST_CAPACITY, REQUEST_WORDS } from "../records.js";
import type { WasmExports } from "./exports.js";
import type { WasmEngine } from "./wasm-engine.js";

const REQUEST_LIST_BYTES = LIST_CAPACITY * REQUEST_WORDS * 4;
const COMPLETION_LIST_BYTES = LIST_CAPACITY * COMPLETION_WORDS * 4;

export class WasmDeviceQueue implements DeviceQueue {
  readonly requests: Uint32Array;
  readonly completions: Uint32Array;
  readonly #engine: WasmEngine;
  readonly #exports: WasmExports;
  readonly #context: number;
  readonly #requestList: number;
  readonly #completionList: number;

  constructor(engine: WasmEngine, geometry: QueueGeometry, limits: DeviceLimits) {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    const { buffer } = engine;
    this.#engine = engine;
    this.#exports = engine.exports;
    const contextBytes = roundUp(this.#exports.device_queue_bytes(numDescriptors), 8);
    this.#context = engine.claim(contextBytes + REQUEST_LIST_BYTES + COMPLETION_LIST_BYTES);
    this.#requestList = this.#context + contextBytes;
    this.#completionList = this.#requestList + REQUEST_LIST_BYTES;
    this.requests = new Uint32Array(buffer, this.#requestList, LIST_CAPACITY * REQUEST_WORDS);
    this.completions = new Uint32Array(
      buffer,
      this.#completionList,
      LIST_CAPACITY * COMPLETION_WORDS,
    );
    const opened = this.#exports.device_queue_open(
      this.#context,
      buffer.byteLength,
      descriptors,
      driverRing,
      deviceRing,
      numDescriptors,
      limits.numSectors,
      limits.maxLenBytes,
      limits.readOnly ? 1 : 0,
      limits.hostMemory.offset,
      limits.hostMemory.length,
      limits.iommuTable,
    );
    assert(opened === 1, "a device queue's geometry is outside the bus");
  }

  get completed(): number {
    return this.#exports.device_queue_completed(this.#context) >>> 0;
  }

  fetch(polls: number): number {
    return this.#exports.device_queue_fetch(this.#context, this.#requestList, LIST_CAPACITY, polls);
  }

  serve(disc: BusRange, pio: boolean, polls: number, most: number): number {
    const { offset, length } = disc;
    return this.#exports.device_queue_serve(
      this.#context,
      offset,
      length,
      pio ? 1 : 0,
      polls,
      most,
    );
  }

  complete(count: number): void {
    this.#exports.device_queue_complete(this.#context, this.#completionList, count);
  }

  close(): void {
    this.#engine.release(this.#context);
  }
}
