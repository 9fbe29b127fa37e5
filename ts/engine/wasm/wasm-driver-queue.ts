// The driver's end of a queue in WebAssembly. Requests gather in a list and cross
// the line in one call a batch: a call for each would cost as much as its work.

import { assert } from "../../errors.js";
import type { DriverQueue, QueueGeometry } from "../engine.js";
import { LIST_CAPACITY, REQUEST_WORDS, RequestWord } from "../records.js";
import type { WasmExports } from "./exports.js";
import { QueueContext } from "./queue-context.js";
import type { WasmEngine } from "./wasm-engine.js";

export class WasmDriverQueue implements DriverQueue {
  readonly completions: Uint32Array;
  readonly #exports: WasmExports;
  readonly #context: QueueContext;
  readonly #requests: Uint32Array;
  readonly #numDescriptors: number;
  #available: number;
  /** The driver ring's, of what was published. */
  #position: number;
  #staged = 0;

  constructor(engine: WasmEngine, geometry: QueueGeometry, position: number) {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    this.#exports = engine.exports;
    this.#context = new QueueContext(engine, this.#exports.driver_queue_bytes(numDescriptors));
    this.#requests = this.#context.requests;
    this.completions = this.#context.completions;
    const opened = this.#exports.driver_queue_open(
      this.#context.offset,
      engine.buffer.byteLength,
      descriptors,
      driverRing,
      deviceRing,
      numDescriptors,
      position,
    );
    assert(opened === 1, "a driver queue's geometry is outside the bus");
    this.#numDescriptors = numDescriptors;
    this.#available = numDescriptors - 1;
    this.#position = position;
  }

  get available(): number {
    return this.#available;
  }

  get position(): number {
    return (this.#position + this.#staged) % this.#numDescriptors;
  }

  put(
    startSector: number,
    address: number,
    lenBytes: number,
    opf: number,
    flags: number,
    tag: number,
  ): void {
    const words = this.#requests;
    const record = this.#staged * REQUEST_WORDS;
    words[record + RequestWord.startSectorLow] = startSector;
    words[record + RequestWord.startSectorHigh] =
      startSector > 0xffff_ffff ? startSector / 0x1_0000_0000 : 0;
    words[record + RequestWord.address] = address;
    words[record + RequestWord.lenBytes] = lenBytes;
    words[record + RequestWord.opf] = opf;
    words[record + RequestWord.tag] = tag;
    // Each time: the record was another request's.
    words[record + RequestWord.flags] = flags;
    this.#available--;
    if (++this.#staged === LIST_CAPACITY) this.publish();
  }

  publish(): void {
    const staged = this.#staged;
    if (staged === 0) return;
    this.#staged = 0;
    const { offset, requestList } = this.#context;
    const put = this.#exports.driver_queue_submit(offset, requestList, staged);
    this.#position = (this.#position + staged) % this.#numDescriptors;
    assert(put === staged, "more requests were put than descriptors are free");
  }

  reap(): number {
    const { offset, completionList } = this.#context;
    const count = this.#exports.driver_queue_reap(offset, completionList, LIST_CAPACITY);
    if (count > 0) this.#available += count;
    return count;
  }

  close(): void {
    this.#context.close();
  }
}
