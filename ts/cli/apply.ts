// `blockpt apply`: brings a running process into the state that a config file describes.

import type { Command } from "commander";
import { type ConfigFile, readConfigFile } from "./config-file/config-file.js";
import { ask, findSocket, RefusedError, SOCKET_OPTION } from "./control/client.js";
import type { CommandContext } from "./demo.js";
import { EXIT_CODES_HELP } from "./exit-code.js";
import { createScreen } from "./screen.js";

const HELP = `
What the file does not name stays as it is. A disc that is attached has to be detached before it
can be changed, and the bus of a running process cannot change. If something cannot be so, what
was changed before it stays changed.

Examples:
  $ blockpt apply disks.yaml
  $ blockpt dump | sed 's/attach: false/attach: true/' | blockpt apply -
  $ blockpt apply disks.yaml --json | jq -r '.changed[]'
`;

export function addApplyCommand(program: Command, { cleanup }: CommandContext): void {
  program
    .command("apply")
    .description("configure a running blockpt as a config file says, and print what changed")
    .argument("<file>", "config file, YAML or JSON; - for stdin")
    .option(...SOCKET_OPTION)
    .option("--json", "print one JSON document, and nothing else, on stdout")
    .addHelpText("after", HELP + EXIT_CODES_HELP)
    .action(async (path: string, { socket, json }: { socket?: string; json?: true }) => {
      const file = await readConfigFile(path);
      const { changed } = await apply(await findSocket(socket), file);
      if (json) process.stdout.write(`${JSON.stringify({ changed }, null, 2)}\n`);
      const screen = createScreen(json === true, cleanup);
      for (const each of changed) screen.line(`changed ${each}`);
      if (changed.length === 0) screen.line("nothing to change");
    });
}

async function apply(socket: string, file: ConfigFile): Promise<{ changed: string[] }> {
  try {
    return await ask(socket, { request: "apply", document: file.document });
  } catch (error) {
    if (!(error instanceof RefusedError) || error.keys === undefined) throw error;
    throw file.errorAt(error.keys, error.code, error.message);
  }
}
