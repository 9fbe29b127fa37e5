// `blockpt run`: an endpoint and a root complex in one process, until it is interrupted or its command ends.

import type { Command } from "commander";
import type { BusDocument } from "./config-file/schema.js";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { wordsBehindDashes } from "./run/child.js";
import { DISC_SYNTAX, type DiscOption } from "./run/disc-option.js";
import { runMachine } from "./run/machine-run.js";
import { addServerOptions, checkTls, NBD_HELP } from "./run/nbd.js";
import { collectDiscs, controllerOption } from "./run/options.js";
import { addTraceOptions, recordingOf, type TraceOptions } from "./trace/recording.js";

interface RunOptions extends TraceOptions {
  readonly config?: string;
  readonly disc?: readonly DiscOption[];
  readonly controller?: string;
  readonly engine?: NonNullable<BusDocument["engine"]>;
  readonly socket?: string;
  readonly nbd?: readonly string[];
  readonly tlsCertificates?: string;
  readonly tlsVerifyPeer?: true;
  readonly json?: true;
}

const HELP = `
A disc is ${DISC_SYNTAX}:
  NAME       its directory in the config tree; what the root complex sees is made of PATH
  PATH       a file, a block device, memory:SIZE (memory:64M), an NBD URI (nbd+unix:///EXPORT?socket=PATH)
             or the URL of an image (https://HOST/disk.img), which may only be read; a comma in it is written ,,
  ro         may only be read
  queues     most queues, each served by a thread of its own: 1 to 255
  partition  only this partition: its number or its UUID
  name       the name that the root complex sees
  fault      what goes wrong on it on purpose, several times for several things:
             KIND[=VALUE][:OPERATION...][:KEY=VALUE...]; all of it is in docs/faults.md
               error[=STATUS], delay=TIME, stall=TIME, torn[=SECTORS], lost-flush, corrupt[=BITS]
               read, write, flush, discard, write-zeroes
               sectors=FIRST-LAST, after=N, every=N, probability=P, times=N, seed=N
             While it runs: echo delay=50ms:flush > the disc's fault in blockpt sh, or blockpt apply

A config file is YAML or JSON, as blockpt dump prints it. Relative paths in it are relative to its
directory. Without controllers in it its function is bound and started, without remote_disks every
disc is attached; discs of --disc are added, and always attached.

With --nbd every attached disk is an export of an NBD server, called as its disc is (NAME).
${NBD_HELP}
A command behind -- has the terminal, and BLOCKPT_SOCKET in its environment, with --nbd also
BLOCKPT_NBD_URI, the first export's. stdout is the command's, and what is said here goes to stderr; with --json stdout is for the events, and the
command's goes to stderr.

Examples:
  $ blockpt run --disc nvme0=disk.img --disc ram0=memory:64M
  $ blockpt run --disc nvme0=disk.img,ro,partition=1,name=/dev/nvme0n1p1
  $ blockpt run --disc ram0=memory:64M,fault=error=EIO:read:every=100,fault=delay=50ms:flush
  $ blockpt run --config disks.yaml --disc extra=memory:1G
  $ blockpt run --disc ram0=memory:64M -- blockpt inspect
  $ blockpt run --disc nvme0=disk.img --trace session.trace
  $ blockpt run --disc ram0=memory:64M --nbd 'nbd+unix:///?socket=nbd.sock'
  $ blockpt run --disc ram0=memory:64M --json | jq -c 'select(.event == "ready").disks'
`;

const OWN_EXIT_CODES = `  126, 127  the command behind -- may not be run, or is not there
  With a command: its exit code, and 128+n if signal n ended it
`;

export function addRunCommand(program: Command, context: CommandContext): void {
  const run = program
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
      const { config, disc: discs = [], nbd: uris = [], json = false } = options;
      const nbd = { uris, ...options };
      checkTls(nbd, command);
      const { cleanup } = context;
      const recording = recordingOf(options, cleanup);
      await runMachine({ ...options, config, discs, nbd, json, words, recording }, cleanup);
    });
  addTraceOptions(run);
  addServerOptions(run, "--nbd <uri>", "serve the attached disks by NBD, as at nbd://localhost");
}

/** A file that somebody meant as a config file is not run as a command. */
function checkDashes(words: readonly string[], command: Command): void {
  if (wordsBehindDashes().length >= words.length) return;
  const [word] = words;
  command.error(
    `error: a command stands behind --, a config file behind --config: what is ${word}`,
  );
}
