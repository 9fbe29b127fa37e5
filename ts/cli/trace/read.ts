// A trace file as `blockpt trace` reads it: its records in the order of time, and of those the ones that are wanted.

import { readTraceFile, type TraceContents, type TraceLost, type TraceRecord } from "blockpt";
import { type Command, InvalidArgumentError, Option } from "commander";

export interface FilterOptions {
  readonly side?: TraceRecord["side"];
  readonly disc?: string;
  readonly queue?: number;
  readonly thread?: string;
  readonly event?: readonly string[];
  readonly from?: number;
  readonly to?: number;
}

const EVENTS: readonly (TraceRecord | TraceLost)["event"][] = [
  ...(["command", "answer", "device", "open", "close", "resize"] as const),
  ...(["descriptor", "completion", "fault", "stopped", "lost"] as const),
];

export function addFilterOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--side <side>", "only of one side").choices(["endpoint", "root-complex"]),
    )
    .option("--disc <name>", "only of one disc: its name, or the last component of it")
    .option("--queue <n>", "only of one queue", queueOf)
    .option("--thread <name>", "only of one thread")
    .option("--from <seconds>", "only from then on", secondsOf)
    .option("--to <seconds>", "only until then", secondsOf);
}

export function eventOption(): Option {
  return new Option("--event <events>", `only such, with commas: ${EVENTS.join(", ")}`).argParser(
    (text: string): string[] => {
      const unknown = text.split(",").find((each) => !EVENTS.some((event) => event === each));
      if (unknown === undefined) return text.split(",");
      throw new InvalidArgumentError(`${unknown} is none of ${EVENTS.join(", ")}.`);
    },
  );
}

function queueOf(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("The number of a queue is wanted, counted from 0.");
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== "" && seconds >= 0) return seconds;
  throw new InvalidArgumentError("Seconds from the start of the trace are wanted, as 0.5.");
}

/** Reads a file, and says on stderr what it lacks. */
export function openTraceFile(path: string): TraceContents {
  const contents = readTraceFile(path);
  if (contents.cutBytes > 0) {
    process.stderr.write(
      `blockpt: ${path} ends within a record: what is whole before that is shown\n`,
    );
  }
  return contents;
}

/** Whether a record is wanted. What is of no queue is of every disc and queue only if none is asked for. */
export function isWanted(record: TraceRecord | TraceLost, filter: FilterOptions): boolean {
  const { side, disc, queue, thread, event, from = 0, to = Number.POSITIVE_INFINITY } = filter;
  if (event !== undefined && !event.includes(record.event)) return false;
  if (record.event === "lost") return true;
  const seconds = record.timeUs / 1e6;
  if (seconds < from || seconds > to) return false;
  if (side !== undefined && record.side !== side) return false;
  if (thread !== undefined && record.thread !== thread) return false;
  const place = { disc: "", queue: -1, ...record };
  if (disc !== undefined && place.disc !== disc && lastComponent(place.disc) !== disc) return false;
  return queue === undefined || place.queue === queue;
}

export function lastComponent(disc: string): string {
  return disc.slice(disc.lastIndexOf("/") + 1);
}
