// `blockpt trace stats`: the statistics of a trace as tables and plots in a terminal, as JSON, or as an SVG.

import { writeFile } from "node:fs/promises";
import { plot } from "asciichart";
import type picocolors from "picocolors";
import { printable } from "../../view/registers.js";
import { formatSize } from "../../view/size.js";
import type { Cleanup } from "../cleanup.js";
import { table } from "../inspect/show.js";
import { createScreen } from "../screen.js";
import { type FilterOptions, openTraceFile } from "./read.js";
import { type Latencies, type Moment, statisticsOf, type TraceStatistics } from "./statistics.js";

export interface StatsOptions extends FilterOptions {
  readonly json?: true;
  readonly svg?: string;
}

type Colors = ReturnType<typeof picocolors.createColors>;

const PLOT_HEIGHT = 8;
const LABEL_WIDTH = 10;

export async function showStatistics(
  path: string,
  options: StatsOptions,
  cleanup: Cleanup,
): Promise<void> {
  const statistics = statisticsOf(openTraceFile(path), options);
  if (options.svg !== undefined) {
    // Loaded late: it is large.
    const { drawTimeline } = await import("./svg.js");
    await writeFile(options.svg, drawTimeline(statistics));
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify(statistics, null, 2)}\n`);
    return;
  }
  const screen = createScreen(false, cleanup);
  for (const line of linesOf(statistics, screen.colors)) screen.line(line);
}

function linesOf(statistics: TraceStatistics, colors: Colors): string[] {
  const { records, lost, seconds, startedAt, engine, faults, unanswered, timeline } = statistics;
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ["", colors.bold(title), ...lines.map((line) => `  ${line}`)];
  const lostText = lost === 0 ? "none lost" : colors.yellow(`${lost} lost`);
  const { moments } = timeline;
  const of = timeline.side === "endpoint" ? "the endpoint" : "the root complex";
  return [
    `${startedAt}, engine ${engine}: ${records} records in ${seconds.toFixed(3)} s, ${lostText}`,
    ...section("Requests", requestTable(statistics)),
    ...(unanswered === 0 ? [] : [`  ${unanswered} have no recorded end.`]),
    ...section("Commands", commandTable(statistics)),
    ...section("Faults", faults.map(printable)),
    ...section(
      `Requests in flight at ${of}, the most in each part of the time`,
      depthPlot(moments),
    ),
    ...section(`Latency at ${of}, µs: median and 99th percentile`, latencyPlot(moments)),
  ];
}

const SIDES = { endpoint: "EP", "root-complex": "RC" } as const;
const LATENCY_HEADS = [">P50 µs", ">P90", ">P99", ">P99.9", ">MAX"];

function requestTable({ requests, seconds }: TraceStatistics): string[] {
  return table(
    [
      ...["SIDE", "DISC", ">QUEUE", "OPERATION", ">COUNT", ">BYTES", ">PER S"],
      ...LATENCY_HEADS,
      "ERRORS",
    ],
    requests.map((row) => [
      SIDES[row.side],
      printable(row.disc),
      String(row.queue),
      row.operation,
      String(row.count),
      formatSize(row.bytes),
      seconds === 0 ? "–" : (row.count / seconds).toFixed(0),
      ...latencyCells(row.latencyUs),
      Object.entries(row.errors)
        .map(([status, count]) => `${count} ${status}`)
        .join(", "),
    ]),
  );
}

function commandTable({ commands }: TraceStatistics): string[] {
  return table(
    ["SIDE", "COMMAND", ">COUNT", ">REFUSED", ...LATENCY_HEADS],
    commands.map(({ side, command, count, refused, latencyUs }) => [
      SIDES[side],
      command,
      String(count),
      String(refused),
      ...latencyCells(latencyUs),
    ]),
  );
}

function latencyCells({ p50, p90, p99, p999, max }: Latencies): string[] {
  return [p50, p90, p99, p999, max].map(microseconds);
}

function microseconds(us: number): string {
  return us.toFixed(us < 100 ? 1 : 0);
}

function depthPlot(moments: readonly Moment[]): string[] {
  if (moments.length === 0) return [];
  const depths = moments.map(({ depth }) => depth);
  return [...plotLines([depths], (value) => value.toFixed(0)), axis(moments)];
}

function latencyPlot(moments: readonly Moment[]): string[] {
  const answered = moments.filter(({ p50Us }) => p50Us !== undefined);
  if (answered.length === 0) return [];
  // A part without an end shows the one before it: a line needs a value everywhere.
  const filled = (of: (moment: Moment) => number | undefined): number[] => {
    let last = of(answered[0] as Moment) as number;
    return moments.map((moment) => {
      last = of(moment) ?? last;
      return last;
    });
  };
  const series = [filled(({ p99Us }) => p99Us), filled(({ p50Us }) => p50Us)];
  return [...plotLines(series, microseconds), axis(moments)];
}

function plotLines(series: readonly number[][], format: (value: number) => string): string[] {
  const drawn = plot(series, {
    height: PLOT_HEIGHT,
    min: 0,
    format: (value) => format(value).padStart(LABEL_WIDTH),
  });
  return drawn.split("\n").map((line) => line.trimEnd());
}

/** What the ends of the plots are. */
function axis(moments: readonly Moment[]): string {
  const [first, second] = moments as readonly [Moment, Moment];
  const lengthUs = second.timeUs - first.timeUs;
  const ends = [first.timeUs, first.timeUs + lengthUs * moments.length];
  const [from, to] = ends.map((us) => `${(us / 1e6).toFixed(3)} s`) as [string, string];
  const width = moments.length;
  return `${" ".repeat(LABEL_WIDTH + 2)}${from.padEnd(width - to.length)}${to}`;
}
