// `blockpt trace`: what is in a trace file, what it comes to, and the same once more.

import { type Command, InvalidArgumentError, Option } from "commander";
import type { CommandContext } from "./demo.js";
import { engineOption } from "./engine-option.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { addFilterOptions, eventOption } from "./trace/read.js";
import type { ReplayCommandOptions } from "./trace/replay.js";
import type { ShowOptions } from "./trace/show.js";
import type { StatsOptions } from "./trace/stats.js";

const SHOW = [
  "blockpt trace show copy.trace --event command,answer",
  "blockpt trace show copy.trace --side root-complex --tail 20",
];
const STATS = ["blockpt trace stats copy.trace --svg copy.svg"];
const REPLAY = [
  "blockpt trace replay copy.trace",
  "blockpt trace replay copy.trace --disc source=disk.img --timing recorded",
  "blockpt trace replay copy.trace --side endpoint",
];

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join("")}`;
}

const HELP = `
A trace is recorded by --trace FILE of run, serve, demo, copy and bench, or by TraceFile in a program.
${examples("blockpt copy disk.img copy.img --trace copy.trace", ...SHOW, ...STATS, ...REPLAY)}`;

const REPLAY_HELP = `
With --side root-complex what the driver did is done again, to a real endpoint: the same commands, the
same descriptors, malformed ones too, as many in flight as there were. Its discs are of memory, or if
they were files of holes, unless --disc says otherwise; --disc NAME=PATH is WRITTEN to. Data are not
recorded: a write has a pattern made of --seed and its sector.

With --side endpoint the library's root complex asks what was asked, and a disc answers what was
answered, in that order.
${examples(...REPLAY)}`;

export function addTraceCommand(program: Command, { cleanup }: CommandContext): void {
  const trace = program
    .command("trace")
    .description("show, count and replay what --trace has recorded")
    .addHelpText("after", HELP + EXIT_CODES_HELP);
  addFilterOptions(trace.command("show").description("print a line a record, in the order of time"))
    .argument("<file>", "a trace file")
    .addOption(eventOption())
    .option("--tail <n>", "only the last so many", tailOf)
    .option("--json", "print a line of JSON a record")
    .addHelpText("after", examples(...SHOW) + EXIT_CODES_HELP)
    // Loaded late, as the others are: nobody else needs them.
    .action(async (file: string, options: ShowOptions) => {
      const { showTrace } = await import("./trace/show.js");
      await showTrace(file, options, cleanup);
    });
  addFilterOptions(
    trace.command("stats").description("count requests, and plot latency and queue depth"),
  )
    .argument("<file>", "a trace file")
    .option("--svg <path>", "write the plots to a file, as SVG")
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .addHelpText("after", examples(...STATS) + EXIT_CODES_HELP)
    .action(async (file: string, options: StatsOptions) => {
      const { showStatistics } = await import("./trace/stats.js");
      await showStatistics(file, options, cleanup);
    });
  trace
    .command("replay")
    .description("do again what one side did, and compare what is answered")
    .argument("<file>", "a trace file")
    .addOption(
      new Option("--side <side>", "who does again what was recorded")
        .choices(["root-complex", "endpoint"])
        .default("root-complex"),
    )
    .option("--disc <disc>", "NAME=PATH: what disc NAME is here; it is written to", collectDiscs)
    .addOption(
      new Option("--timing <timing>", "at once, or not before its time in the trace")
        .choices(["fast", "recorded"])
        .default("fast"),
    )
    .option("--seed <n>", "of what writes write", seedOf, 1)
    .addOption(engineOption())
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .addHelpText("after", REPLAY_HELP + EXIT_CODES_HELP)
    .action(async (file: string, options: ReplayCommandOptions) => {
      const { replayTrace } = await import("./trace/replay.js");
      await replayTrace(file, options, cleanup);
    });
}

function collectDiscs(
  text: string,
  before: ReadonlyMap<string, string> = new Map(),
): ReadonlyMap<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name !== undefined && path !== undefined) return new Map([...before, [name, path]]);
  throw new InvalidArgumentError(
    "NAME=PATH is wanted: the last component of a disc's name, and a file, memory:SIZE, NBD URI or URL.",
  );
}

function seedOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("A whole number from 0 to 999999999 is wanted.");
}

function tailOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("A whole number from 1 on is wanted.");
}
