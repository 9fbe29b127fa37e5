// Throughput of every engine: on the machine that is there, then on another one with
// the other engine.

import type { EngineKind } from "blockpt";
import { CliError, failureOf } from "../failure.js";
import type { Machine } from "./machine.js";
import type { MeasureOptions } from "./measure.js";
import type { EngineFailure, Throughput } from "./report.js";

/** Which engine to begin with: the one that the library's variable names, else WebAssembly. */
export function enginesInOrder(): EngineKind[] {
  const { BLOCKPT_ENGINE = "" } = process.env;
  if (!["", "auto", "wasm", "typescript"].includes(BLOCKPT_ENGINE)) {
    const message = `BLOCKPT_ENGINE is "${BLOCKPT_ENGINE}": "wasm", "typescript" or "auto" is wanted`;
    throw new CliError({ code: "ERR_BLOCKPT_INVALID_ARGUMENT", message });
  }
  return BLOCKPT_ENGINE === "typescript" ? ["typescript", "wasm"] : ["wasm", "typescript"];
}

/** Starts a machine with the first engine that loads. The TypeScript one always does. */
export async function startFirst(
  engines: readonly EngineKind[],
  start: (engine: EngineKind) => Promise<Machine>,
): Promise<{ machine: Machine; failures: EngineFailure[] }> {
  const failures: EngineFailure[] = [];
  for (const engine of engines) {
    try {
      return { machine: await start(engine), failures };
    } catch (error) {
      failures.push(engineFailure(engine, error));
    }
  }
  throw new Error("no engine was given");
}

/** What there is to measure. */
export interface EnginesOptions {
  /** A machine that is there; it is measured and closed. */
  readonly first: Machine;
  /** Engines that were tried before it. */
  readonly failures: readonly EngineFailure[];
  /** Makes a machine with another engine. */
  readonly start: (engine: EngineKind) => Promise<Machine>;
  readonly measure: MeasureOptions;
  /** Hears which engine's turn it is. */
  readonly onEngine: (engine: EngineKind) => void;
}

/** Measures the first machine, and then one with each engine that was not tried yet. */
export async function measureEngines(options: EnginesOptions): Promise<Throughput> {
  const measurements: Throughput["measurements"][number][] = [];
  const notMeasured = [...options.failures];
  const measure = async (machine: Machine): Promise<void> => {
    const { engine } = machine;
    options.onEngine(engine);
    const measured = await machine.rootComplex.call("measure", options.measure);
    measurements.push(...measured.map((measurement) => ({ engine, ...measurement })));
    await machine.close();
  };
  await measure(options.first);
  const tried = new Set([options.first.engine, ...notMeasured.map(({ engine }) => engine)]);
  for (const engine of enginesInOrder().filter((each) => !tried.has(each))) {
    const machine = await options.start(engine).catch((error: unknown) => {
      notMeasured.push(engineFailure(engine, error));
    });
    if (machine !== undefined) await measure(machine);
  }
  return { measurements, notMeasured };
}

/** Only an engine that does not load is passed over. */
function engineFailure(engine: EngineKind, error: unknown): EngineFailure {
  const failure = failureOf(error);
  if (failure.code !== "ERR_BLOCKPT_ENGINE") throw error;
  return { engine, ...failure };
}
