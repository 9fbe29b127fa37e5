// `blockpt sh`: a shell over the config tree, with both sides of a bus in this process. What is here is the
// command line; the shell itself is loaded when it is started.

import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { Cleanup } from "./cleanup.js";
import { absoluteDiscName } from "./config-file/config-file.js";
import type { BusDocument } from "./config-file/schema.js";
import type { CommandContext } from "./demo.js";
import { EXIT_CODES_HELP, ExitCode } from "./exit-code.js";
import { CliError, failureOf } from "./failure.js";
import type { DiscOption } from "./run/disc-option.js";
import { Machine } from "./run/machine.js";
import { collectDiscs, controllerOption, engineOption } from "./run/options.js";
import { planOf } from "./run/plan.js";
import { Console } from "./sh/console.js";

/** What the command line says. */
export interface ShellOptions {
  /** Statements. */
  readonly c?: string;
  readonly disc: readonly DiscOption[];
  readonly controller?: string;
  readonly engine?: NonNullable<BusDocument["engine"]>;
  readonly json?: true;
}

const HELP = `
Statements come from SCRIPT, from -c, from stdin, or from the terminal. Its /sys and /dev are the
config tree, where both drivers are configured as the kernel's are; all other files are the
machine's. Besides the usual commands there are mount, umount, insmod, modprobe, rmmod, lsmod,
lspci, lsblk, dmesg, dd, hexdump, blockdev and sync, each with --help.

What the drivers log is written to stderr. With --json there is one JSON document a statement on
stdout, with its command, stdout, stderr and exitCode.

Examples:
  $ blockpt sh --disc mmcblk0=disk.img --disc nvme0n1=memory:64M
  $ blockpt sh --disc mmcblk0=disk.img setup.sh mmc0
  $ blockpt sh -c 'ls /sys/class/pci_epc; lspci'
  $ echo 'insmod pci-remote-disk' | blockpt sh --json | jq .exitCode
`;

const OWN_EXIT_CODES = `  Otherwise that of the last statement or of exit; 127 if SCRIPT is not there, 126 if it cannot
  be read
`;

export function addShCommand(program: Command, { cleanup }: CommandContext): void {
  program
    .command("sh")
    .description("a shell in which both drivers are configured by the kernel's files")
    .argument("[script]", "file with statements")
    .argument("[args...]", "what it has as $1, $2 and so on")
    .option("-c <commands>", "execute these; script is $0 then")
    .option(
      "--disc <disc>",
      "NAME=PATH: /dev/NAME leads to a file, or is memory:SIZE",
      collectDiscs,
      [],
    )
    .addOption(controllerOption())
    .addOption(engineOption())
    .option("--json", "print one JSON document a statement, and nothing else, on stdout")
    .addHelpText("after", HELP + EXIT_CODES_HELP + OWN_EXIT_CODES)
    .passThroughOptions()
    .action(async (script: string | undefined, args: string[], options: ShellOptions) => {
      process.exitCode = await runSh([script, ...args], options, cleanup);
    });
}

async function runSh(
  [script, ...args]: readonly [script: string | undefined, ...args: string[]],
  options: ShellOptions,
  cleanup: Cleanup,
): Promise<number> {
  const lines = await linesOf(script, options);
  const { bus, controller } = planOf({ discs: options.disc, controller: options.controller });
  const { engine = bus.engine } = options;
  const console = new Console(options.json === true);
  const machine = await Machine.create(
    { bus: { ...bus, ...(engine && { engine }) }, controller },
    (line) => console.err(`${line}\n`),
  );
  cleanup.add(() => machine.close());
  const { tree } = machine;
  for (const { name, disc } of options.disc) {
    await tree.symlink(absoluteDiscName(disc.disc_name, process.cwd()), `/dev/${name}`);
  }
  const { runShell } = await import("./sh/shell.js");
  return runShell({
    ...{ tree, console, lines, cleanup },
    args: [script ?? "blockpt", ...args],
  });
}

/** Undefined where statements are typed. */
async function linesOf(
  script: string | undefined,
  options: ShellOptions,
): Promise<AsyncIterator<string> | Iterator<string> | undefined> {
  if (options.c !== undefined) return options.c.split("\n").values();
  const isTyped = process.stdin.isTTY && process.stdout.isTTY && !options.json;
  if (isStdinScript(script, options) && isTyped) return undefined;
  const input = script === undefined ? process.stdin : await openScript(script);
  return createInterface({ input })[Symbol.asyncIterator]();
}

function isStdinScript(script: string | undefined, { c }: ShellOptions): boolean {
  return script === undefined && c === undefined;
}

async function openScript(path: string): Promise<NodeJS.ReadableStream> {
  try {
    const file = await open(path);
    return file.createReadStream();
  } catch (error) {
    const { code, message } = failureOf(error);
    const exitCode = code === "ENOENT" ? ExitCode.commandNotFound : ExitCode.commandNotStarted;
    throw new CliError(
      { code, message: `${path}: the script cannot be read: ${message}` },
      exitCode,
    );
  }
}
