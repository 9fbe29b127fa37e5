#!/usr/bin/env node
// The entry: which commands there are, what an error looks like, and how a process ends.

import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { addApplyCommand } from "./apply.js";
import { addBenchCommand } from "./bench.js";
import { Cleanup } from "./cleanup.js";
import { addCompletionCommand } from "./completion.js";
import { addConformanceCommand } from "./conformance.js";
import { addCopyCommand } from "./copy.js";
import { addDemoCommand } from "./demo.js";
import { addDumpCommand } from "./dump.js";
import { EXIT_CODES_HELP, ExitCode } from "./exit-code.js";
import { CliError, failureOf, lineOf, linesOf } from "./failure.js";
import { addInspectCommand } from "./inspect.js";
import { addRunCommand } from "./run.js";
import { addServeCommand } from "./serve.js";
import { addShCommand } from "./sh.js";
import { addTraceCommand } from "./trace.js";

const EXAMPLES_HELP = `
Examples:
  $ blockpt demo                     export, attach, copy, check and measure three discs
  $ blockpt demo --size 256          the same with a disk image of 256 MiB
  $ blockpt demo --image disk.img    the same with an image of yours, which is only read
  $ blockpt demo --json | jq .throughput
  $ blockpt run --disc nvme0=disk.img --disc ram0=memory:64M
                                     export and attach discs until Ctrl-C
  $ blockpt run --config disks.yaml -- make test
                                     the same as a file says, until a command ends
  $ blockpt inspect --watch          registers, queues and statistics of what runs
  $ blockpt serve disk.img           the disc image for NBD clients, as QEMU or nbdcopy
  $ blockpt dump > disks.yaml        what runs, as a config file
  $ blockpt apply disks.yaml         have what runs be as a config file says
  $ blockpt copy disk.img /dev/sdb --verify
                                     one disc to another, through the rings
  $ blockpt bench --depth 1,32       how fast disks are here
  $ blockpt conformance --endpoint ./mine.js
                                     an endpoint of yours against the protocol
  $ blockpt copy disk.img copy.img --trace copy.trace && blockpt trace stats copy.trace
                                     what went through the rings, and how long it took
  $ blockpt sh --disc mmcblk0=disk.img
                                     a shell in which both drivers are configured by hand
  $ blockpt help demo                all options of a command
`;

function version(): string {
  const found: unknown = createRequire(import.meta.url)("blockpt/package.json");
  return String((found as { version: unknown }).version);
}

function makeProgram(cleanup: Cleanup): Command {
  const program = new Command("blockpt")
    .description(
      "Exports block devices from one thread and attaches them in another, through\n" +
        "descriptor rings in shared memory: the PCI block passthrough protocol.",
    )
    .version(version())
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
    .addHelpText("after", EXAMPLES_HELP + EXIT_CODES_HELP);
  const context = { version: version(), cleanup };
  addDemoCommand(program, context);
  addRunCommand(program, context);
  addServeCommand(program, context);
  addShCommand(program, context);
  addDumpCommand(program);
  addApplyCommand(program, context);
  addInspectCommand(program, context);
  addBenchCommand(program, context);
  addConformanceCommand(program, context);
  addCopyCommand(program, context);
  addTraceCommand(program, context);
  addCompletionCommand(program);
  return program;
}

/** Commander's complaint, as a line of ours. */
function usageLine(text: string): string {
  const complaint = text
    .replace(/^error: /, "")
    .trim()
    .replace(/\.$/, "");
  return lineOf({ code: "ERR_USAGE", message: `${complaint}; see blockpt --help` });
}

/** Signals end the process from here, once; what then goes wrong elsewhere is no news. */
function endOnSignals(cleanup: Cleanup): void {
  const end = (exitCode: number): void => {
    void cleanup.run().finally(() => process.exit(exitCode));
  };
  // By the signal itself: Node's own end aborts at a terminal that is gone.
  const hangUp = (): void => {
    void cleanup.run().finally(() => process.kill(process.pid, "SIGHUP"));
  };
  process.once("SIGINT", () => end(ExitCode.interrupted));
  process.once("SIGTERM", () => end(ExitCode.terminated));
  process.once("SIGHUP", hangUp);
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", (error: NodeJS.ErrnoException) => {
      // Who read our output is gone, as in `blockpt demo | head`, or the terminal; anything else is news.
      if (error.code === "EPIPE") return end(ExitCode.brokenPipe);
      if (error.code === "EIO" && output.isTTY) return hangUp();
      process.stderr.write(lineOf(failureOf(error)));
      end(ExitCode.failed);
    });
  }
}

async function main(): Promise<void> {
  const cleanup = new Cleanup();
  endOnSignals(cleanup);
  try {
    await makeProgram(cleanup).parseAsync();
  } catch (error) {
    if (cleanup.started) return;
    if (error instanceof CommanderError) {
      // Commander has printed already, help and version included.
      process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    } else {
      process.stderr.write(linesOf(error));
      process.exitCode = error instanceof CliError ? error.exitCode : ExitCode.failed;
    }
  }
  await cleanup.run();
}

await main();
