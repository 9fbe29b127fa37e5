// What a trace comes to: requests by kind with their latencies, commands, and how both changed with time.

import type { TraceContents, TraceRecord } from "blockpt";
import { type TraceAnswered, TraceRequests } from "blockpt";
import { build, type Histogram } from "hdr-histogram-js";
import { type FilterOptions, isWanted } from "./read.js";

/** In microseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Requests of one kind. */
export interface RequestRow {
  readonly side: TraceRecord["side"];
  readonly disc: string;
  readonly queue: number;
  readonly operation: string;
  readonly count: number;
  /** Of those that were answered OK. */
  readonly bytes: number;
  /** How many were answered with which status, other than OK. */
  readonly errors: Readonly<Record<string, number>>;
  readonly latencyUs: Latencies;
}

/** Commands of one kind. */
export interface CommandRow {
  readonly side: TraceRecord["side"];
  readonly command: string;
  readonly count: number;
  readonly refused: number;
  readonly latencyUs: Latencies;
}

/** A part of the time. */
export interface Moment {
  /** Where it begins. */
  readonly timeUs: number;
  /** Most requests in flight. */
  readonly depth: number;
  /** Of what was answered in it; undefined if nothing was. */
  readonly p50Us: number | undefined;
  readonly p99Us: number | undefined;
  readonly answered: number;
}

export interface TraceStatistics {
  readonly startedAt: string;
  readonly engine: string;
  readonly records: number;
  readonly lost: number;
  /** From the first record to the last. */
  readonly seconds: number;
  readonly requests: readonly RequestRow[];
  /** Requests of which no end was recorded. */
  readonly unanswered: number;
  readonly commands: readonly CommandRow[];
  readonly faults: readonly string[];
  /** The time in equal parts: as this side has it. */
  readonly timeline: { readonly side: TraceRecord["side"]; readonly moments: readonly Moment[] };
}

const MOST_NS = 3600e9;
/** Parts of the time: what a terminal and a plot have room for. */
const MOMENTS = 64;

class Kind {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MOST_NS,
    numberOfSignificantValueDigits: 3,
  });
  count = 0;
  bytes = 0;
  readonly errors: Record<string, number> = {};

  add(latencyUs: number, status: string, lenBytes: number): void {
    this.count++;
    if (status === "OK" || status === "SUCCESS") this.bytes += lenBytes;
    else this.errors[status] = (this.errors[status] ?? 0) + 1;
    this.#histogram.recordValue(Math.max(1, Math.min(MOST_NS, Math.round(latencyUs * 1000))));
  }

  get latencyUs(): Latencies {
    const { maxValue } = this.#histogram;
    // A percentile is the upper end of its bucket, which may be above all that was measured.
    const at = (percentile: number): number =>
      Math.min(this.#histogram.getValueAtPercentile(percentile), maxValue) / 1000;
    return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: maxValue / 1000 };
  }
}

type Side = TraceRecord["side"];

/** Requests of a side in the order of time, in numbers. */
class Course {
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly latencies: number[] = [];
}

export function statisticsOf(contents: TraceContents, filter: FilterOptions): TraceStatistics {
  const collected = new Collected();
  for (const record of contents.inOrder()) {
    if (record.event === "lost") collected.lost += record.count;
    else if (isWanted(record, filter)) collected.add(record);
  }
  return collected.statistics(contents);
}

class Collected {
  lost = 0;
  readonly #requests = new TraceRequests();
  readonly #kinds = new Map<string, { key: Omit<RequestRow, keyof Kind>; kind: Kind }>();
  readonly #commands = new Map<string, { side: Side; command: string; kind: Kind }>();
  readonly #asked = new Map<Side, number>();
  readonly #faults: string[] = [];
  readonly #courses: Record<Side, Course> = {
    endpoint: new Course(),
    "root-complex": new Course(),
  };
  #records = 0;
  #firstUs = Number.POSITIVE_INFINITY;
  #lastUs = 0;

  add(record: TraceRecord): void {
    this.#records++;
    this.#firstUs = Math.min(this.#firstUs, record.timeUs);
    this.#lastUs = Math.max(this.#lastUs, record.timeUs);
    const answered = this.#requests.see(record);
    if (answered !== undefined) this.#addRequest(answered);
    switch (record.event) {
      case "descriptor":
        this.#courses[record.side].starts.push(record.timeUs);
        break;
      case "command":
        this.#asked.set(record.side, record.timeUs);
        break;
      case "answer": {
        const { side, status, timeUs } = record;
        const command = record.command.join(" + ");
        const key = `${side} ${command}`;
        const found = this.#commands.get(key) ?? { side, command, kind: new Kind() };
        this.#commands.set(key, found);
        found.kind.add(timeUs - (this.#asked.get(side) ?? timeUs), status, 0);
        break;
      }
      case "fault":
        this.#faults.push(`${record.disc} queue ${record.queue}, ${record.side}: ${record.fault}`);
        break;
      case "stopped":
        this.#faults.push(`${record.disc} queue ${record.queue}: ${record.reason}`);
        break;
    }
  }

  statistics({ header }: TraceContents): TraceStatistics {
    const rows = [...this.#kinds.values()].map(({ key, kind }) => ({ ...key, ...rowOf(kind) }));
    const commands = [...this.#commands.values()].map(({ side, command, kind }) => {
      const refused = Object.values(kind.errors).reduce((sum, each) => sum + each, 0);
      return { side, command, count: kind.count, refused, latencyUs: kind.latencyUs };
    });
    // What its user feels, where it was recorded.
    const side: Side =
      this.#courses["root-complex"].starts.length > 0 ? "root-complex" : "endpoint";
    const nameOf = ({ side, disc, queue, operation }: RequestRow): string =>
      [side, disc, String(queue).padStart(3), operation].join(" ");
    return {
      startedAt: header.startedAt,
      engine: header.engine,
      records: this.#records,
      lost: this.lost,
      seconds: Math.max(0, this.#lastUs - Math.min(this.#firstUs, this.#lastUs)) / 1e6,
      requests: rows.sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1)),
      unanswered: this.#requests.unanswered.length,
      commands,
      faults: this.#faults,
      timeline: { side, moments: momentsOf(this.#courses[side]) },
    };
  }

  #addRequest({ request, completion, latencyUs }: TraceAnswered): void {
    const { side, disc, queue, operation } = request;
    const key = JSON.stringify([side, disc, queue, operation]);
    const found = this.#kinds.get(key) ?? {
      key: { side, disc, queue, operation },
      kind: new Kind(),
    };
    this.#kinds.set(key, found);
    found.kind.add(latencyUs, completion.status, request.lenBytes);
    this.#courses[side].ends.push(completion.timeUs);
    this.#courses[side].latencies.push(latencyUs);
  }
}

function rowOf({
  count,
  bytes,
  errors,
  latencyUs,
}: Kind): Pick<RequestRow, keyof Kind & keyof RequestRow> {
  return { count, bytes, errors, latencyUs };
}

/** The time from the first request to the last end, in equal parts. */
function momentsOf({ starts, ends, latencies }: Course): Moment[] {
  const [first] = starts;
  const last = Math.max(starts.at(-1) ?? 0, ends.at(-1) ?? 0);
  if (first === undefined || last <= first) return [];
  const lengthUs = (last - first) / MOMENTS;
  const moments: Moment[] = [];
  let [start, end] = [0, 0];
  for (let number = 0; number < MOMENTS; number++) {
    const untilUs =
      number === MOMENTS - 1 ? Number.POSITIVE_INFINITY : first + (number + 1) * lengthUs;
    const firstEnd = end;
    let depth = start - end;
    for (;;) {
      const nextStart = starts[start] ?? Number.POSITIVE_INFINITY;
      const nextEnd = ends[end] ?? Number.POSITIVE_INFINITY;
      if (
        Math.min(nextStart, nextEnd) >= untilUs ||
        Math.min(nextStart, nextEnd) === Number.POSITIVE_INFINITY
      )
        break;
      if (nextStart <= nextEnd) start++;
      else end++;
      depth = Math.max(depth, start - end);
    }
    const sorted = latencies.slice(firstEnd, end).sort((one, other) => one - other);
    const at = (share: number): number | undefined =>
      sorted[Math.floor((sorted.length - 1) * share)];
    moments.push({
      timeUs: first + number * lengthUs,
      depth,
      p50Us: at(0.5),
      p99Us: at(0.99),
      answered: sorted.length,
    });
  }
  return moments;
}
