// The shell as it is started. It is a bundle of its own: what it shares with the rest of the command line comes
// in by `Start`.

import type { ConfigTree } from "blockpt";
import type { Cleanup } from "../cleanup.js";
import { ownCommands } from "./commands/commands.js";
import type { Console } from "./console.js";
import { Session } from "./session.js";
import { statementsOfLines } from "./statements.js";
import { TreeFileSystem } from "./tree-file-system.js";

export interface Start {
  readonly tree: ConfigTree;
  readonly console: Console;
  /** Lines with statements. */
  readonly lines: AsyncIterator<string> | Iterator<string>;
  /** `$0` and after it `$1` …. */
  readonly args: readonly string[];
  readonly cleanup: Cleanup;
}

/** Runs the shell to its end; gives its exit code. */
export function runShell({ tree, console, lines, args, cleanup }: Start): Promise<number> {
  const fs = new TreeFileSystem(tree, console);
  const session = new Session({
    fs,
    console,
    commands: ownCommands({ tree, fs, console, passesStdin: false }),
    source: statementsOfLines(lines),
    args,
    interactive: false,
  });
  cleanup.add(() => session.stop());
  return session.run();
}
