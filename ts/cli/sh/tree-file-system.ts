// The shell's file system: `/sys` and `/dev` are the config tree's, with the character devices that every
// shell has, and all else is the machine's.

import { constants } from "node:fs";
import * as host from "node:fs/promises";
import { posix } from "node:path";
import type { ConfigTree, OpenFile as TreeFile, TreeStats } from "blockpt";
import type {
  CpOptions,
  FileContent,
  FsStat,
  IFileSystem,
  MkdirOptions,
  RmOptions,
} from "just-bash";
import { type Console, STDERR, STDOUT } from "./console.js";
import * as machine from "./machine-file-system.js";
import { ShellFsError, sentence, type Told, tell } from "./system-error.js";

type DirentEntry = Awaited<ReturnType<NonNullable<IFileSystem["readdirWithFileTypes"]>>>[number];
type WriteOptions = Parameters<IFileSystem["writeFile"]>[2];
type ReadOptions = Parameters<IFileSystem["readFile"]>[1];

const MAX_LINKS = 40;
/** The permission to write an attribute. */
const WRITABLE = 0o200;

/** What an open file can do, of the tree and of the machine alike. */
export interface OpenFile extends Pick<TreeFile, "read" | "write" | "datasync" | "sync" | "close"> {
  /** Of a file, whose length can change. */
  truncate?(lenBytes: number): Promise<void>;
}

interface Writers {
  inTree(tree: ConfigTree, bytes: Uint8Array): Promise<void>;
  onMachine(bytes: Uint8Array): Promise<void>;
}

export class TreeFileSystem implements IFileSystem {
  readonly #tree: ConfigTree;
  readonly #console: Console;
  /** Paths that redirections have opened. */
  readonly #redirected = new Set<string>();

  constructor(tree: ConfigTree, console: Console) {
    this.#tree = tree;
    this.#console = console;
  }

  /** A statement has ended, and its redirections with it. */
  forgetRedirections(): void {
    this.#redirected.clear();
  }

  async readFile(path: string, options?: ReadOptions): Promise<string> {
    const encoding = typeof options === "string" ? options : options?.encoding;
    const bytes = await this.readFileBuffer(path);
    return Buffer.from(bytes).toString(encoding ?? "utf8");
  }

  async readFileBuffer(path: string): Promise<Uint8Array> {
    return this.#at(path, (tree) => tree.readFile(path), machine.readFile);
  }

  async writeFile(path: string, content: FileContent, options?: WriteOptions): Promise<void> {
    await this.#write(path, bytesOf(content, options), options, {
      inTree: (tree, bytes) => this.#writeTree(tree, path, bytes),
      onMachine: (bytes) => machine.writeFile(path, bytes),
    });
  }

  async appendFile(path: string, content: FileContent, options?: WriteOptions): Promise<void> {
    await this.#write(path, bytesOf(content, options), options, {
      inTree: async (tree, bytes) => {
        const stats = await tree.lstat(path);
        // Where a file ends something can be appended; a disk cannot grow.
        if (!stats.isFile() && bytes.length > 0) throw refusal("ENOSPC", path);
        await this.#writeTree(tree, path, bytes);
      },
      onMachine: (bytes) => machine.appendFile(path, bytes),
    });
  }

  async exists(path: string): Promise<boolean> {
    return this.stat(path).then(
      () => true,
      () => false,
    );
  }

  async stat(path: string): Promise<FsStat> {
    return this.#at(
      path,
      async (tree) => machine.fsStat(await this.#stat(tree, path)),
      async () => machine.fsStat(await machine.stat(path)),
    );
  }

  async lstat(path: string): Promise<FsStat> {
    return this.#at(
      path,
      async (tree) => machine.fsStat(await tree.lstat(path)),
      async () => machine.fsStat(await machine.lstat(path)),
    );
  }

  async mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    await this.#at(
      path,
      (tree) => tree.mkdir(path, options),
      () => machine.mkdir(path, options),
    );
  }

  async readdir(path: string): Promise<string[]> {
    return (await this.readdirWithFileTypes(path)).map(({ name }) => name);
  }

  async readdirWithFileTypes(path: string): Promise<DirentEntry[]> {
    return this.#at(
      path,
      async (tree) => {
        const entries = (await tree.readdir(path, { withFileTypes: true })).map((entry) => ({
          name: entry.name,
          isFile: entry.isFile() || entry.isBlockDevice(),
          isDirectory: entry.isDirectory(),
          isSymbolicLink: entry.isSymbolicLink(),
        }));
        return posix.resolve(path) === "/dev" ? [...entries, ...deviceEntries()] : entries;
      },
      async () => {
        const entries = await host.readdir(path, { withFileTypes: true });
        return entries.map((entry) => ({
          name: entry.name,
          isFile: !entry.isDirectory() && !entry.isSymbolicLink(),
          isDirectory: entry.isDirectory(),
          isSymbolicLink: entry.isSymbolicLink(),
        }));
      },
    );
  }

  async rm(path: string, options: RmOptions = {}): Promise<void> {
    await this.#at(
      path,
      (tree) => this.#removeFromTree(tree, path, options),
      () => machine.rm(path, options),
    );
  }

  async cp(from: string, to: string, options: CpOptions = {}): Promise<void> {
    if (!(await this.#isOfTree(from)) && !(await this.#isOfTree(to))) {
      return this.#at(from, refuse, () => machine.cp(from, to, options));
    }
    if (!(await this.stat(from)).isDirectory) {
      return this.writeFile(to, await this.readFileBuffer(from));
    }
    if (!options.recursive) throw refusal("EISDIR", from);
    if (!(await this.exists(to))) await this.mkdir(to);
    for (const name of await this.readdir(from)) {
      await this.cp(posix.join(from, name), posix.join(to, name), options);
    }
  }

  async mv(from: string, to: string): Promise<void> {
    const isOfTree = (await this.#isOfTree(from)) || (await this.#isOfTree(to));
    await this.#at(from, refuse, () => {
      if (isOfTree) throw refusal("EXDEV", to);
      return machine.mv(from, to);
    });
  }

  resolvePath(base: string, path: string): string {
    return posix.resolve("/", base, path);
  }

  /** Nothing is known in advance: patterns are matched by reading directories. */
  getAllPaths(): string[] {
    return [];
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#at(path, refuse, () => machine.chmod(path, mode));
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#at(
      path,
      (tree) => tree.symlink(target, path),
      () => machine.symlink(target, path),
    );
  }

  async link(existing: string, path: string): Promise<void> {
    await this.#at(path, refuse, () => machine.link(existing, path));
  }

  async readlink(path: string): Promise<string> {
    return this.#at(
      path,
      (tree) => tree.readlink(path),
      () => machine.readlink(path),
    );
  }

  async realpath(path: string): Promise<string> {
    return this.#at(
      path,
      (tree) => this.#realpath(tree, path),
      () => machine.realpath(path),
    );
  }

  async utimes(path: string, atime: Date, mtime: Date): Promise<void> {
    await this.#at(
      path,
      // Nothing in the tree remembers when it changed.
      async (tree) => void (await tree.lstat(path)),
      () => machine.utimes(path, atime, mtime),
    );
  }

  /** Opens a disk, a disc's file or any file, to be read or written in parts. */
  async open(path: string, mode: "read" | "write"): Promise<OpenFile> {
    const isWrite = mode === "write";
    return this.#at<OpenFile>(
      path,
      (tree) => tree.open(path, isWrite ? "r+" : "r"),
      // A file is made if it is not there, and keeps what is in it.
      () => host.open(path, isWrite ? constants.O_WRONLY | constants.O_CREAT : "r"),
    );
  }

  /** Writes for a command, which tells what fails, or for a redirection, where that is for us to tell. */
  async #write(
    path: string,
    bytes: Uint8Array,
    options: WriteOptions,
    { inTree, onMachine }: Writers,
  ): Promise<void> {
    if (path === STDOUT) return this.#console.out(bytes);
    if (path === STDERR) return this.#console.err(bytes);
    if (isOpening(bytes, options)) this.#redirected.add(path);
    try {
      await this.#at(
        path,
        (tree) => inTree(tree, bytes),
        () => onMachine(bytes),
      );
    } catch (error) {
      if (!this.#redirected.has(path) || !(error instanceof ShellFsError)) throw error;
      throw new Error(`bash: ${path}: ${sentence(error.told)}`);
    }
  }

  /** Whether it is the tree that answers for a path. */
  async #isOfTree(path: string): Promise<boolean> {
    const whole = posix.resolve("/", path);
    if (whole === "/sys" || whole.startsWith("/sys/") || whole === "/dev") return true;
    if (!whole.startsWith("/dev/")) return false;
    const [name = ""] = whole.slice("/dev/".length).split("/");
    if (!MACHINE_DEVICE_SET.has(name)) return true;
    return this.#tree.lstat(`/dev/${name}`).then(
      () => true,
      () => false,
    );
  }

  /** Asks whoever answers for a path, and has errors be the shell's. */
  async #at<T>(
    path: string,
    inTree: (tree: ConfigTree) => Promise<T>,
    onMachine: (path: string) => Promise<T>,
  ): Promise<T> {
    if (isProgram(path)) throw refusal("ENOENT", path);
    try {
      return await ((await this.#isOfTree(path)) ? inTree(this.#tree) : onMachine(path));
    } catch (error) {
      if (error instanceof ShellFsError) throw error;
      if (!(error instanceof Error) || !("code" in error)) throw error;
      throw new ShellFsError(tell(error), path);
    }
  }

  async #writeTree(tree: ConfigTree, path: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 0) return tree.writeFile(path, bytes);
    // Opened, and nothing written: nothing happens to an attribute.
    const stats = await this.#stat(tree, path);
    if (stats.isDirectory()) throw refusal("EISDIR", path);
    if ((Number(stats.mode) & WRITABLE) === 0) throw refusal("EACCES", path, "it can only be read");
  }

  /** A disc in memory has a name in `/dev`, and no file. */
  async #stat(
    tree: ConfigTree,
    path: string,
  ): Promise<TreeStats | Awaited<ReturnType<typeof host.stat>>> {
    try {
      return await tree.stat(path);
    } catch (error) {
      const target = await tree.readlink(path).catch(() => "");
      if (target.startsWith("memory:")) return tree.lstat(path);
      throw error;
    }
  }

  async #removeFromTree(tree: ConfigTree, path: string, options: RmOptions): Promise<void> {
    const stats = await tree.lstat(path).catch((error: NodeJS.ErrnoException) => {
      if (options.force && error.code === "ENOENT") return undefined;
      throw error;
    });
    if (stats === undefined) return;
    if (!stats.isDirectory()) return tree.unlink(path);
    if (options.recursive) {
      // What is a directory can be removed with what is in it; attributes come and go with their directory.
      for (const entry of await tree.readdir(path, { withFileTypes: true })) {
        if (entry.isDirectory())
          await this.#removeFromTree(tree, posix.join(path, entry.name), options);
      }
    }
    await tree.rmdir(path);
  }

  async #realpath(tree: ConfigTree, path: string): Promise<string> {
    let rest = posix.resolve("/", path).split("/").filter(Boolean);
    let at = "/";
    for (let links = 0; rest.length > 0; ) {
      const next = posix.join(at, rest.shift() as string);
      const target = (await tree.lstat(next)).isSymbolicLink()
        ? await tree.readlink(next)
        : undefined;
      if (target === undefined) {
        at = next;
        continue;
      }
      if (++links > MAX_LINKS) throw refusal("ELOOP", path);
      const whole = posix.resolve(at, target);
      if (!(await this.#isOfTree(whole))) return machine.realpath(whole);
      rest = [...whole.split("/").filter(Boolean), ...rest];
      at = "/";
    }
    return at;
  }
}

/** just-bash looks for its commands there, if that is there, and takes the machine's programs for scripts. */
function isProgram(path: string): boolean {
  return /^\/(usr\/)?bin(\/|$)/.test(posix.resolve("/", path));
}

const MACHINE_DEVICE_SET = new Set(machine.MACHINE_DEVICES);

function deviceEntries(): DirentEntry[] {
  return machine.MACHINE_DEVICES.map((name) => ({
    name,
    isFile: name !== "fd",
    isDirectory: name === "fd",
    isSymbolicLink: false,
  }));
}

/** just-bash opens the file of a redirection by writing no bytes, as binary; its commands write text. */
function isOpening(bytes: Uint8Array, options: WriteOptions): boolean {
  return bytes.length === 0 && options === "binary";
}

function bytesOf(content: FileContent, options: WriteOptions): Uint8Array {
  if (typeof content !== "string") return content;
  const encoding = typeof options === "string" ? options : options?.encoding;
  return Buffer.from(content, encoding ?? "utf8");
}

function refusal(code: string, path: string, hint = ""): ShellFsError {
  const told: Told = { ...tell(Object.assign(new Error(code), { code })), hint };
  return new ShellFsError(told, path);
}

/** What the tree has no way to do. */
async function refuse(): Promise<never> {
  throw Object.assign(new Error("EPERM"), { code: "EPERM" });
}
