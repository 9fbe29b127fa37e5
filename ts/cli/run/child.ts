// The command that runs beside the machine, with the terminal: it is signalled with us, and how it ends is
// how we end.

import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Cleanup } from "../cleanup.js";
import { ExitCode } from "../exit-code.js";
import { CliError } from "../failure.js";

export interface ChildOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Whether its output goes to our stderr: stdout is ours then. */
  readonly stdoutIsOurs: boolean;
}

/** The signals that end us, and are passed on. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** A command that goes on for so long after its signal is killed. */
const GRACE_MS = 5000;

/** What stands behind `--` on the command line: commander puts it with the arguments. */
export function wordsBehindDashes(): string[] {
  const dashes = process.argv.indexOf("--");
  return dashes < 0 ? [] : process.argv.slice(dashes + 1);
}

/** Runs a command to its end; gives its exit code, as shells count. Throws a `CliError` if it cannot be started. */
export async function runChild(
  [file = "", ...args]: readonly string[],
  { env, stdoutIsOurs }: ChildOptions,
  cleanup: Cleanup,
): Promise<number> {
  const child = spawn(file, args, {
    env: { ...process.env, ...env },
    stdio: ["inherit", stdoutIsOurs ? 2 : "inherit", "inherit"],
  });
  const ended = endOf(child, file);
  const forget = cleanup.add(() => endChild(child, ended));
  // Before whoever ends this process on a signal: it has to be passed on while it is known which it was.
  const passOn = (signal: NodeJS.Signals): unknown => child.kill(signal);
  for (const signal of SIGNALS) process.prependOnceListener(signal, passOn);
  try {
    return await ended;
  } finally {
    forget();
    for (const signal of SIGNALS) process.removeListener(signal, passOn);
  }
}

function endOf(child: ChildProcess, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => reject(notStarted(file, error)));
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

function notStarted(file: string, { code, message }: NodeJS.ErrnoException): CliError {
  const isMissing = code === "ENOENT";
  const why = isMissing ? "no such command" : code === "EACCES" ? "it may not be run" : message;
  return new CliError(
    { code: "ERR_RUN_COMMAND", message: `${file} cannot be started: ${why}` },
    isMissing ? ExitCode.commandNotFound : ExitCode.commandNotStarted,
  );
}

/** Waits for the end of a command; where it got no signal, as we end for another reason, it gets one. */
async function endChild(child: ChildProcess, ended: Promise<number>): Promise<void> {
  if (!child.killed) child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await ended.catch(() => {});
  clearTimeout(timer);
}
