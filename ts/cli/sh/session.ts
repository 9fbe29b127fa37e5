// One run of the shell: statements are executed one after the other in one execution of just-bash, so that
// variables, functions, options and the directory go from one to the next.
//
// just-bash executes a list of statements and forgets its state with it. Our list grows while it is executed:
// it starts with a command of ours, `__next`, which waits for a statement and puts that and another `__next`
// at the end.

import { Bash, type Command, defineCommand, parse, type StatementNode } from "just-bash";
import { bundledCommands } from "./commands/commands.js";
import type { Console } from "./console.js";
import type { FileSystem } from "./files/file-system.js";
import type { Statements } from "./statements.js";
import { FileError } from "./system-error.js";
import { amend, LEAVING, printing, quietly } from "./transform.js";

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
const MAX_STRING_BYTES = 512 * 1024 * 1024;
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
        maxStringLength: MAX_STRING_BYTES,
        maxLiveBytes: NO_LIMIT,
      },
      processInfo: { pid: process.pid, ppid: process.ppid },
      commands: bundledCommands(),
      customCommands: [...options.commands, ...this.#ownCommands()],
    });
    this.#bash.registerTransformPlugin({
      name: "blockpt",
      transform: ({ ast }) => {
        if (this.#list === undefined) {
          this.#list = this.#beginning();
          return { ast: { ...ast, statements: this.#list } };
        }
        // What a command such as `bash` or `xargs` has executed.
        amend(ast);
        return { ast };
      },
    });
  }

  /** Executes all statements; gives the exit code. */
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
      const isExit = this.#isLeaving || this.#isSet("errexit");
      if (this.#isAtEnd || this.#isStopped || isExit || !this.#options.interactive) return exitCode;
      this.#options.statements.discard();
      this.#state = { ...this.#state, exitCode };
    }
  }

  /** One execution of just-bash: until the end, `exit`, an interrupt, or an error that ends scripts. */
  async #execute(): Promise<number> {
    const { console } = this.#options;
    const { env, cwd } = this.#state;
    this.#list = undefined;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    let exitCode = 1;
    try {
      const options = { env: Object.fromEntries(env), replaceEnv: true, cwd, signal };
      const result = await this.#bash.exec(NEXT, options);
      console.out(result.stdout);
      if (!signal.aborted) console.err(result.stderr);
      exitCode = result.exitCode;
    } catch (error) {
      console.err(`bash: ${FileError.of(error).reason}\n`);
    }
    if (signal.aborted) exitCode = INTERRUPTED;
    this.#tellEnd(exitCode);
    return exitCode;
  }

  /** What an execution begins with: functions, options and `$?` of the one before it, and the first `__next`. */
  #beginning(): StatementNode[] {
    const options = [...SETTABLE_OPTIONS].filter((option) => this.#isSet(option));
    const text = [...options.map((option) => `set -o ${option}`), exitCodeOf(this.#state.exitCode)];
    return [...this.#functions, ...parse(text.join("\n")).statements, quietly(NEXT)];
  }

  #isSet(option: string): boolean {
    return (this.#state.env.get("SHELLOPTS") ?? "").split(":").includes(option);
  }

  #ownCommands(): Command[] {
    const command = (name: string, run: (state: ShellState) => Promise<void>): Command =>
      defineCommand(name, async (_args, { env, cwd }) => {
        const exitCode = Number(env.get("?") ?? 0);
        await run({ exitCode, cwd, env });
        return { stdout: "", stderr: "", exitCode };
      });
    return [
      command(NEXT, (state) => this.#next(state)),
      command(LEAVING, async () => {
        this.#isLeaving = true;
      }),
    ];
  }

  /** Tells that a statement has ended, and has the next one executed. */
  async #next(state: ShellState): Promise<void> {
    const { console, fs, interactive, statements } = this.#options;
    this.#state = { ...state, env: new Map(state.env) };
    this.#isLeaving = false;
    this.#tellEnd(state.exitCode);
    fs.endStatement();
    const read = this.#isStopped ? undefined : await statements.next(this.#state);
    if (read === undefined) {
      this.#isAtEnd = true;
      return;
    }
    this.#text = read.text;
    if ("syntaxError" in read) {
      console.err(`bash: ${read.syntaxError}\n`);
      const end = interactive ? exitCodeOf(SYNTAX_ERROR) : `exit ${SYNTAX_ERROR}`;
      this.#list?.push(...parse(end).statements, quietly(NEXT));
      return;
    }
    const { statement } = read;
    amend(statement);
    const isDefinition = statement.pipelines[0]?.commands[0]?.type === "FunctionDef";
    if (isDefinition) this.#functions.push(statement);
    this.#list?.push(printing(statement), quietly(NEXT));
  }

  #tellEnd(exitCode: number): void {
    if (this.#text === undefined) return;
    this.#options.console.ended(this.#text, exitCode);
    this.#text = undefined;
  }
}

/** What can be set again with `set -o`. */
const SETTABLE_OPTIONS: readonly string[] = [
  ...["allexport", "errexit", "noclobber", "noglob", "nounset", "pipefail", "verbose", "xtrace"],
];

/** Has `$?` be that, without an end by `set -e`. */
function exitCodeOf(exitCode: number): string {
  return `(exit ${exitCode}) && :`;
}

/** Where just-bash takes its commands to be. */
const PATH = "/usr/bin:/bin";

/** The variables: ours, but for what is a shell's own, and `$0`, `$1` and so on. */
function environment([name = "blockpt", ...args]: readonly string[]): [string, string][] {
  const own = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !["SHELLOPTS", "BASHOPTS"].includes(entry[0]),
  );
  const positional = args.map((arg, index): [string, string] => [String(index + 1), arg]);
  const all = args.join(" ");
  const ours: [string, string][] = [
    ["PATH", PATH],
    ["0", name],
    ["#", String(args.length)],
    ["@", all],
    ["*", all],
  ];
  return [...own, ...ours, ...positional];
}
