// The machine: a bus made here, in the main thread, and a thread for each of its two
// sides. They share the bus and nothing else.

import { createBus, type EngineKind } from "blockpt";
import type { Cleanup } from "../cleanup.js";
import type { Recording } from "../trace/recording.js";
import type { DiscSpec, EndpointCalls, EndpointEvent, FunctionSpec } from "./endpoint-worker.js";
import type { ProbeResult, RootComplexCalls, RootComplexEvent } from "./root-complex-worker.js";
import { startThread, type Thread } from "./thread.js";

export interface Machine {
  readonly engine: EngineKind;
  readonly rootComplex: Thread<RootComplexCalls>;
  /** What the driver found when it was loaded. */
  readonly probed: ProbeResult;
  /** Hears how far a copy is. */
  onCopied(listener: (copiedBytes: number) => void): void;
  /** Takes the link down and ends both threads; all disks are detached. */
  close(): Promise<void>;
}

/** What the endpoint is to be. */
export interface MachineOptions {
  readonly function: FunctionSpec;
  readonly discs: readonly DiscSpec[];
  /** Hears what the endpoint complains of. */
  readonly onEndpointLog: (line: string) => void;
  readonly recording: Recording;
}

/** Endpoint memory comes in multiples of this. */
const ENDPOINT_MEMORY_UNIT = 65536;

/** Makes a bus, starts the endpoint on it and probes it from the other side. */
export async function startMachine(
  engine: EngineKind,
  options: MachineOptions,
  cleanup: Cleanup,
): Promise<Machine> {
  const bus = await createBus({ engine, endpointMemoryBytes: endpointMemoryFor(options.discs) });
  const trace = options.recording?.(bus)?.handle;
  // The names of the bundles beside the command line's (scripts/build.mjs).
  const endpoint = startThread<EndpointCalls, EndpointEvent>(
    "endpoint",
    new URL("./demo-endpoint.js", import.meta.url),
    cleanup,
    ({ line }) => options.onEndpointLog(line),
  );
  let copied: (bytes: number) => void = () => {};
  const rootComplex = startThread<RootComplexCalls, RootComplexEvent>(
    "root complex",
    new URL("./demo-root-complex.js", import.meta.url),
    cleanup,
    ({ copiedBytes }) => copied(copiedBytes),
  );
  await endpoint.call("start", {
    bus: bus.handle,
    function: options.function,
    discs: options.discs,
    trace,
  });
  return {
    engine: bus.engine.kind,
    rootComplex,
    probed: await rootComplex.call("probe", { bus: bus.handle, trace }),
    onCopied: (listener) => {
      copied = listener;
    },
    close: async () => {
      await endpoint.call("close");
      await Promise.all([rootComplex.terminate(), endpoint.terminate()]);
      bus.close();
    },
  };
}

/** Room for the memory discs. */
function endpointMemoryFor(discs: readonly DiscSpec[]): number {
  let units = 1;
  for (const disc of discs) {
    if (disc.kind === "memory") units += Math.ceil(disc.sizeBytes / ENDPOINT_MEMORY_UNIT);
  }
  return units * ENDPOINT_MEMORY_UNIT;
}
