// A child process that is followed: what it prints, and how it ends.

import type { ChildProcessByStdio } from "node:child_process";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";

/** How it ended, and all that it printed. */
export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Child = ChildProcessByStdio<Writable | null, Readable, Readable>;

export interface Running {
  readonly child: Child;
  readonly ended: Promise<Ended>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with stdout once that holds the text, or matches. */
  printed(text: string | RegExp): Promise<string>;
}

export function follow(child: Child): Running {
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (data) => {
    stdout += data;
  });
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      // As shells count it.
      const exitCode = signal === null ? code : 128 + constants.signals[signal];
      resolve({ exitCode, stdout, stderr });
    });
  });
  return {
    child,
    ended,
    kill: (signal) => child.kill(signal),
    printed: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (typeof text === "string" ? stdout.includes(text) : text.test(stdout)) resolve(stdout);
        };
        child.stdout.on("data", look);
        child.on("close", () => reject(new Error(`ended without printing ${text}: ${stderr}`)));
        look();
      }),
  };
}
