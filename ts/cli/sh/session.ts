// One run of the shell: statements come from a source, and are executed one after the other in one
// execution of just-bash, so that variables, functions, options and the directory go from one to the next.
//
// just-bash executes a list of statements and forgets its state with it. Our list grows while it is executed:
// it starts with a command of ours, `__next`, which waits for a statement of the source and puts that and
// another `__next` at the end.

import { Bash, type Command, defineCommand, type StatementNode } from "just-bash";
import { bundledCommands } from "./commands/commands.js";
import type { Console } from "./console.js";
import type { FileSystem } from "./files/file-system.js";
import type { Statements } from "./statements.js";
import { FileError } from "./system-error.js";
import { amend, LEAVING, printing, statementsOf } from "./transform.js";

/** What a session knows of its shell between two statements. */
export interface ShellState {
  readonly exitCode: number;
  readonly cwd: string;
  readonly env: ReadonlyMap<string, string>;
}

export interface SessionOptions {
  readonly fs: FileSystem;
  readonly console: Console;
  readonly commands: readonly Command[];
  readonly statements: Statements;
  /** `$0` and after it `$1` …. */
  readonly args: readonly string[];
  /** Whether an error that would end a script leads to the next prompt. */
  readonly interactive: boolean;
}

const NEXT = "__next";
/** Timers of Node's go no further; a session lasts as long as it lasts. */
const NO_TIMEOUT_MS = 0x7fffffff;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const MAX_BYTES = 512 * 1024 * 1024;
const SYNTAX_ERROR = 2;
const INTERRUPTED = 130;

export class Session {
  readonly #options: SessionOptions;
  readonly #bash: Bash;
  #abort = new AbortController();
  #running: Promise<number> | undefined;
  /** The list that is executed, once that has begun. */
  #list: StatementNode[] | undefined;
  /** The statement that is executed now. */
  #text: string | undefined;
  #state: ShellState;
  /** Functions as they were defined, for an execution after one that was interrupted. */
  readonly #functions: StatementNode[] = [];
  #isLeaving = false;
  #isAtEnd = false;
  #isStopped = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#state = { exitCode: 0, cwd: process.cwd(), env: new Map(environment(options.args)) };
    this.#bash = new Bash({
      fs: options.fs,
      cwd: this.#state.cwd,
      env: Object.fromEntries(this.#state.env),
      // Whoever types here may do on this machine what they may do anyway.
      defenseInDepth: false,
      executionLimits: {
        maxExecutionTimeMs: NO_TIMEOUT_MS,
        maxCommandCount: NO_LIMIT,
        maxLoopIterations: NO_LIMIT,
        maxWorkUnits: NO_LIMIT,
        maxOutputSize: NO_LIMIT,
        maxInputBytes: NO_LIMIT,
        maxStringLength: MAX_BYTES,
        maxLiveBytes: NO_LIMIT,
      },
      processInfo: { pid: process.pid, ppid: process.ppid },
      commands: bundledCommands(),
      customCommands: [
        ...options.commands,
        this.#next(),
        defineCommand(LEAVING, async (_args, { env }) => {
          this.#isLeaving = true;
          return done(exitCodeIn(env));
        }),
      ],
    });
    this.#bash.registerTransformPlugin({
      name: "blockpt",
      transform: ({ ast }) => {
        if (this.#list === undefined) {
          this.#list = this.#beginning();
          return { ast: { ...ast, statements: this.#list } };
        }
        amend(ast);
        return { ast };
      },
    });
  }

  /** Executes all statements of the source; gives the exit code. */
  run(): Promise<number> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Ends the statement that is executed now; gives whether there is one. */
  interrupt(): boolean {
    const isBusy = this.#text !== undefined;
    if (isBusy) this.#abort.abort();
    return isBusy;
  }

  /** Ends everything, the statement that is executed now too. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.interrupt()) await this.#running;
  }

  async #run(): Promise<number> {
    for (;;) {
      const exitCode = await this.#execute();
      const isExit = this.#isLeaving || this.#hasErrexit;
      if (this.#isAtEnd || this.#isStopped || isExit || !this.#options.interactive) return exitCode;
      this.#options.statements.discard();
      this.#state = { ...this.#state, exitCode };
    }
  }

  get #hasErrexit(): boolean {
    return (this.#state.env.get("SHELLOPTS") ?? "").split(":").includes("errexit");
  }

  /** One execution of just-bash: until the end, `exit`, an interrupt, or an error that ends scripts. */
  async #execute(): Promise<number> {
    const { console } = this.#options;
    this.#list = undefined;
    this.#abort = new AbortController();
    let exitCode: number;
    try {
      const result = await this.#bash.exec(NEXT, {
        env: Object.fromEntries(this.#state.env),
        replaceEnv: true,
        cwd: this.#state.cwd,
        signal: this.#abort.signal,
      });
      console.out(result.stdout);
      if (!this.#abort.signal.aborted) console.err(result.stderr);
      exitCode = result.exitCode;
    } catch (error) {
      console.err(`bash: ${FileError.of(error).reason}\n`);
      exitCode = 1;
    }
    if (this.#abort.signal.aborted) exitCode = INTERRUPTED;
    this.#tellEnd(exitCode);
    return exitCode;
  }

  /** What an execution begins with: functions and options of the one before it, and the first `__next`. */
  #beginning(): StatementNode[] {
    const options = (this.#state.env.get("SHELLOPTS") ?? "")
      .split(":")
      .filter((option) => SETTABLE_OPTIONS.has(option))
      .map((option) => `set -o ${option}`);
    const status = `(exit ${this.#state.exitCode}) && :`;
    return [...this.#functions, ...statementsOf([...options, status].join("\n")), ...nextList()];
  }

  /** `__next`: tells that a statement has ended, and has the next one executed. */
  #next(): Command {
    return defineCommand(NEXT, async (_args, { env, cwd }) => {
      const exitCode = exitCodeIn(env);
      this.#state = { exitCode, cwd, env: new Map(env) };
      this.#isLeaving = false;
      this.#tellEnd(exitCode);
      this.#options.fs.forgetRedirections();
      const read = this.#isStopped ? undefined : await this.#options.statements.next(this.#state);
      if (read === undefined) {
        this.#isAtEnd = true;
        return done(exitCode);
      }
      this.#text = read.text;
      if ("syntaxError" in read) {
        this.#options.console.err(`bash: ${read.syntaxError}\n`);
        const fail = this.#options.interactive
          ? `(exit ${SYNTAX_ERROR}) && :`
          : `exit ${SYNTAX_ERROR}`;
        this.#list?.push(...statementsOf(fail), ...nextList());
        return done(exitCode);
      }
      const { statement } = read;
      amend(statement);
      const isDefinition = statement.pipelines[0]?.commands[0]?.type === "FunctionDef";
      if (isDefinition) this.#functions.push(statement);
      this.#list?.push(printing(statement), ...nextList());
      return done(exitCode);
    });
  }

  #tellEnd(exitCode: number): void {
    if (this.#text === undefined) return;
    this.#options.console.ended(this.#text, exitCode);
    this.#text = undefined;
  }
}

/** What can be set again with `set -o`. */
const SETTABLE_OPTIONS = new Set([
  "allexport",
  "errexit",
  "noclobber",
  "noglob",
  "nounset",
  "pipefail",
  "verbose",
  "xtrace",
]);

/** Of a list with `&&` a command before the last may fail without an end by `set -e`, and leaves its status. */
function nextList(): StatementNode[] {
  return statementsOf(`{ ${NEXT} && { :; }; } 2>/dev/null && { :; } 2>/dev/null`);
}

function environment([name = "blockpt", ...args]: readonly string[]): [string, string][] {
  const own = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !["SHELLOPTS", "BASHOPTS", "PATH"].includes(entry[0]),
  );
  const positional = args.map((arg, index): [string, string] => [String(index + 1), arg]);
  const all: [string, string][] = [
    ["0", name],
    ["#", String(args.length)],
    ["@", args.join(" ")],
    ["*", args.join(" ")],
  ];
  return [...own, ...all, ...positional];
}

function exitCodeIn(env: ReadonlyMap<string, string>): number {
  return Number(env.get("?") ?? 0);
}

function done(exitCode: number): { stdout: string; stderr: string; exitCode: number } {
  return { stdout: "", stderr: "", exitCode };
}
