// `blockpt trace`: what is in a trace file, what it comes to, and the same once more.

import { type Command, InvalidArgumentError } from "commander";
import type { CommandContext } from "./demo.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { addFilterOptions, eventOption } from "./trace/read.js";
import type { ShowOptions } from "./trace/show.js";
import type { StatsOptions } from "./trace/stats.js";

const HELP = `
A trace is recorded by --trace FILE of run, serve, demo, copy and bench, or by TraceFile in a program.

Examples:
  $ blockpt copy disk.img copy.img --trace copy.trace
  $ blockpt trace show copy.trace --event command,answer
  $ blockpt trace show copy.trace --side root-complex --tail 20
  $ blockpt trace stats copy.trace --svg copy.svg
  $ blockpt trace replay copy.trace
`;

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
    .action(async (file: string, options: StatsOptions) => {
      const { showStatistics } = await import("./trace/stats.js");
      await showStatistics(file, options, cleanup);
    });
}

function tailOf(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("A whole number from 1 on is wanted.");
}
