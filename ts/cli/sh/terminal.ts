// Lines that are typed at a prompt: their editing, history and completion are readline's.

import { createInterface, type Interface } from "node:readline";
import { complete } from "./completion.js";
import type { Console } from "./console.js";
import type { FileSystem } from "./files/file-system.js";
import { History, MOST_LINES } from "./history.js";
import type { ShellState } from "./session.js";
import type { LineSource } from "./statements.js";

export interface TerminalOptions {
  readonly fs: FileSystem;
  readonly console: Console;
  /** Names of commands, to be completed. */
  readonly commands: readonly string[];
  /** Ends the statement that is executed; gives whether there was one. */
  interrupt(): boolean;
}

const CONTINUATION = "> ";

export class Terminal implements LineSource {
  readonly #console: Console;
  readonly #readline: Interface;
  /** What was typed and not yet taken: lines, and null for a Ctrl-C. */
  #lines: (string | null)[] = [];
  /** Wakes who waits at the prompt. */
  #waiting: (() => void) | undefined;
  #isClosed = false;
  #cwd = "/";

  constructor({ fs, console, commands, interrupt }: TerminalOptions) {
    const history = new History();
    this.#console = console;
    this.#readline = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: [...history.lines],
      historySize: MOST_LINES,
      completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
        void complete(line, { fs, commands, cwd: this.#cwd }).then((found) => done(null, found));
      },
    });
    this.#readline.on("line", (line) => {
      history.add(line);
      this.#lines.push(line);
      this.#wake();
    });
    const close = (): void => {
      this.#isClosed = true;
      this.#wake();
    };
    this.#readline.on("close", close);
    // The terminal is gone before it could be given back.
    this.#readline.on("error", close);
    this.#readline.on("SIGINT", () => {
      process.stdout.write("^C\n");
      this.#lines = [];
      if (interrupt()) return;
      // What was typed stays where it is, and there is a new line for the next.
      Object.assign(this.#readline, { line: "", cursor: 0 });
      this.#lines.push(null);
      this.#wake();
    });
  }

  /** Gives the terminal back. */
  close(): void {
    this.#readline.close();
  }

  async next({ cwd }: ShellState, continues: boolean): Promise<string | null | undefined> {
    this.#cwd = cwd;
    while (this.#lines.length === 0 && !this.#isClosed) {
      await this.#prompt(continues ? CONTINUATION : `blockpt:${cwd}# `);
      if (this.#isClosed) process.stdout.write("\n");
    }
    return this.#lines.shift();
  }

  async #prompt(prompt: string): Promise<void> {
    this.#console.endLine();
    this.#readline.setPrompt(prompt);
    this.#readline.prompt();
    await new Promise<void>((resolve) => {
      this.#waiting = resolve;
    });
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
