// What was typed at the prompt, from one shell to the next: a file with a line each. Without it nothing is
// lost but the lines.

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

export const MOST_LINES = 1000;

export class History {
  readonly #path = historyPath();
  /** The newest first, as readline wants them. */
  readonly lines: readonly string[];

  constructor() {
    const all = this.#attempt(() => readFileSync(this.#path, "utf8").split("\n").filter(Boolean));
    this.lines = (all ?? []).slice(-MOST_LINES).reverse();
    if (all === undefined || all.length <= 2 * MOST_LINES) return;
    const kept = [...this.lines].reverse();
    this.#attempt(() => writeFileSync(this.#path, `${kept.join("\n")}\n`, { mode: 0o600 }));
  }

  add(line: string): void {
    if (line.trim() === "") return;
    this.#attempt(() => {
      makeDirectory(dirname(this.#path));
      appendFileSync(this.#path, `${line}\n`, { mode: 0o600 });
    });
  }

  #attempt<T>(task: () => T): T | undefined {
    try {
      return task();
    } catch {
      // A history that cannot be read or written is no reason not to go on.
      return undefined;
    }
  }
}

/** One after the other: where none can be made, as in /proc, Node's own would try for ever. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

/** As the XDG Base Directory Specification says: a path there that is not absolute does not count. */
function historyPath(): string {
  const { XDG_STATE_HOME = "" } = process.env;
  const state = isAbsolute(XDG_STATE_HOME) ? XDG_STATE_HOME : join(homedir(), ".local", "state");
  return join(state, "blockpt", "history");
}
