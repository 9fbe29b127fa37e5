// A machine from its first disc to its last: made, served to whoever wants it, until it is interrupted or its
// command ends.

import { resolve } from "node:path";
import type { Cleanup } from "../cleanup.js";
import { readConfigFile } from "../config-file/config-file.js";
import type { BusDocument } from "../config-file/schema.js";
import { startControlServer } from "../control/server.js";
import { checkPathLength, ownSocketPath } from "../control/socket-path.js";
import { createScreen } from "../screen.js";
import type { Recording } from "../trace/recording.js";
import { runChild } from "./child.js";
import type { DiscOption } from "./disc-option.js";
import { Machine, PlacedError } from "./machine.js";
import { NBD_HOST_MEMORY_BYTES, type NbdOptions, readTls, startNbd } from "./nbd.js";
import { jsonOutput, type RunOutput, textOutput } from "./output.js";
import { type Plan, planOf } from "./plan.js";

/** What is made, and who gets at it. */
export interface MachineRun {
  readonly config?: string | undefined;
  readonly discs: readonly DiscOption[];
  readonly controller?: string | undefined;
  readonly engine?: BusDocument["engine"];
  /** The control socket; default: one in the user's own directory. */
  readonly socket?: string | undefined;
  readonly nbd: NbdOptions;
  readonly json: boolean;
  /** The command that runs meanwhile; none waits for an interrupt. */
  readonly words: readonly string[];
  readonly recording: Recording;
}

/** Makes it, and stays until its end; what is left then is the cleanup's. */
export async function runMachine(wanted: MachineRun, cleanup: Cleanup): Promise<void> {
  const { config, discs, controller: controllerName, nbd, words, json } = wanted;
  const output = outputOf(wanted, cleanup);
  const file = config === undefined ? undefined : await readConfigFile(config);
  const hostMemoryBytes = nbd.uris.length === 0 ? 0 : NBD_HOST_MEMORY_BYTES;
  const plan = planOf({ file, discs, controller: controllerName, hostMemoryBytes });
  const bus = wanted.engine === undefined ? plan.bus : { ...plan.bus, engine: wanted.engine };
  // Before anything is made: what can be said now is said now.
  const socket = wanted.socket === undefined ? await ownSocketPath() : resolve(wanted.socket);
  checkPathLength(socket);
  const tls = await readTls(nbd);

  const machine = await inFile(plan, () =>
    Machine.create({ ...plan, bus }, output.log, wanted.recording),
  );
  cleanup.add(async () => {
    await machine.close();
    output.stopped();
  });
  await inFile(plan, () => machine.carryOut(plan));
  // The machine is being closed: what came now would be left.
  if (cleanup.started) return;
  const server = await startControlServer(socket, machine);
  cleanup.add(() => server.close());
  if (cleanup.started) return;
  const exported = await startNbd(machine, nbd, tls, output.log);
  cleanup.add(() => exported.close());
  if (cleanup.started) return;
  const { pid, engine, controller, disks } = machine.report();
  const exports = exported.exports();
  output.ready({ pid, socket, controller, engine, disks, nbd: exports });
  if (words.length === 0) return untilInterrupted();
  const [first] = exports;
  const env = { BLOCKPT_SOCKET: socket, ...(first && { BLOCKPT_NBD_URI: first.uri }) };
  process.exitCode = await runChild(words, { env, stdoutIsOurs: json }, cleanup);
}

function outputOf({ json, words }: MachineRun, cleanup: Cleanup): RunOutput {
  if (json) return jsonOutput();
  const hasCommand = words.length > 0;
  const stream = hasCommand ? process.stderr : process.stdout;
  return textOutput(createScreen(false, cleanup, stream), !hasCommand);
}

/** The end is begun by a signal, which ends the process. */
function untilInterrupted(): Promise<void> {
  return new Promise(() => {});
}

/** Has an error say where in the config file, or in which option, its reason stands. */
async function inFile<T>(plan: Plan, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof PlacedError)) throw error;
    throw plan.errorAt(error.keys, error.code, error.message);
  }
}
