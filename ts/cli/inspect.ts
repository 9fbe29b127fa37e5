// `blockpt inspect`: what a running process is doing, once or again and again.

import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import picocolors from "picocolors";
import type { Cleanup } from "./cleanup.js";
import { ask, findSocket, SOCKET_OPTION } from "./control/client.js";
import type { MachineReport } from "./control/protocol.js";
import type { CommandContext } from "./demo.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { openPage } from "./inspect/redraw.js";
import { reportLines } from "./inspect/show.js";
import { mayColour } from "./screen.js";

interface InspectOptions {
  readonly socket?: string;
  /** Seconds; true for the default. */
  readonly watch?: number | true;
  readonly json?: true;
}

/** Does something with a report, and the one before it. */
type Shower = (report: MachineReport, before: MachineReport | undefined) => void;

const DEFAULT_SECONDS = 1;
const LEAST_SECONDS = 0.1;
const MOST_SECONDS = 86_400;

const EXAMPLES_HELP = `
On a terminal --watch draws in place until Ctrl-C; elsewhere it prints one report after another,
and with --json one a line. Rates are those since the report before.

Examples:
  $ blockpt inspect
  $ blockpt inspect --watch 0.5
  $ blockpt inspect --json | jq '.endpoint.discs[].queues[].rings.inFlight'
  $ blockpt inspect --watch --json | jq --unbuffered '.endpoint.registers.extension.heartbeat'
`;

export function addInspectCommand(program: Command, { cleanup }: CommandContext): void {
  program
    .command("inspect")
    .description("show the registers, discs, queues, vectors and statistics of a running blockpt")
    .option(...SOCKET_OPTION)
    .option(
      "--watch [seconds]",
      `look again and again (default: each ${DEFAULT_SECONDS} s)`,
      seconds,
    )
    .option("--json", "print one JSON document a look, and nothing else, on stdout")
    .addHelpText("after", EXAMPLES_HELP + EXIT_CODES_HELP)
    .action((options: InspectOptions) => inspect(options, cleanup));
}

function seconds(text: string): number {
  const value = Number(text);
  if (value >= LEAST_SECONDS && value <= MOST_SECONDS) return value;
  throw new InvalidArgumentError(`A number from ${LEAST_SECONDS} to ${MOST_SECONDS} is wanted.`);
}

async function inspect(options: InspectOptions, cleanup: Cleanup): Promise<void> {
  const socket = await findSocket(options.socket);
  const look = (): Promise<MachineReport> => ask(socket, { request: "inspect" });
  let report = await look();
  const show = showerOf(options, cleanup);
  show(report, undefined);
  if (options.watch === undefined) return;
  const waitMs = (options.watch === true ? DEFAULT_SECONDS : options.watch) * 1000;
  while (!cleanup.started) {
    await sleep(waitMs);
    const before = report;
    report = await look();
    show(report, before);
  }
}

function showerOf({ json, watch }: InspectOptions, cleanup: Cleanup): Shower {
  const { stdout } = process;
  if (json) {
    const indent = watch === undefined ? 2 : undefined;
    return (report) => stdout.write(`${JSON.stringify(report, null, indent)}\n`);
  }
  const colors = picocolors.createColors(mayColour(stdout));
  if (watch !== undefined && stdout.isTTY) {
    const page = openPage(stdout, cleanup);
    return (report, before) => page.draw(reportLines(report, before, colors));
  }
  return (report, before) => {
    const lines = reportLines(report, before, colors);
    stdout.write(`${[...(before === undefined ? [] : [""]), ...lines].join("\n")}\n`);
  };
}
