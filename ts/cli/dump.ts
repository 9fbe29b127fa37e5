// `blockpt dump`: the state of a running process as a config file.

import type { Command } from "commander";
import { printConfigFile } from "./config-file/print.js";
import type { MachineDocument } from "./config-file/schema.js";
import { ask, findSocket, SOCKET_OPTION } from "./control/client.js";
import { EXIT_CODES_HELP } from "./exit-code.js";

const EXAMPLES_HELP = `
Examples:
  $ blockpt dump > disks.yaml
  $ blockpt run --config disks.yaml
  $ blockpt dump --json | jq .functions.func1.discs
`;

export function addDumpCommand(program: Command): void {
  program
    .command("dump")
    .description("print what a running blockpt is configured as, as a config file")
    .option(...SOCKET_OPTION)
    .option("--json", "print it as JSON")
    .addHelpText("after", EXAMPLES_HELP + EXIT_CODES_HELP)
    .action(async ({ socket, json }: { socket?: string; json?: true }) => {
      const path = await findSocket(socket);
      const document = await ask<MachineDocument>(path, { request: "dump" });
      process.stdout.write(
        json ? `${JSON.stringify(document, null, 2)}\n` : printConfigFile(document),
      );
    });
}
