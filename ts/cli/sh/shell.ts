// The shell as it is started. It is a bundle of its own: what it shares with the rest of the command line comes
// in by `Start`.

import type { ConfigTree } from "blockpt";
import type { Cleanup } from "../cleanup.js";
import { commandNames, ownCommands } from "./commands/commands.js";
import type { Console } from "./console.js";
import { FileSystem } from "./files/file-system.js";
import type { Stdin } from "./files/stdin.js";
import { Session } from "./session.js";
import { linesOfScript, Statements } from "./statements.js";
import { Terminal } from "./terminal.js";

export interface Start {
  readonly tree: ConfigTree;
  readonly console: Console;
  /** Lines with statements; undefined if they are typed at a prompt. */
  readonly lines: AsyncIterator<string> | Iterator<string> | undefined;
  /** `$0` and after it `$1` …. */
  readonly args: readonly string[];
  /** What is `/dev/stdin`. */
  readonly stdin: Stdin;
  readonly cleanup: Cleanup;
}

/** Runs the shell to its end; gives its exit code. */
export async function runShell(start: Start): Promise<number> {
  const { tree, console, lines, args, stdin, cleanup } = start;
  const fs = new FileSystem(tree, console, stdin);
  const commands = ownCommands({ tree, fs, console });
  const terminal: Terminal | undefined =
    lines === undefined
      ? new Terminal({
          fs,
          console,
          commands: commandNames(),
          interrupt: () => session.interrupt(),
        })
      : undefined;
  const statements = new Statements(terminal ?? linesOfScript(lines ?? [].values()));
  const session: Session = new Session({
    ...{ fs, console, commands, statements, args },
    interactive: terminal !== undefined,
  });
  cleanup.add(() => session.stop());
  cleanup.add(() => terminal?.close());
  return session.run();
}
