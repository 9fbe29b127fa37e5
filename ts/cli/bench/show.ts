// Results as a person reads them: a line for each job, and beside its figure what the machine does at best.

import Table from "cli-table3";
import type picocolors from "picocolors";
import { type Summary, summarize } from "../../workload/statistics.js";
import type { Environment } from "./conditions.js";
import { type DiscKind, discOf } from "./discs.js";
import { nameOf } from "./job.js";
import type { Result } from "./measure.js";

/** What the limit of each kind of disc is; one that moves nothing has none. */
const LIMITS: Readonly<Record<DiscKind, string>> = {
  memory: "one thread's bulk copy of memory, from and to the same places",
  null: "",
  file: "one thread's plain reads and writes of the file",
  path: "one thread's plain reads and writes of the file",
};

type Colors = ReturnType<typeof picocolors.createColors>;

export function headLines({ version, node, cpu, cores, system, date }: Environment): string[] {
  return [
    `blockpt ${version}, node ${node}, ${date}`,
    `${cpu}, ${cores} core${cores === 1 ? "" : "s"}, ${system}`,
  ];
}

/** The table, and what has to be said about it. */
export function resultLines(results: readonly Result[], colors: Colors): string[] {
  const jobs = results.map(({ job }) => job);
  const table = new Table({
    head: ["job", "k/s", "MiB/s", "of the limit", "p50 µs", "p99 µs", "CPU µs RC + EP"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const result of results) {
    const { job, rate, throughput, share, latency, cpu, quiet, disturbed } = result;
    const mark = disturbed === 0 ? "" : colors.yellow(quiet === 0 ? " !!" : ` !${disturbed}`);
    table.push([
      nameOf(job, jobs) + mark,
      spread(rate, 1000, colors),
      number(throughput),
      share === undefined ? "–" : `${Math.round(share.median * 100)} %`,
      latency === undefined ? "–" : number(latency.p50),
      latency === undefined ? "–" : number(latency.p99),
      `${cpu.rootComplex === undefined ? "" : `${number(cpu.rootComplex)} + `}${number(cpu.rest)}`,
    ]);
  }
  return [table.toString(), ...remarks(results, colors)];
}

function remarks(results: readonly Result[], colors: Colors): string[] {
  const [first] = results;
  if (first === undefined) return [];
  const common = results.length > 1 ? [] : [nameOf(first.job)];
  const handOver = summarize(results.flatMap((result) => result.handOver.rounds));
  const limits = new Set(results.map(({ job }) => LIMITS[discOf(job.disc).kind]).filter(Boolean));
  const isPartly = results.some(({ quiet, disturbed }) => quiet > 0 && disturbed > 0);
  const isWhole = results.some(({ quiet }) => quiet === 0);
  return [
    ...common,
    ...[...limits].map((limit) => `The limit is ${limit}, in a tight loop, in the same round.`),
    `A hand-over between cores took ${spread(handOver, 1, colors)} ns.`,
    ...(isPartly
      ? [colors.yellow("!n: others used the processors in n rounds, which do not count.")]
      : []),
    ...(isWhole
      ? [colors.yellow("!!: others used the processors in every round: this is no measurement.")]
      : []),
  ];
}

function spread({ median, min, max }: Summary, unit: number, colors: Colors): string {
  return `${number(median / unit)} ${colors.dim(`(${number(min / unit)}–${number(max / unit)})`)}`;
}

function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
