// The driver's end of a queue in WebAssembly. Requests gather in a list and cross
// the line in one call a batch: a call for each would cost as much as its work.
//
//   context   ┌──────────────┐
//             │ DriverQueue  │  of crates/core, with its stack of free descriptors
//             ├──────────────┤
//             │ requests     │  list, to publish
//             ├──────────────┤
//             │ completions  │  list, from reap
//             └──────────────┘

import { roundUp } from "../../abi/queue-layout.js";
import { assert } from "../../errors.js";
import type { DriverQueue, QueueGeometry } from "../engine.js";
import { COMPLETION_WORDS, LIST_CAPACITY, REQUEST_WORDS, RequestWord } from "../records.js";
import type { WasmExports } from "./exports.js";
import type { WasmEngine } from "./wasm-engine.js";

const REQUEST_LIST_BYTES = LIST_CAPACITY * REQUEST_WORDS * 4;
const COMPLETION_LIST_BYTES = LIST_CAPACITY * COMPLETION_WORDS * 4;

export class WasmDriverQueue implements DriverQueue {
  readonly completions: Uint32Array;
  readonly #engine: WasmEngine;
  readonly #exports: WasmExports;
  readonly #context: number;
  readonly #requestList: number;
  readonly #completionList: number;
  readonly #requests: Uint32Array;
  #available: number;
  #staged = 0;

  constructor(engine: WasmEngine, geometry: QueueGeometry) {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    this.#engine = engine;
    this.#exports = engine.exports;
    const contextBytes = roundUp(this.#exports.driver_queue_bytes(numDescriptors), 8);
    this.#context = engine.claim(contextBytes + REQUEST_LIST_BYTES + COMPLETION_LIST_BYTES);
    this.#requestList = this.#context + contextBytes;
    this.#completionList = this.#requestList + REQUEST_LIST_BYTES;
    const { buffer } = engine;
    this.#requests = new Uint32Array(buffer, this.#requestList, LIST_CAPACITY * REQUEST_WORDS);
    this.completions = new Uint32Array(
      buffer,
      this.#completionList,
      LIST_CAPACITY * COMPLETION_WORDS,
    );
    const opened = this.#exports.driver_queue_open(
      this.#context,
      buffer.byteLength,
      descriptors,
      driverRing,
      deviceRing,
      numDescriptors,
    );
    assert(opened === 1, "a driver queue's geometry is outside the bus");
    this.#available = numDescriptors - 1;
  }

  get available(): number {
    return this.#available;
  }

  put(startSector: number, address: number, lenBytes: number, opf: number, tag: number): void {
    const words = this.#requests;
    const record = this.#staged * REQUEST_WORDS;
    words[record + RequestWord.startSectorLow] = startSector;
    words[record + RequestWord.startSectorHigh] =
      startSector > 0xffff_ffff ? startSector / 0x1_0000_0000 : 0;
    words[record + RequestWord.address] = address;
    words[record + RequestWord.lenBytes] = lenBytes;
    words[record + RequestWord.opf] = opf;
    words[record + RequestWord.tag] = tag;
    this.#available--;
    if (++this.#staged === LIST_CAPACITY) this.publish();
  }

  publish(): void {
    const staged = this.#staged;
    if (staged === 0) return;
    this.#staged = 0;
    const put = this.#exports.driver_queue_submit(this.#context, this.#requestList, staged);
    assert(put === staged, "more requests were put than descriptors are free");
  }

  reap(): number {
    const count = this.#exports.driver_queue_reap(
      this.#context,
      this.#completionList,
      LIST_CAPACITY,
    );
    if (count > 0) this.#available += count;
    return count;
  }

  close(): void {
    this.#engine.release(this.#context);
  }
}
