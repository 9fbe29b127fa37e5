// The machine of a copy, all in this process: an endpoint that exports the two discs, and a
// root complex that has attached them. Each disc is served by a thread of its own.

import {
  createBus,
  type Disc,
  Endpoint,
  type EngineChoice,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import type { Cleanup } from "../cleanup.js";
import type { Recording } from "../trace/recording.js";

export interface CopyMachine {
  readonly source: RemoteDisk;
  readonly target: RemoteDisk;
  close(): Promise<void>;
}

/** Beside the buffers: the interrupts' page, and what a request that is merged needs. */
const SPARE_BYTES = 1024 * 1024;

/**
 * Exports both discs and attaches them. The endpoint closes the discs, in whatever way the
 * command ends.
 *
 * @param bufferBytes - of all buffers that will be allocated
 */
export async function startCopyMachine(
  discs: { readonly source: Disc; readonly target: Disc },
  options: {
    readonly engine: EngineChoice | undefined;
    readonly bufferBytes: number;
    readonly recording: Recording;
  },
  cleanup: Cleanup,
): Promise<CopyMachine> {
  const { engine, bufferBytes } = options;
  const bus = await createBus({ engine, hostMemoryBytes: bufferBytes + SPARE_BYTES });
  const trace = options.recording?.(bus);
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", trace });
  // Drains the queues: nothing is written any more when it is done.
  const forget = cleanup.add(() => endpoint.close());
  await endpoint.exportDisc("source", discs.source, { readOnly: true });
  await endpoint.exportDisc("target", discs.target);
  await endpoint.start();
  const rootComplex = await RootComplex.probe(bus, { trace });
  return {
    source: await rootComplex.attach("source"),
    target: await rootComplex.attach("target"),
    close: async () => {
      await rootComplex.close();
      await endpoint.close();
      bus.close();
      forget();
    },
  };
}
