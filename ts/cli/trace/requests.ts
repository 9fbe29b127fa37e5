// Descriptors and their completions, brought together: how long each request took.

import type { TraceCompletion, TraceDescriptor, TraceRecord } from "blockpt";

/** A request that was answered. */
export interface Answered {
  readonly request: TraceDescriptor;
  readonly completion: TraceCompletion;
  readonly latencyUs: number;
}

/** Sees the records in their order, and keeps what has not been answered. */
export class Requests {
  readonly #open = new Map<string, TraceDescriptor>();

  /** Those of which no end was recorded. */
  get unanswered(): TraceDescriptor[] {
    return [...this.#open.values()];
  }

  /** What a record is the end of, if it is one. */
  see(record: TraceRecord): Answered | undefined {
    if (record.event === "descriptor") {
      this.#open.set(keyOf(record), record);
    } else if (record.event === "completion") {
      const request = this.#open.get(keyOf(record));
      this.#open.delete(keyOf(record));
      if (request === undefined) return undefined;
      const latencyUs = Math.max(0, record.timeUs - request.timeUs);
      return { request, completion: record, latencyUs };
    }
    return undefined;
  }
}

function keyOf({ side, disc, queue, index }: TraceDescriptor | TraceCompletion): string {
  return `${side} ${queue} ${index} ${disc}`;
}
