// The built command line as a child process, in a place of its own: what its users do, and what it leaves.

import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Ended, follow, type Running } from "./follow.js";

export const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export type { Ended, Running };

/** A directory for files, and for the sockets of the processes that are started here. */
export class Place {
  readonly directory: string;
  readonly #running = new Set<Running>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Place> {
    // Short: the path of a socket is.
    return new Place(await mkdtemp(join(tmpdir(), "bpt-")));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Names of the sockets that are there. */
  async sockets(): Promise<string[]> {
    return readdir(this.path("blockpt")).catch(() => []);
  }

  /** @param stdin - what it reads; null if that comes later, by `child.stdin` */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin: string | null = ""): Running {
    const { BLOCKPT_SOCKET: _, ...rest } = process.env;
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: this.directory,
      env: { ...rest, XDG_RUNTIME_DIR: this.directory, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // It may have ended without reading it.
    child.stdin.on("error", () => {});
    if (stdin !== null) child.stdin.end(stdin);
    const followed = follow(child);
    const running: Running = {
      ...followed,
      ended: followed.ended.finally(() => this.#running.delete(running)),
    };
    this.#running.add(running);
    return running;
  }

  run(args: readonly string[], env: NodeJS.ProcessEnv = {}, stdin = ""): Promise<Ended> {
    return this.start(args, env, stdin).ended;
  }

  /** Starts `blockpt run --json`; resolves when it is ready, with what it said then. */
  async startRun(args: readonly string[]): Promise<Running & { readonly ready: ReadyEvent }> {
    const running = this.start(["run", "--json", ...args]);
    const events = eventsIn(await running.printed('"ready"'));
    return { ...running, ready: events.find(({ event }) => event === "ready") as ReadyEvent };
  }

  /** Ends what still runs. */
  async endAll(): Promise<void> {
    const running = [...this.#running];
    for (const each of running) each.kill("SIGTERM");
    await Promise.all(running.map(({ ended }) => ended));
  }

  async remove(): Promise<void> {
    await this.endAll();
    await rm(this.directory, { recursive: true });
  }
}

export interface RunEvent {
  readonly event: string;
  readonly line?: string;
}

export interface ReadyEvent extends RunEvent {
  readonly pid: number;
  readonly socket: string;
  readonly disks: readonly { readonly name: string; readonly localName: string }[];
}

/** The events that `blockpt run --json` printed. */
export function eventsIn(stdout: string): RunEvent[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** Waits until something is so; the test's time-out is the bound. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
