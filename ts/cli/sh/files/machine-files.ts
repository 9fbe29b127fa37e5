// The real machine's files, as the shell's user may reach them.
//
// just-bash's own `ReadWriteFs` does not fit: it writes a new file and renames it over the old one, so that a
// disc's image would be another file than the one that is exported, and refuses links.

import { constants, createReadStream, createWriteStream } from "node:fs";
import * as host from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { entryOf, type Files, statOf } from "./files.js";

/** An endless device is read as far as this: just-bash reads a file as a whole. `dd` has no such end. */
const ENDLESS_BYTES = 32 * 1024 * 1024;

const ENDLESS = new Set(["/dev/zero", "/dev/random", "/dev/urandom"]);

/** What is in the machine's `/dev` for every shell. */
export const MACHINE_DEVICES: readonly string[] = [
  ...["fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero"],
];

export const machineFiles: Files = {
  async readFile(path) {
    if (!ENDLESS.has(path)) return host.readFile(path);
    const file = await host.open(path);
    try {
      const bytes = Buffer.alloc(ENDLESS_BYTES);
      const { bytesRead } = await file.read(bytes);
      return bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  },
  writeFile: (path, bytes) => host.writeFile(path, bytes),
  appendFile: (path, bytes) => host.appendFile(path, bytes),
  open: (path, mode) =>
    host.open(path, mode === "read" ? "r" : constants.O_WRONLY | constants.O_CREAT),
  stat: async (path) => statOf(await host.stat(path), path),
  lstat: async (path) => statOf(await host.lstat(path), path),
  readdir: async (path) => (await host.readdir(path, { withFileTypes: true })).map(entryOf),
  async mkdir(path, { recursive = false } = {}) {
    await host.mkdir(path, { recursive });
  },
  async rm(path, { recursive = false, force = false } = {}) {
    if (recursive) return host.rm(path, { recursive, force });
    const stats = await host.lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (force && error.code === "ENOENT") return undefined;
      throw error;
    });
    if (stats !== undefined) await (stats.isDirectory() ? host.rmdir(path) : host.unlink(path));
  },
  chmod: host.chmod,
  utimes: host.utimes,
  symlink: (target, path) => host.symlink(target, path),
  link: host.link,
  readlink: (path) => host.readlink(path),
  realpath: (path) => host.realpath(path),
};

export async function copy(from: string, to: string, recursive: boolean): Promise<void> {
  const { mode, isDirectory } = statOf(await host.stat(from), from);
  if (isDirectory) return host.cp(from, to, { recursive, force: true });
  // Node's `cp` would remove what is there: an exported image, or a device.
  await pipeline(createReadStream(from), createWriteStream(to, { mode }));
}

export async function move(from: string, to: string): Promise<void> {
  try {
    await host.rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await host.cp(from, to, { recursive: true, force: true, preserveTimestamps: true });
    await host.rm(from, { recursive: true });
  }
}
