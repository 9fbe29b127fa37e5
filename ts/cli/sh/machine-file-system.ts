// The real machine's files, as the shell's user may reach them, in the shape that just-bash wants.
// Its own `ReadWriteFs` does not fit: it writes a new file and renames it over the old one, so that a disc's
// image would be another file than the one that is exported, and refuses links.

import * as host from "node:fs/promises";
import type { CpOptions, FsStat, MkdirOptions, RmOptions } from "just-bash";

/** An endless device is read as far as this: just-bash reads a file as a whole. `dd` has no such end. */
const ENDLESS_BYTES = 32 * 1024 * 1024;

const ENDLESS = new Set(["/dev/zero", "/dev/random", "/dev/urandom"]);

/** What is in the machine's `/dev` for every shell. */
export const MACHINE_DEVICES: readonly string[] = [
  "fd",
  "full",
  "null",
  "random",
  "stderr",
  "stdin",
  "stdout",
  "tty",
  "urandom",
  "zero",
];

export async function readFile(path: string): Promise<Uint8Array> {
  if (!ENDLESS.has(path)) return host.readFile(path);
  const file = await host.open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(ENDLESS_BYTES));
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

export async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  await host.writeFile(path, bytes);
}

export async function appendFile(path: string, bytes: Uint8Array): Promise<void> {
  await host.appendFile(path, bytes);
}

/** What just-bash wants to know of a file. */
export function fsStat(stats: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isBlockDevice(): boolean;
  isCharacterDevice(): boolean;
  mode: number | bigint;
  size: number | bigint;
  mtime: Date;
}): FsStat {
  return {
    // just-bash knows no devices: what can be read and written is a file to it.
    isFile: stats.isFile() || stats.isBlockDevice() || stats.isCharacterDevice(),
    isDirectory: stats.isDirectory(),
    isSymbolicLink: stats.isSymbolicLink(),
    mode: Number(stats.mode),
    size: Number(stats.size),
    mtime: stats.mtime,
  };
}

export async function mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
  await host.mkdir(path, { recursive: options.recursive ?? false });
}

/** Removes a file, a link, or an empty directory; what is in a directory, too, if that is wanted. */
export async function rm(path: string, options: RmOptions = {}): Promise<void> {
  const { recursive = false, force = false } = options;
  if (recursive) return host.rm(path, { recursive, force });
  const stats = await host.lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (force && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (stats === undefined) return;
  await (stats.isDirectory() ? host.rmdir(path) : host.unlink(path));
}

export async function cp(from: string, to: string, options: CpOptions = {}): Promise<void> {
  const { recursive = false } = options;
  await host.cp(from, to, { recursive, force: true });
}

export async function mv(from: string, to: string): Promise<void> {
  try {
    await host.rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await host.cp(from, to, { recursive: true, force: true, preserveTimestamps: true });
    await host.rm(from, { recursive: true });
  }
}

export {
  chmod,
  link,
  lstat,
  readdir,
  readlink,
  realpath,
  stat,
  symlink,
  utimes,
} from "node:fs/promises";
