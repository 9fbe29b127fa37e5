// Where control sockets are: a directory of the user's own, in which each running process has one that is
// called after it. What a dead process left there is removed when somebody looks.

import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { CliError, failureOf } from "../failure.js";

/** A process that listens. */
export interface RunningProcess {
  readonly pid: number;
  readonly path: string;
}

/** The code of what is wrong with a socket. */
export const SOCKET_ERROR = "ERR_CONTROL_SOCKET";
/** Bytes of `sun_path`, less the NUL that ends it. */
const MOST_PATH_BYTES = process.platform === "linux" ? 107 : 103;
const OTHERS_MAY = 0o077;

/** This process's own socket, in a directory that nobody else may enter. */
export async function ownSocketPath(): Promise<string> {
  const directory = socketDirectory();
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // Not what a link leads to: whoever made that could have it lead elsewhere later.
    const found = await lstat(directory);
    const isOurs = found.isDirectory() && found.uid === process.getuid?.();
    if (isOurs && (found.mode & OTHERS_MAY) === 0) return join(directory, `${process.pid}.sock`);
  } catch (error) {
    const { message } = failureOf(error);
    throw errorOf(`${directory} cannot be used: ${message}; --socket PATH says another place`);
  }
  throw errorOf(
    `${directory} has to be a directory of yours that nobody else may enter (mode 0700); ` +
      "--socket PATH says another place",
  );
}

/** Checks that a socket can be called so. */
export function checkPathLength(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MOST_PATH_BYTES) return;
  const why = `a path of a socket has at most ${MOST_PATH_BYTES} bytes, ${path} has ${bytes}`;
  throw errorOf(`${why}; --socket PATH says a shorter one`);
}

/** Makes way for a socket: removes one that nobody listens on. Throws a `CliError` if somebody does. */
export async function clearPath(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw errorOf(`${path} is there, and is no socket`);
  if (await isListening(path)) throw errorOf(`another process listens on ${path} already`);
  await rm(path, { force: true });
}

/** The processes that listen, by their ids; the sockets of dead ones are removed. */
export async function runningProcesses(): Promise<RunningProcess[]> {
  const directory = socketDirectory();
  const entries = await readdir(directory).catch(() => []);
  const found: RunningProcess[] = [];
  for (const entry of entries) {
    const [, digits] = /^(\d+)\.sock$/.exec(entry) ?? [];
    if (digits === undefined) continue;
    const pid = Number(digits);
    const path = join(directory, entry);
    if (await isListening(path)) found.push({ pid, path });
    // One that lives may be about to listen: its socket is made before it does.
    else if (!isAlive(pid)) await rm(path, { force: true }).catch(() => {});
  }
  return found.sort((one, other) => one.pid - other.pid);
}

function socketDirectory(): string {
  const { XDG_RUNTIME_DIR } = process.env;
  if (XDG_RUNTIME_DIR && isAbsolute(XDG_RUNTIME_DIR)) return join(XDG_RUNTIME_DIR, "blockpt");
  return join(tmpdir(), `blockpt-${process.getuid?.() ?? "user"}`);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (listens: boolean): void => {
      socket.destroy();
      resolve(listens);
    };
    socket.once("connect", () => end(true));
    // Too many wait for it already: it is there.
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "EAGAIN"));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function errorOf(message: string): CliError {
  return new CliError({ code: SOCKET_ERROR, message });
}
