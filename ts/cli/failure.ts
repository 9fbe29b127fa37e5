// What went wrong, as a code and one line: errors of ours, of the library and of Node,
// also from other threads, where an error's class and code would be lost.

import { ExitCode } from "./exit-code.js";

/** An error as it is printed, and posted from thread to thread. */
export interface Failure {
  /** Stable, where there is one: `ERR_BLOCKPT_…`, `ERR_DEMO_…`, `ENOENT`. */
  readonly code: string;
  readonly message: string;
}

/** A failure, thrown. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: string;
  /** What the process ends with. */
  readonly exitCode: number;

  constructor(failure: Failure, exitCode: number = ExitCode.failed) {
    super(failure.message);
    this.code = failure.code;
    this.exitCode = exitCode;
  }
}

/** What an error comes down to. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { code: "ERR_UNKNOWN", message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  // Node repeats a system call's code in its message.
  const message = error.message.startsWith(`${code}: `)
    ? error.message.slice(code.length + 2)
    : error.message;
  return { code, message };
}

/** The lines for stderr: one, or one for each of several errors. */
export function linesOf(error: unknown): string {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  return errors.map((each) => lineOf(failureOf(each))).join("");
}

/** The line for stderr. */
export function lineOf(failure: Failure): string {
  return `blockpt: ${failure.code}: ${failure.message.replace(/\s*\n\s*/g, " ")}\n`;
}
