// The endpoint's thread: the function on its controller and the discs it exports. Knows
// the bus and its own discs; knows nothing of the root complex.

import {
  type BusHandle,
  type Disc,
  Endpoint,
  FileDisc,
  MemoryDisc,
  openBus,
  openTrace,
  type TraceHandle,
} from "blockpt";
import { answerCalls, tell } from "./thread.js";

/** A disc to export. */
export type DiscSpec = {
  /** The export's name on the endpoint. */
  readonly name: string;
  /** The name that the root complex sees. */
  readonly discName: string;
} & (
  | { readonly kind: "file"; readonly path: string; readonly readOnly: boolean }
  | { readonly kind: "memory"; readonly sizeBytes: number }
);

/** The function, as the user guide configures it. */
export interface FunctionSpec {
  readonly controller: string;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly msixInterrupts: number;
}

/** A line that the endpoint logged. */
export interface EndpointEvent {
  readonly line: string;
}

export type EndpointCalls = typeof calls;

let endpoint: Endpoint | undefined;

const calls = {
  /** Makes the function, exports the discs, and brings the link up. */
  async start(what: {
    bus: BusHandle;
    function: FunctionSpec;
    discs: readonly DiscSpec[];
    trace: TraceHandle | undefined;
  }): Promise<void> {
    const bus = openBus(what.bus);
    const log = (line: string): void => tell<EndpointEvent>({ line });
    const trace = what.trace && openTrace(what.trace);
    endpoint = await Endpoint.create(bus, { ...what.function, log, trace });
    for (const spec of what.discs) {
      const disc: Disc =
        spec.kind === "file"
          ? await FileDisc.open(spec.path, { readOnly: spec.readOnly })
          : MemoryDisc.create(bus, spec.sizeBytes);
      await endpoint.exportDisc(spec.name, disc, { discName: spec.discName });
    }
    await endpoint.start();
  },

  /** Takes the link down and closes the discs. */
  async close(): Promise<void> {
    await endpoint?.close();
    endpoint = undefined;
  },
};

answerCalls(calls);
