// What a queue of the WebAssembly engine takes of the bus's workspace:
//
//   context   ┌──────────────┐
//             │ the queue    │  DriverQueue or DeviceQueue of crates/core, and its arrays
//             ├──────────────┤
//             │ requests     │  list: to submit, or fetched
//             ├──────────────┤
//             │ completions  │  list: reaped, or to complete
//             └──────────────┘

import { roundUp } from "../../abi/queue-layout.js";
import { COMPLETION_WORDS, LIST_CAPACITY, REQUEST_WORDS } from "../records.js";
import type { WasmEngine } from "./wasm-engine.js";

export class QueueContext {
  /** Where the queue is. */
  readonly offset: number;
  /** Where the lists are, and views of them. */
  readonly requestList: number;
  readonly completionList: number;
  readonly requests: Uint32Array;
  readonly completions: Uint32Array;
  readonly #engine: WasmEngine;
  #isClosed = false;

  constructor(engine: WasmEngine, queueBytes: number) {
    const requestWords = LIST_CAPACITY * REQUEST_WORDS;
    const completionWords = LIST_CAPACITY * COMPLETION_WORDS;
    const listOffset = roundUp(queueBytes, 8);
    this.#engine = engine;
    this.offset = engine.claim(listOffset + (requestWords + completionWords) * 4);
    this.requestList = this.offset + listOffset;
    this.completionList = this.requestList + requestWords * 4;
    this.requests = new Uint32Array(engine.buffer, this.requestList, requestWords);
    this.completions = new Uint32Array(engine.buffer, this.completionList, completionWords);
    // The pages were somebody else's, and a driver writes all of a request but `status`.
    this.requests.fill(0);
  }

  close(): void {
    // Once: by the second time the pages may be somebody else's.
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#engine.release(this.offset);
  }
}
