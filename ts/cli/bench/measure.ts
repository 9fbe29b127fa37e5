// How jobs are measured: in rounds, each of which takes every job once and, beside it, what the machine does at best
// in its place and what a hand-over between cores takes. What disturbs the machine for a while then disturbs one
// round of all jobs, and not all rounds of one. A round in which others used the processors is taken again, and if
// it stays so does not count, unless all of them are so.

import { build, type Histogram } from "hdr-histogram-js";
import { ratiosOf, type Summary, summarize } from "../../workload/statistics.js";
import { type Usage, watchProcessors } from "./conditions.js";
import type { HandOverProbe } from "./hand-over.js";
import type { Job } from "./job.js";
import type { Measurable } from "./rig.js";

export interface Effort {
  readonly rounds: number;
  /** Of each job in each round. */
  readonly milliseconds: number;
  /** How often a disturbed figure is taken. */
  readonly tries: number;
}

/** What came out for a job. */
export interface Result {
  readonly job: Job;
  /** Requests a second. */
  readonly rate: Summary;
  /** MiB a second. */
  readonly throughput: number;
  /** Requests a second of the limit. */
  readonly limit: Summary | undefined;
  /** Of the two, in each round. */
  readonly share: Summary | undefined;
  /** Microseconds; undefined where threads of their own drive the queues. */
  readonly latency: Latency | undefined;
  /** Processor time of a request, in microseconds: of the root complex's side, where it is known, and of the rest. */
  readonly cpu: { readonly rootComplex: number | undefined; readonly rest: number };
  /** Nanoseconds. */
  readonly handOver: Summary;
  /** Rounds in which others did not use the processors, and rounds in which they did, which count only if there is no other. */
  readonly quiet: number;
  readonly disturbed: number;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Processors that others keep busy from which on they disturb a figure; clocks are too coarse for less. */
export const DISTURBED = 0.25;
/** Of the length of a figure: before the first one. */
const WARM_UP = 2;
/** Part of a figure's length that its limit takes. */
const LIMIT_PART = 0.5;
const MOST_LATENCY_NS = 60e9;
const MIB = 1024 * 1024;

interface Figure {
  readonly rate: number;
  readonly limit: number;
  readonly handOver: number;
  readonly usage: Usage;
  readonly requests: number;
}

/** How many steps it takes. */
export function stepsOf(jobs: number, { rounds }: Effort): number {
  return jobs * (rounds + 2);
}

export async function measure(
  measurables: readonly Measurable[],
  effort: Effort,
  probe: HandOverProbe,
  onStep: (done: number, job: Job) => void,
): Promise<Result[]> {
  const figures = measurables.map((): Figure[] => []);
  let done = 0;
  const each = async (task: (measurable: Measurable, index: number) => Promise<void>) => {
    for (const [index, measurable] of measurables.entries()) {
      onStep(done++, measurable.job);
      await task(measurable, index);
    }
  };
  await each(async ({ run, limit }) => {
    await run(WARM_UP * effort.milliseconds);
    limit?.(WARM_UP * LIMIT_PART * effort.milliseconds);
  });
  for (let round = 0; round < effort.rounds; round++) {
    await each(async (measurable, index) => {
      figures[index]?.push(await quietFigure(measurable, effort, probe));
    });
  }
  const latencies: (Latency | undefined)[] = [];
  await each(async ({ time }) => {
    latencies.push(time && (await latencyOf(time, effort.milliseconds)));
  });
  return measurables.map(({ job }, index) =>
    resultOf(job, figures[index] as Figure[], latencies[index]),
  );
}

/** Takes a figure, and again while others disturb it; the least disturbed one counts, whatever it is. */
async function quietFigure(
  measurable: Measurable,
  effort: Effort,
  probe: HandOverProbe,
): Promise<Figure> {
  let best: Figure | undefined;
  for (let attempt = 0; attempt < effort.tries; attempt++) {
    const figure = await takeFigure(measurable, effort.milliseconds, probe);
    if (best === undefined || figure.usage.others < best.usage.others) best = figure;
    if (best.usage.others <= DISTURBED) break;
  }
  return best as Figure;
}

async function takeFigure(
  { run, limit }: Measurable,
  milliseconds: number,
  probe: HandOverProbe,
): Promise<Figure> {
  const handOver = probe.nanoseconds() ?? Number.NaN;
  // Half of it before and half behind: what changes meanwhile is shared.
  const part = (milliseconds * LIMIT_PART) / 2;
  const before = limit?.(part) ?? Number.NaN;
  const usage = watchProcessors();
  const work = await run(milliseconds);
  const used = usage();
  const behind = limit?.(part) ?? Number.NaN;
  return {
    rate: (1000 * work.requests) / work.milliseconds,
    limit: (before + behind) / 2,
    handOver,
    usage: used,
    requests: work.requests,
  };
}

/** Times every request of one more run. */
export async function latencyOf(
  time: NonNullable<Measurable["time"]>,
  milliseconds: number,
): Promise<Latency> {
  const histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MOST_LATENCY_NS,
    numberOfSignificantValueDigits: 3,
  });
  await time(milliseconds, (nanoseconds) => {
    histogram.recordValue(Math.max(1, Math.min(MOST_LATENCY_NS, Math.round(nanoseconds))));
  });
  const { maxValue } = histogram;
  // A percentile is the upper end of its bucket, which may be above all that was measured.
  const at = (percentile: number): number =>
    Math.min(histogram.getValueAtPercentile(percentile), maxValue) / 1000;
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: maxValue / 1000 };
}

function resultOf(job: Job, figures: readonly Figure[], latency: Latency | undefined): Result {
  const quiet = figures.filter(({ usage }) => usage.others <= DISTURBED);
  // Where no round was quiet all of them are shown, and said to be disturbed.
  const good = quiet.length > 0 ? quiet : figures;
  const rate = summarize(good.map((figure) => figure.rate));
  const hasLimit = good.every((figure) => Number.isFinite(figure.limit));
  const limit = hasLimit ? summarize(good.map((figure) => figure.limit)) : undefined;
  // Several queues are driven by threads of their own, which are not told from the endpoint's.
  const isOurs = job.queues === 1;
  const requests = good.reduce((sum, figure) => sum + figure.requests, 0);
  const microseconds = (seconds: (usage: Usage) => number | undefined): number | undefined => {
    const all = good.map(({ usage }) => seconds(usage));
    if (all.includes(undefined)) return undefined;
    return (1e6 * (all as number[]).reduce((sum, each) => sum + each, 0)) / requests;
  };
  return {
    job,
    rate,
    throughput: (rate.median * job.blockBytes) / MIB,
    limit,
    share: limit && ratiosOf(rate, limit),
    latency,
    cpu: {
      rootComplex: isOurs ? microseconds((usage) => usage.ownSeconds) : undefined,
      rest: microseconds(({ ownSeconds = 0, restSeconds }) =>
        isOurs ? restSeconds : ownSeconds + restSeconds,
      ) as number,
    },
    handOver: summarize(
      good.map((figure) => figure.handOver).filter((each) => Number.isFinite(each)),
    ),
    quiet: quiet.length,
    disturbed: figures.length - quiet.length,
  };
}
