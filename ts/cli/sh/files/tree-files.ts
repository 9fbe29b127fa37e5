// The files of the config tree, `/sys` and `/dev`, as a shell uses them.

import { realpath } from "node:fs/promises";
import { posix } from "node:path";
import { type ConfigTree, discKindOf, FileDisc } from "blockpt";
import type { FsStat, RmOptions } from "just-bash";
import { parseSize } from "../../sizes.js";
import { FileError } from "../system-error.js";
import { type Entry, entryOf, type Files, type OpenFile, statOf } from "./files.js";
import { MACHINE_DEVICES } from "./machine-files.js";

/** As in the kernel. */
const MAX_LINKS = 40;
/** The permission to write an attribute. */
const WRITABLE = 0o200;

export class TreeFiles implements Files {
  readonly #tree: ConfigTree;

  constructor(tree: ConfigTree) {
    this.#tree = tree;
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#tree.readFile(path);
  }

  async writeFile(path: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) return this.#tree.writeFile(path, bytes);
    // Opened, and nothing written: nothing happens to an attribute.
    const { isDirectory, mode } = await this.stat(path);
    if (isDirectory) throw new FileError("EISDIR", path);
    if ((mode & WRITABLE) === 0) throw new FileError("EACCES", path, "it can only be read");
  }

  async appendFile(path: string, bytes: Uint8Array): Promise<void> {
    const stats = await this.#tree.lstat(path);
    // Where a file ends something can be appended; a disk cannot grow.
    if (!stats.isFile() && bytes.length > 0) throw new FileError("ENOSPC", path);
    await this.writeFile(path, bytes);
  }

  async open(path: string, mode: "read" | "write"): Promise<OpenFile> {
    if (mode === "write") return this.#tree.open(path, "r+");
    const isAttribute = posix.resolve("/", path).startsWith("/sys/");
    return isAttribute ? openedAttribute(await this.readFile(path)) : this.#tree.open(path, "r");
  }

  /** A disc in memory has a name in `/dev`, and no file; of a block device the kernel says that it has no bytes. */
  async stat(path: string): Promise<FsStat> {
    const target = await this.#tree.readlink(path).catch(() => "");
    if (discKindOf(target) === "memory") {
      const size = parseSize(target.slice(target.indexOf(":") + 1)) ?? 0;
      return { ...(await this.lstat(path)), isFile: true, isSymbolicLink: false, size };
    }
    const stats = await this.#tree.stat(path);
    const isHosts = stats.isBlockDevice() && stats.size === 0;
    return { ...statOf(stats, path), ...(isHosts && { size: await deviceBytes(target) }) };
  }

  async lstat(path: string): Promise<FsStat> {
    return statOf(await this.#tree.lstat(path), path);
  }

  async readdir(path: string): Promise<Entry[]> {
    const entries = (await this.#tree.readdir(path, { withFileTypes: true })).map(entryOf);
    if (posix.resolve(path) !== "/dev") return entries;
    const devices = MACHINE_DEVICES.map((name) => ({
      name,
      isFile: name !== "fd",
      isDirectory: name === "fd",
      isSymbolicLink: false,
    }));
    return [...entries, ...devices];
  }

  async mkdir(path: string, options: { recursive?: boolean } = {}): Promise<void> {
    await this.#tree.mkdir(path, options);
  }

  async rm(path: string, options: RmOptions = {}): Promise<void> {
    const tree = this.#tree;
    const stats = await tree.lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (options.force && error.code === "ENOENT") return undefined;
      throw error;
    });
    if (stats === undefined) return;
    if (!stats.isDirectory()) return tree.unlink(path);
    if (options.recursive) {
      // What is a directory can be removed with what is in it; attributes come and go with their directory.
      for (const entry of await tree.readdir(path, { withFileTypes: true })) {
        if (entry.isDirectory()) await this.rm(posix.join(path, entry.name), options);
      }
    }
    await tree.rmdir(path);
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#tree.symlink(target, path);
  }

  readlink(path: string): Promise<string> {
    return this.#tree.readlink(path);
  }

  async realpath(path: string): Promise<string> {
    let rest = posix.resolve("/", path).split("/").filter(Boolean);
    let at = "/";
    for (let links = 0; rest.length > 0; ) {
      const next = posix.join(at, rest.shift() as string);
      const isLink = (await this.#tree.lstat(next)).isSymbolicLink();
      if (!isLink) {
        at = next;
        continue;
      }
      if (++links > MAX_LINKS) throw new FileError("ELOOP", path);
      const target = posix.resolve(at, await this.#tree.readlink(next));
      // A disc's name leads out of the tree.
      if (at === "/dev") return realpath(target);
      rest = [...target.split("/").filter(Boolean), ...rest];
      at = "/";
    }
    return at;
  }

  async chmod(path: string): Promise<void> {
    throw new FileError("EPERM", path);
  }

  async link(_existing: string, path: string): Promise<void> {
    throw new FileError("EPERM", path);
  }

  /** Nothing in the tree remembers when it changed. */
  async utimes(path: string): Promise<void> {
    await this.#tree.lstat(path);
  }
}

/** An attribute is read as a whole, when it is opened. */
function openedAttribute(value: Uint8Array): OpenFile {
  let end = 0;
  const nothing = async (): Promise<void> => {};
  return {
    async read(buffer, offset = 0, length = buffer.length - offset, position = null) {
      const start = position ?? end;
      const part = value.subarray(start, start + length);
      buffer.set(part, offset);
      if (position === null) end = start + part.length;
      return { bytesRead: part.length };
    },
    write: () => Promise.reject(new FileError("EBADF", "")),
    datasync: nothing,
    sync: nothing,
    close: nothing,
  };
}

async function deviceBytes(path: string): Promise<number> {
  const disc = await FileDisc.open(path, { readOnly: true });
  disc.close();
  return disc.sizeBytes;
}
