// Other people's NBD servers as child processes, on a socket in a folder of their own.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterThisTest } from "../api/rig.js";
import { until } from "../cli/command-line.js";
import { TOOL_ENV } from "./tools.js";

/** A folder that is removed after the test; its path is short, as that of a socket is. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "bpt-nbd-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A server that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** Kills it as a crash does; done when it is gone. */
  kill(): Promise<void>;
}

/** Starts a server, and waits until its socket is there; it is ended after the test. */
export async function startServer(
  tool: string,
  args: readonly string[],
  socketPath: string,
): Promise<Running> {
  rmSync(socketPath, { force: true });
  const child = spawn(tool, args, { env: TOOL_ENV, stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr?.on("data", (data) => {
    complaints += data;
  });
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => {
      hasEnded = true;
      resolve();
    });
  });
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  afterThisTest(kill);
  await until(() => {
    if (hasEnded) throw new Error(`${tool} ended: ${complaints}`);
    return existsSync(socketPath);
  });
  return { child, kill };
}

/** nbdkit with these plugins, filters and arguments. */
export function startNbdkit(socketPath: string, args: readonly string[]): Promise<Running> {
  return startServer("nbdkit", ["-f", "--exit-with-parent", "-U", socketPath, ...args], socketPath);
}
