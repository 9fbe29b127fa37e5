// Descriptors and their completions, brought together: how long each request took.

import type { TraceCompletion, TraceDescriptor, TraceRecord } from "./trace-record.js";

/** A request that was answered. */
export interface TraceAnswered {
  /** The request. */
  readonly request: TraceDescriptor;
  /** Its end. */
  readonly completion: TraceCompletion;
  /** From one to the other, in microseconds. */
  readonly latencyUs: number;
}

/**
 * Brings descriptors and completions together: is shown the records of a trace in the order of time, each once.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, RootComplex, Trace, TraceRequests } from "blockpt";
 *
 * const bus = await createBus();
 * const trace = new Trace();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", trace });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * await (await rc.attach("ram0")).read(new Uint8Array(512), 0);
 * await rc.close();
 * await endpoint.close();
 *
 * const requests = new TraceRequests();
 * for (const record of trace.records()) {
 *   const answered = requests.see(record);
 *   if (answered !== undefined) console.log(answered.completion.status); // OK
 * }
 * ```
 */
export class TraceRequests {
  readonly #open = new Map<string, TraceDescriptor>();

  /** Those of which no end was seen. */
  get unanswered(): TraceDescriptor[] {
    return [...this.#open.values()];
  }

  /** What a record is the end of, if it is one. */
  see(record: TraceRecord): TraceAnswered | undefined {
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
