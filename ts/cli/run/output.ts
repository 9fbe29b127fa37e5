// What `blockpt run` says: lines and a table for people, or a line of JSON for each event.
//
// With a command stdout is the command's, and ours goes to stderr; with --json it is the other way round.

import type { DiskInfo } from "../demo/root-complex-worker.js";
import { lsblkLines } from "../listing.js";
import type { Screen } from "../screen.js";
import type { NbdListing } from "./nbd.js";

/** What is there when everything is attached. */
export interface Ready {
  readonly pid: number;
  readonly socket: string;
  readonly controller: string;
  readonly engine: string;
  readonly disks: readonly DiskInfo[];
  /** What NBD clients find, at each place where they can connect. */
  readonly nbd: readonly NbdListing[];
}

export interface RunOutput {
  /** A line of the console. */
  log(line: string): void;
  ready(ready: Ready): void;
  stopped(): void;
}

export function jsonOutput(): RunOutput {
  const event = (name: string, rest: object = {}): void => {
    process.stdout.write(`${JSON.stringify({ event: name, ...rest })}\n`);
  };
  return {
    log: (line) => event("log", { line }),
    ready: (ready) => event("ready", ready),
    stopped: () => event("stopped"),
  };
}

/** @param waits - whether it goes on until it is interrupted */
export function textOutput(screen: Screen, waits: boolean): RunOutput {
  return {
    log: (line) => screen.line(line),
    ready: ({ disks, socket, nbd }) => {
      screen.line();
      if (disks.length > 0) for (const line of lsblkLines(disks)) screen.line(line);
      else screen.line("No disk is attached: see --disc, --config and blockpt apply.");
      screen.line();
      for (const { uri } of nbd) screen.line(`NBD: ${uri}`);
      screen.line(`Control socket: ${socket}`);
      if (waits) screen.line("It runs until it is interrupted (Ctrl-C).");
    },
    stopped: () => {},
  };
}
