// `blockpt sh`: a shell over the config tree, with both sides of a bus in this process. What is here is the
// command line; the shell itself is loaded when it is started.

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { type Command, InvalidArgumentError } from "commander";
import type { Cleanup } from "./cleanup.js";
import { absoluteDiscName } from "./config-file/config-file.js";
import type { BusDocument } from "./config-file/schema.js";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP, ExitCode } from "./exit-code.js";
import { CliError, failureOf } from "./failure.js";
import type { DiscOption } from "./run/disc-option.js";
import { Machine } from "./run/machine.js";
import { collectDiscs, controllerOption } from "./run/options.js";
import { planOf } from "./run/plan.js";
import { Console } from "./sh/console.js";

/** What the command line says. */
export interface ShellOptions {
  /** Statements. */
  readonly c?: string;
  readonly disc?: readonly DiscOption[];
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
      "NAME=PATH: /dev/NAME leads to a file, or is memory:SIZE, an NBD URI or the URL of an image",
      collectNames,
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

/** A disc that has a name only: how it is exported is said in the config tree. */
function collectNames(text: string, before: readonly DiscOption[] = []): DiscOption[] {
  const discs = collectDiscs(text, before);
  const { disc_name: _, ...others } = discs.at(-1)?.disc ?? { disc_name: "" };
  const [other] = Object.keys(others);
  if (other === undefined) return discs;
  throw new InvalidArgumentError(`NAME=PATH is wanted: the config tree's ${other} says the rest.`);
}

async function runSh(
  [script, ...args]: readonly [script: string | undefined, ...args: string[]],
  options: ShellOptions,
  cleanup: Cleanup,
): Promise<number> {
  const { disc: discs = [] } = options;
  const lines = await linesOf(script, options);
  const { bus, controller } = planOf({ discs, controller: options.controller });
  const { engine = bus.engine } = options;
  const console = new Console(options.json === true);
  const machine = await Machine.create(
    { bus: { ...bus, ...(engine && { engine }) }, controller },
    (line) => console.err(`${line}\n`),
  );
  cleanup.add(() => machine.close());
  const { tree } = machine;
  for (const { name, disc } of discs) {
    await tree.symlink(absoluteDiscName(disc.disc_name, process.cwd()), `/dev/${name}`);
  }
  const { runShell } = await import("./sh/shell.js");
  // Where statements come from it nothing is left of it for them.
  const stdin = script === undefined && options.c === undefined ? Readable.from([]) : process.stdin;
  return runShell({
    ...{ tree, console, lines, stdin, cleanup },
    args: [script ?? "blockpt", ...args],
  });
}

/** The lines with statements; undefined where they are typed. */
async function linesOf(
  script: string | undefined,
  { c, json }: ShellOptions,
): Promise<AsyncIterator<string> | Iterator<string> | undefined> {
  if (c !== undefined) return c.split("\n").values();
  if (script !== undefined) return (await readScript(script)).split("\n").values();
  if (process.stdin.isTTY && process.stdout.isTTY && !json) return undefined;
  return createInterface({ input: process.stdin })[Symbol.asyncIterator]();
}

async function readScript(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = failureOf(error);
    const exitCode = code === "ENOENT" ? ExitCode.commandNotFound : ExitCode.commandNotStarted;
    const why = `${path}: the script cannot be read: ${message}`;
    throw new CliError({ code, message: why }, exitCode);
  }
}
