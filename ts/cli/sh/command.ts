// What the shell's own commands have in common: how arguments are parsed, what `--help` prints, and how
// they fail.

import { type ParseArgsConfig, parseArgs } from "node:util";
import type { ConfigTree } from "blockpt";
import {
  bytesOutput,
  type Command,
  defineCommand,
  latin1FromBytes,
  unsafeBytesFromLatin1,
} from "just-bash";
import type { Console } from "./console.js";
import type { FileSystem } from "./files/file-system.js";
import { FileError } from "./system-error.js";

/** What a command prints is held in memory, as just-bash wants it. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** What commands work on. */
export interface Resources {
  readonly tree: ConfigTree;
  readonly fs: FileSystem;
  readonly console: Console;
}

type Value = string | boolean | (string | boolean)[] | undefined;

/** One call of a command. */
export interface Call extends Resources {
  readonly values: Readonly<Record<string, Value>>;
  readonly operands: readonly string[];
  /** What came in through a pipe or a redirection. */
  readonly stdin: Uint8Array;
  /** Aborted when the statement is interrupted. */
  readonly signal: AbortSignal | undefined;
  /** A path from the shell's directory. */
  path(path: string): string;
  out(text: string | Uint8Array): void;
  err(text: string): void;
}

/** What a command is. */
export interface Definition {
  readonly name: string;
  /** After the name: `[-v] [-s SLOT]`. */
  readonly usage: string;
  /** What it does, and its options a line each. */
  readonly help: string;
  readonly options?: NonNullable<ParseArgsConfig["options"]>;
  /** Takes its arguments as they are, as `dd` does. */
  readonly verbatim?: boolean;
  /** What stands for an argument of an old form, such as `-5`. */
  readonly legacy?: (arg: string) => string;
  /** Gives the exit code, unless it is 0. */
  run(call: Call): Promise<number | undefined> | number | undefined;
}

/** A command failed, for a reason that its user is told after its name. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Does something with a file, and has it fail as `PATH: No such file or directory`. */
export async function withPath<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`${path}: ${FileError.of(error).reason}`);
  }
}

export function commandOf(definition: Definition, resources: Resources): Command {
  const { name, usage, help } = definition;
  return defineCommand(name, async (args, { cwd, stdin, signal }) => {
    const output: Uint8Array[] = [];
    let outputBytes = 0;
    let stderr = "";
    const finish = (exitCode: number) => ({
      ...bytesOutput(unsafeBytesFromLatin1(Buffer.concat(output).toString("latin1"))),
      stderr,
      exitCode,
    });
    const call = {
      ...resources,
      stdin: Buffer.from(latin1FromBytes(stdin), "latin1"),
      signal,
      path: (path: string) => resources.fs.resolvePath(cwd, path),
      out: (text: string | Uint8Array) => {
        const bytes = Buffer.from(text);
        outputBytes += bytes.length;
        if (outputBytes > MAX_OUTPUT_BYTES) {
          throw new CommandFailure(`more than ${MAX_OUTPUT_BYTES} bytes cannot be printed`);
        }
        output.push(bytes);
      },
      err: (text: string) => {
        stderr += text;
      },
    };
    try {
      if (args[0] === "--help") {
        call.out(`Usage: ${name} ${usage}`.trimEnd());
        call.out(`\n\n${help.trim()}\n`);
        return finish(0);
      }
      return finish((await definition.run({ ...call, ...parse(definition, args) })) ?? 0);
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error || error instanceof CommandFailure)) {
        throw error;
      }
      const isOurs = error instanceof CommandFailure;
      call.err(`${name}: ${isOurs ? error.message : FileError.of(error).reason}\n`);
      return finish(isOurs ? error.exitCode : 1);
    }
  });
}

function parse(
  { name, options = {}, verbatim = false, legacy = (arg) => arg }: Definition,
  args: readonly string[],
): Pick<Call, "values" | "operands"> {
  if (verbatim) return { values: {}, operands: args };
  try {
    const { values, positionals } = parseArgs({
      args: args.map(legacy),
      options,
      allowPositionals: true,
      strict: true,
    });
    return { values: values as Readonly<Record<string, Value>>, operands: positionals };
  } catch (error) {
    const [message = ""] = (error as Error).message.split(". ");
    throw new CommandFailure(`${message.replace(/\.$/, "")}; see ${name} --help`);
  }
}

/** How often an option was given, as in `-vv`. */
export function countOf(value: Value): number {
  return Array.isArray(value) ? value.length : value === undefined ? 0 : 1;
}

/** The text of an option. */
export function textOf(value: Value): string | undefined {
  return typeof value === "string" ? value : undefined;
}
