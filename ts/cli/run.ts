// `blockpt run`: an endpoint and a root complex in one process, until it is interrupted or its command ends.

import { resolve } from "node:path";
import type { Command } from "commander";
import type { Cleanup } from "./cleanup.js";
import { readConfigFile } from "./config-file/config-file.js";
import type { BusDocument } from "./config-file/schema.js";
import { startControlServer } from "./control/server.js";
import { checkPathLength, ownSocketPath } from "./control/socket-path.js";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { runChild } from "./run/child.js";
import { DISC_SYNTAX, type DiscOption } from "./run/disc-option.js";
import { Machine, PlacedError } from "./run/machine.js";
import { collectDiscs, controllerOption } from "./run/options.js";
import { jsonOutput, type RunOutput, textOutput } from "./run/output.js";
import { type Plan, planOf } from "./run/plan.js";
import { createScreen } from "./screen.js";

interface RunOptions {
  readonly config?: string;
  readonly disc?: readonly DiscOption[];
  readonly controller?: string;
  readonly engine?: NonNullable<BusDocument["engine"]>;
  readonly socket?: string;
  readonly json?: true;
}

const HELP = `
A disc is ${DISC_SYNTAX}:
  NAME       its directory in the config tree; what the root complex sees is made of PATH
  PATH       a file, a block device, memory:SIZE (memory:64M) or an NBD URI (nbd+unix:///EXPORT?socket=PATH);
             a comma in it is written ,,
  ro         may only be read
  queues     most queues, each served by a thread of its own: 1 to 255
  partition  only this partition: its number or its UUID
  name       the name that the root complex sees

A config file is YAML or JSON, as blockpt dump prints it. Relative paths in it are relative to its
directory. Without controllers in it its function is bound and started, without remote_disks every
disc is attached; discs of --disc are added, and always attached.

A command behind -- has the terminal, and BLOCKPT_SOCKET in its environment. stdout is the
command's, and what is said here goes to stderr; with --json stdout is for the events, and the
command's goes to stderr.

Examples:
  $ blockpt run --disc nvme0=disk.img --disc ram0=memory:64M
  $ blockpt run --disc nvme0=disk.img,ro,partition=1,name=/dev/nvme0n1p1
  $ blockpt run --config disks.yaml --disc extra=memory:1G
  $ blockpt run --disc ram0=memory:64M -- blockpt inspect
  $ blockpt run --disc ram0=memory:64M --json | jq -c 'select(.event == "ready").disks'
`;

const OWN_EXIT_CODES = `  126, 127  the command behind -- may not be run, or is not there
  With a command: its exit code, and 128+n if signal n ended it
`;

export function addRunCommand(program: Command, context: CommandContext): void {
  program
    .command("run")
    .description("export and attach discs, and wait: for Ctrl-C, or for the end of a command")
    .argument("[command...]", "what runs meanwhile, behind --")
    .option("--config <file>", "config file, YAML or JSON; - for stdin")
    .option("--disc <disc>", `a disc to export: ${DISC_SYNTAX}`, collectDiscs)
    .addOption(controllerOption())
    .addOption(engineOption())
    .option("--socket <path>", "control socket (default: one in the user's own directory)")
    .option("--json", "print a line of JSON for each event, and nothing else, on stdout")
    .addHelpText("after", HELP + EXIT_CODES_HELP + OWN_EXIT_CODES)
    .action(async (words: string[], options: RunOptions, command: Command) => {
      checkDashes(words, command);
      const output = outputOf(options, words.length > 0, context.cleanup);
      await run({ words, options, output }, context.cleanup);
    });
}

/** A file that somebody meant as a config file is not run as a command. */
function checkDashes(words: readonly string[], command: Command): void {
  const dashes = process.argv.indexOf("--");
  const behind = dashes < 0 ? [] : process.argv.slice(dashes + 1);
  if (behind.length >= words.length) return;
  const [word] = words;
  command.error(
    `error: a command stands behind --, a config file behind --config: what is ${word}`,
  );
}

function outputOf(options: RunOptions, hasCommand: boolean, cleanup: Cleanup): RunOutput {
  if (options.json) return jsonOutput();
  const stream = hasCommand ? process.stderr : process.stdout;
  return textOutput(createScreen(false, cleanup, stream), !hasCommand);
}

interface Run {
  readonly words: readonly string[];
  readonly options: RunOptions;
  readonly output: RunOutput;
}

async function run({ words, options, output }: Run, cleanup: Cleanup): Promise<void> {
  const file = options.config === undefined ? undefined : await readConfigFile(options.config);
  const plan = planOf({ file, discs: options.disc ?? [], controller: options.controller });
  const bus = options.engine === undefined ? plan.bus : { ...plan.bus, engine: options.engine };
  // Before anything is made: what can be said now is said now.
  const socket = options.socket === undefined ? await ownSocketPath() : resolve(options.socket);
  checkPathLength(socket);

  const machine = await inFile(plan, () => Machine.create({ ...plan, bus }, output.log));
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
  const { pid, engine, controller, disks } = machine.report();
  output.ready({ pid, socket, controller, engine, disks });
  if (words.length === 0) return untilInterrupted();
  const env = { BLOCKPT_SOCKET: socket };
  process.exitCode = await runChild(words, { env, stdoutIsOurs: options.json === true }, cleanup);
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
