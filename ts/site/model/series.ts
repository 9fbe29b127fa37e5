// What a workload has come to: a sample each tick, the last ones kept, and a summary of all.

import { quantile } from "../../workload/statistics.js";

/** What a load did in a tick. */
export interface Tick {
  /** Requests that were done and not timed, and how long they took together. */
  readonly requests: number;
  readonly milliseconds: number;
  /** Requests besides: those that were done and timed. */
  readonly others: number;
  /** Requests that failed, in none of these. */
  readonly errors: number;
  /** What the first of them said. */
  readonly firstError: string | undefined;
  /** Of the requests that were timed, in microseconds. */
  readonly latencies: Float64Array;
}

/** A point of the plots. */
export interface Sample {
  /** Since the start, at the end of the tick. */
  readonly seconds: number;
  readonly iops: number;
  readonly mibPerSecond: number;
  /** Microseconds; not a number where none was timed. */
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly errors: number;
}

export interface Summary {
  readonly seconds: number;
  readonly samples: number;
  readonly requests: number;
  readonly errors: number;
  readonly last: Sample | undefined;
  readonly meanIops: number;
  readonly mostIops: number;
}

const MIB = 1024 * 1024;
/** Points of a plot. */
export const KEPT_SAMPLES = 240;

/** A sample of what all queues did at the same time. */
export function sampleOf(ticks: readonly Tick[], blockBytes: number, seconds: number): Sample {
  const iops = ticks.reduce(
    (sum, { requests, milliseconds }) => sum + (1000 * requests) / milliseconds,
    0,
  );
  const latencies = joined(ticks.map((tick) => tick.latencies));
  return {
    seconds,
    iops,
    mibPerSecond: (iops * blockBytes) / MIB,
    p50: quantile(latencies, 0.5),
    p90: quantile(latencies, 0.9),
    p99: quantile(latencies, 0.99),
    errors: ticks.reduce((sum, tick) => sum + tick.errors, 0),
  };
}

export const NOTHING: Summary = {
  seconds: 0,
  samples: 0,
  requests: 0,
  errors: 0,
  last: undefined,
  meanIops: 0,
  mostIops: 0,
};

/** The summary with one sample more. */
export function withSample(summary: Summary, sample: Sample, requests: number): Summary {
  const samples = summary.samples + 1;
  return {
    seconds: sample.seconds,
    samples,
    requests: summary.requests + requests,
    errors: summary.errors + sample.errors,
    last: sample,
    // Of the samples, as what is done between two ticks is no part of the load.
    meanIops: summary.meanIops + (sample.iops - summary.meanIops) / samples,
    mostIops: Math.max(summary.mostIops, sample.iops),
  };
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
