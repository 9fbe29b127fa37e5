// `blockpt serve`: disc images as the exports of an NBD server, with rings between.

import { type Command, InvalidArgumentError } from "commander";
import type { BusDocument } from "./config-file/schema.js";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { wordsBehindDashes } from "./run/child.js";
import { type DiscOption, parseServedDisc, SERVED_DISC_SYNTAX } from "./run/disc-option.js";
import { runMachine } from "./run/machine-run.js";
import { addServerOptions, checkTls, NBD_HELP } from "./run/nbd.js";
import { addTraceOptions, recordingOf, type TraceOptions } from "./trace/recording.js";

interface ServeOptions extends TraceOptions {
  readonly listen?: readonly string[];
  readonly tlsCertificates?: string;
  readonly tlsVerifyPeer?: true;
  readonly engine?: NonNullable<BusDocument["engine"]>;
  readonly json?: true;
}

const DEFAULT_URI = "nbd://localhost";

const HELP = `
A disc is ${SERVED_DISC_SYNTAX}:
  NAME       the export's name; without it the last part of PATH
  PATH       a file, a block device, memory:SIZE (memory:64M), an NBD URI of another server, or the URL of an image
The rest is as for blockpt run, which serves NBD beside a config tree and a control socket's other uses.
${NBD_HELP}
A command behind -- runs meanwhile, with the first export's URI in BLOCKPT_NBD_URI; it ends the server.

Examples:
  $ blockpt serve disk.img
  $ blockpt serve disk.img,ro scratch=memory:1G --listen 'nbd+unix:///?socket=nbd.sock'
  $ blockpt serve disk.img --listen nbds://0.0.0.0 --tls-certificates certs
  $ blockpt serve disk.img,fault=error=MEDIUM:read:sectors=2048-4095
  $ blockpt serve memory:64M --listen nbd://localhost:0 -- sh -c 'nbdinfo "$BLOCKPT_NBD_URI"'
`;

export function addServeCommand(program: Command, context: CommandContext): void {
  const serve = program
    .command("serve")
    .description("serve disc images to NBD clients: QEMU, fio, nbdcopy, the Linux kernel")
    .argument("<disc...>", `what to serve: ${SERVED_DISC_SYNTAX}`)
    .addOption(engineOption())
    .option("--json", "print a line of JSON for each event, and nothing else, on stdout")
    .addHelpText("after", HELP + EXIT_CODES_HELP)
    .action(async (args: string[], options: ServeOptions, command: Command) => {
      const words = wordsBehindDashes();
      const texts = args.slice(0, args.length - words.length);
      const { listen: uris = [DEFAULT_URI], json = false } = options;
      const nbd = { uris, ...options };
      checkTls(nbd, command);
      const discs = discsOf(texts, command);
      const { engine } = options;
      const { cleanup } = context;
      const recording = recordingOf(options, cleanup);
      await runMachine({ discs, engine, nbd, json, words, recording }, cleanup);
    });
  addTraceOptions(serve);
  addServerOptions(serve, "--listen <uri>", `where clients connect (default: ${DEFAULT_URI})`);
}

function discsOf(texts: readonly string[], command: Command): DiscOption[] {
  const discs: DiscOption[] = [];
  if (texts.length === 0) command.error("error: a disc to serve is wanted, before --");
  for (const text of texts) {
    try {
      const disc = parseServedDisc(text);
      if (discs.some(({ name }) => name === disc.name)) {
        throw new InvalidArgumentError(`Two are called ${disc.name}: give one a NAME=.`);
      }
      discs.push(disc);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      command.error(`error: ${JSON.stringify(text)}: ${error.message}`);
    }
  }
  return discs;
}
