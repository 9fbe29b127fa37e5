// A terminal of a test's own, by tmux: what is typed there, and what is to be seen.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Place, until } from "./command-line.js";

const run = promisify(execFile);

export const NO_TERMINAL = "there is no tmux, which would be the terminal";

export interface Terminal {
  /** Types text and keys by name, as `Enter` and `C-c`. */
  type(...keys: readonly string[]): Promise<void>;
  /** Types a line as it is, and then Enter. */
  enter(line: string): Promise<void>;
  /** What is to be seen; of a line that is too long for one row, all of it in one. */
  screen(): Promise<string>;
  /** Resolves with the screen, without what is empty at its end, once it shows that; within a minute. */
  shows(text: string | RegExp): Promise<string>;
  /** Something that tmux knows, as `#{cursor_flag}`. */
  state(format: string): Promise<string>;
  resize(columns: number, rows: number): Promise<void>;
  close(): Promise<void>;
}

let opened = 0;

/** Opens one, with a shell in it; undefined where there is no tmux. */
export async function openTerminal(
  place: Place,
  options: { columns: number; rows: number; command?: string },
): Promise<Terminal | undefined> {
  if ((await run("tmux", ["-V"]).catch(() => undefined)) === undefined) return undefined;
  const { columns, rows, command = "PS1='$ ' sh" } = options;
  // One each: a server that is told to end takes a moment, in which it has its socket still.
  const socket = place.path(`tmux${opened++}`);
  const tmux = async (...args: readonly string[]): Promise<string> =>
    (await run("tmux", ["-S", socket, "-f", "/dev/null", ...args])).stdout;
  const size = (width: number, height: number) => ["-x", String(width), "-y", String(height)];
  await tmux("new-session", "-d", "-c", place.directory, ...size(columns, rows), command);
  const screen = async (): Promise<string> => (await tmux("capture-pane", "-p", "-J")).trimEnd();
  const type = async (...keys: readonly string[]): Promise<void> => {
    await tmux("send-keys", ...keys);
  };
  return {
    type,
    enter: async (line) => {
      await tmux("send-keys", "-l", line);
      await type("Enter");
    },
    screen,
    shows: async (text) => {
      let seen = "";
      const deadline = performance.now() + 60_000;
      await until(async () => {
        seen = await screen();
        if (performance.now() > deadline) throw new Error(`${text} is not to be seen in\n${seen}`);
        return typeof text === "string" ? seen.includes(text) : text.test(seen);
      });
      return seen;
    },
    state: async (format) => (await tmux("display-message", "-p", format)).trimEnd(),
    resize: async (width, height) => void (await tmux("resize-window", ...size(width, height))),
    close: async () => void (await tmux("kill-server")),
  };
}
