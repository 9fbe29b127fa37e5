// The device's end of a queue in WebAssembly: one call fetches, checks and, for a
// disc in the bus, serves all that is new.

import { assert } from "../../errors.js";
import { checkBatch, checkList, checkPolls, checkServe, checkSize } from "../bounds.js";
import type { BusRange, DeviceLimits, DeviceQueue, QueueGeometry } from "../engine.js";
import { COUNTERS, LIST_CAPACITY } from "../records.js";
import type { WasmExports } from "./exports.js";
import { QueueContext } from "./queue-context.js";
import type { WasmEngine } from "./wasm-engine.js";

export class WasmDeviceQueue implements DeviceQueue {
  readonly requests: Uint32Array;
  readonly completions: Uint32Array;
  readonly counters: Float64Array;
  readonly #exports: WasmExports;
  readonly #context: QueueContext;
  readonly #busBytes: number;
  #numSectors: number;

  constructor(engine: WasmEngine, geometry: QueueGeometry, limits: DeviceLimits) {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    this.#exports = engine.exports;
    this.#busBytes = engine.buffer.byteLength;
    this.#numSectors = limits.numSectors;
    this.#context = new QueueContext(engine, this.#exports.device_queue_bytes(numDescriptors));
    this.requests = this.#context.requests;
    this.completions = this.#context.completions;
    const opened = this.#exports.device_queue_open(
      this.#context.offset,
      engine.buffer.byteLength,
      descriptors,
      driverRing,
      deviceRing,
      numDescriptors,
      limits.numSectors,
      limits.maxLenBytes,
      limits.readOnly ? 1 : 0,
      limits.features,
      limits.hostMemory.offset,
      limits.hostMemory.length,
      limits.iommuTable,
    );
    assert(opened === 1, "a device queue's geometry is outside the bus");
    const counters = this.#exports.device_queue_counters(this.#context.offset);
    this.counters = new Float64Array(engine.buffer, counters, COUNTERS);
  }

  get completed(): number {
    return this.#exports.device_queue_completed(this.#context.offset) >>> 0;
  }

  fetch(polls: number): number {
    checkPolls(polls);
    const { offset, requestList } = this.#context;
    return this.#exports.device_queue_fetch(offset, requestList, LIST_CAPACITY, polls);
  }

  serve(disc: BusRange, pio: boolean, polls: number, most: number): number {
    checkServe(this.#busBytes, disc, this.#numSectors, polls, most);
    const { offset, length } = disc;
    const context = this.#context.offset;
    return this.#exports.device_queue_serve(context, offset, length, pio ? 1 : 0, polls, most);
  }

  answer(polls: number, most: number): number {
    checkBatch(polls, most);
    return this.#exports.device_queue_answer(this.#context.offset, polls, most);
  }

  resize(numSectors: number): void {
    checkSize(numSectors);
    this.#numSectors = numSectors;
    this.#exports.device_queue_resize(this.#context.offset, numSectors);
  }

  complete(count: number): void {
    checkList(count);
    const { offset, completionList } = this.#context;
    this.#exports.device_queue_complete(offset, completionList, count);
  }

  close(): void {
    this.#context.close();
  }
}
