// Other people's NBD programs: which are here, and what they print.

import { type ExecFileException, execFile, spawnSync } from "node:child_process";
import type { TestContext } from "vitest";
import type { Ended } from "../cli/command-line.js";

/** A program hangs if it takes longer than this; a test may take longer. */
const HANGS_MS = 60_000;
/** For tests in which a program runs, or that ask a server for much. */
export const TOOL_TEST_MS = 90_000;

/** How each is tried out, and Debian's package of it. */
const TOOLS = {
  nbdinfo: { probe: ["--version"], package: "libnbd-bin" },
  nbdcopy: { probe: ["--version"], package: "libnbd-bin" },
  nbdfuse: { probe: ["--version"], package: "libnbd-bin" },
  // A Python without libnbd has nothing to run it with.
  nbdsh: { probe: ["-c", "pass"], package: "python3-libnbd" },
  "qemu-img": { probe: ["--version"], package: "qemu-utils" },
  "qemu-io": { probe: ["--version"], package: "qemu-utils" },
  "qemu-nbd": { probe: ["--version"], package: "qemu-utils" },
  nbdkit: { probe: ["--version"], package: "nbdkit" },
  fio: { probe: ["--enghelp=nbd"], package: "fio, built with its nbd engine" },
  openssl: { probe: ["version"], package: "openssl" },
  "mkfs.ext4": { probe: ["-V"], package: "e2fsprogs" },
  debugfs: { probe: ["-V"], package: "e2fsprogs" },
  losetup: { probe: ["--version"], package: "mount" },
} as const;

export type Tool = keyof typeof TOOLS;

/**
 * Debian's Python before others, as libnbd is a module of it; and the folders of the administrator's
 * commands, which a user's path often has not.
 */
export const TOOL_ENV = {
  ...process.env,
  PATH: `/usr/bin:${process.env.PATH}:/usr/sbin:/sbin`,
  LC_ALL: "C",
};

const works = new Map<Tool, boolean>();

/** Whether a program is here, and works. */
export function has(tool: Tool): boolean {
  const { probe } = TOOLS[tool];
  const found =
    works.get(tool) ?? spawnSync(tool, probe, { env: TOOL_ENV, stdio: "ignore" }).status === 0;
  works.set(tool, found);
  return found;
}

/** Debian's package of a program. */
export function packageOf(tool: Tool): string {
  return TOOLS[tool].package;
}

/** Skips the test, and says why, unless all these are here. */
export function need({ skip }: TestContext, ...tools: readonly Tool[]): void {
  for (const tool of tools) {
    skip(!has(tool), `no ${tool} here that works: Debian's package is ${packageOf(tool)}`);
  }
}

/** Runs a program, and says how it ended, well or not. */
export function run(
  command: Tool | (string & {}),
  args: readonly string[],
  options: { readonly cwd?: string; readonly input?: string } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { input = "", ...rest } = options;
    const how = {
      env: TOOL_ENV,
      timeout: HANGS_MS,
      killSignal: "SIGKILL",
      maxBuffer: 2 ** 26,
    } as const;
    const child = execFile(command, args, { ...how, ...rest }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") return reject(hung(error, stderr));
      resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr });
    });
    child.stdin?.on("error", () => {}).end(input);
  });
}

function hung(error: ExecFileException, stderr: string): Error {
  return new Error(`${error.cmd} ended by ${error.signal ?? error.code}: ${stderr}`);
}

/** Runs a program that has to succeed; resolves with its stdout. */
export async function succeed(
  command: Tool | (string & {}),
  args: readonly string[],
  options?: { readonly cwd?: string; readonly input?: string },
): Promise<string> {
  const { exitCode, stdout, stderr } = await run(command, args, options);
  if (exitCode === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")} exits ${exitCode}:\n${stderr}${stdout}`);
}

/** What a program prints as JSON. */
export async function json<T>(command: Tool, args: readonly string[]): Promise<T> {
  return JSON.parse(await succeed(command, args)) as T;
}
