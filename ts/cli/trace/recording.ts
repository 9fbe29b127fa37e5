// The options --trace and --trace-records of whatever makes a bus, and the file that they are about.

import { type Bus, Trace, TraceFile } from "blockpt";
import { type Command, InvalidArgumentError } from "commander";
import type { Cleanup } from "../cleanup.js";
import { ExitCode } from "../exit-code.js";
import { failureOf, lineOf } from "../failure.js";

export interface TraceOptions {
  readonly trace?: string;
  readonly traceRecords?: number;
}

/** What is recorded of a bus: the first one that it is called with, and no other; undefined where nothing is. */
export type Recording = ((bus: Bus) => Trace | undefined) | undefined;

const LEAST_RECORDS = 16;
const MOST_RECORDS = 2 ** 24;
/** A request is four: what piles up between two writes, at a million a second. */
const DEFAULT_RECORDS = 2 ** 18;

export function addTraceOptions(command: Command): Command {
  return command
    .option("--trace <file>", "record every command, descriptor and completion, for blockpt trace")
    .option(
      "--trace-records <n>",
      `records that are held until they are written, 64 bytes each (default: ${DEFAULT_RECORDS})`,
      recordsOf,
    );
}

function recordsOf(text: string): number {
  const records = Number(text);
  if (/^\d+$/.test(text) && records >= LEAST_RECORDS && records <= MOST_RECORDS) return records;
  throw new InvalidArgumentError(
    `A whole number from ${LEAST_RECORDS} to ${MOST_RECORDS} is wanted.`,
  );
}

/**
 * What begins the file once there is a bus. To be called before whatever is traced is made: the file is ended by the
 * cleanup, which takes the latest first.
 */
export function recordingOf(options: TraceOptions, cleanup: Cleanup): Recording {
  const { trace: path, traceRecords: records = DEFAULT_RECORDS } = options;
  if (path === undefined) return undefined;
  let hasBegun = false;
  return (bus) => {
    if (hasBegun) return undefined;
    hasBegun = true;
    const trace = new Trace({ records });
    const file = TraceFile.create(path, trace, bus);
    cleanup.add(() => end(path, file, trace));
    return trace;
  };
}

function end(path: string, file: TraceFile, trace: Trace): void {
  try {
    file.close();
    const lost = trace.lost === 0 ? "none" : `${trace.lost} of them`;
    const hint = trace.lost === 0 ? "" : "; raise --trace-records";
    process.stderr.write(`blockpt: ${path}: ${trace.recorded} records, ${lost} lost${hint}\n`);
  } catch (error) {
    process.stderr.write(lineOf(failureOf(error)));
    process.exitCode ||= ExitCode.failed;
  }
}
