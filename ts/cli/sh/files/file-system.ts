// The shell's file system: `/sys` and `/dev` are the config tree's, with the character devices that every
// shell has, and all else is the machine's. Errors are a shell's.

import { posix } from "node:path";
import { buffer } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import type { ConfigTree } from "blockpt";
import {
  type ByteString,
  type CpOptions,
  type FileContent,
  type FsStat,
  type IFileSystem,
  type MkdirOptions,
  type RmOptions,
  unsafeBytesFromLatin1,
} from "just-bash";
import { type Console, STDERR, STDOUT, TURN } from "../console.js";
import { FileError } from "../system-error.js";
import type { Entry, Files, OpenFile } from "./files.js";
import { copy, MACHINE_DEVICES, machineFiles, move } from "./machine-files.js";
import { openStdin, STDIN, type Stdin } from "./stdin.js";
import { TreeFiles } from "./tree-files.js";

/** just-bash reads a file as a whole, into a string. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;
const TOO_LARGE = "only dd, head and hexdump read more than 512 MiB";

type WriteOptions = Parameters<IFileSystem["writeFile"]>[2];
type ReadOptions = Parameters<IFileSystem["readFile"]>[1];

export class FileSystem implements IFileSystem {
  readonly #tree: ConfigTree;
  readonly #treeFiles: Files;
  readonly #console: Console;
  readonly #stdin: Stdin;
  /** Paths that redirections have opened. */
  readonly #redirected = new Set<string>();
  /** Why files could not be read, by their last component: just-bash's commands say that they are not there. */
  readonly #unread = new Map<string, string>();

  constructor(tree: ConfigTree, console: Console, stdin: Stdin) {
    this.#stdin = stdin;
    this.#tree = tree;
    this.#treeFiles = new TreeFiles(tree);
    this.#console = console;
  }

  /** A statement has ended: forgets what was kept for it. */
  endStatement(): void {
    this.#redirected.clear();
    this.#unread.clear();
  }

  async readFile(path: string, options?: ReadOptions): Promise<string> {
    const encoding = typeof options === "string" ? options : options?.encoding;
    const bytes = await this.readFileBuffer(path);
    return Buffer.from(bytes).toString(encoding ?? "utf8");
  }

  /** just-bash would make it of `readFileBuffer`, byte by byte. */
  async readFileBytes(path: string): Promise<ByteString> {
    const bytes = await this.readFileBuffer(path);
    return unsafeBytesFromLatin1(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1"),
    );
  }

  async readFileBuffer(path: string): Promise<Uint8Array> {
    if (path === STDIN) return buffer(this.#stdin);
    try {
      const { size } = await this.stat(path);
      if (size > MAX_FILE_BYTES) throw new FileError("EFBIG", path, TOO_LARGE);
      return await this.#at(path, (files) => files.readFile(path));
    } catch (error) {
      this.#unread.set(posix.basename(path), FileError.of(error).reason);
      throw error;
    }
  }

  async writeFile(path: string, content: FileContent, options?: WriteOptions): Promise<void> {
    await this.#write("writeFile", path, bytesOf(content, options), options);
  }

  async appendFile(path: string, content: FileContent, options?: WriteOptions): Promise<void> {
    await this.#write("appendFile", path, bytesOf(content, options), options);
  }

  async exists(path: string): Promise<boolean> {
    // Nothing is there before it is opened, which happens often.
    if (path === STDOUT || path === STDERR || path === TURN) return false;
    return this.stat(path).then(
      () => true,
      () => false,
    );
  }

  stat(path: string): Promise<FsStat> {
    return this.#at(path, (files) => files.stat(path));
  }

  lstat(path: string): Promise<FsStat> {
    return this.#at(path, (files) => files.lstat(path));
  }

  async mkdir(path: string, options?: MkdirOptions): Promise<void> {
    await this.#at(path, (files) => files.mkdir(path, options));
  }

  async readdir(path: string): Promise<string[]> {
    return (await this.readdirWithFileTypes(path)).map(({ name }) => name);
  }

  readdirWithFileTypes(path: string): Promise<Entry[]> {
    return this.#at(path, (files) => files.readdir(path));
  }

  async rm(path: string, options?: RmOptions): Promise<void> {
    await this.#refuseDevice(path);
    await this.#at(path, (files) => files.rm(path, options));
  }

  async cp(from: string, to: string, { recursive = false }: CpOptions = {}): Promise<void> {
    const isOfTree = (await this.#isOfTree(from)) || (await this.#isOfTree(to));
    if (!isOfTree) return this.#at(from, () => copy(from, to, recursive));
    const { isDirectory } = await this.stat(from);
    if (!isDirectory) return this.writeFile(to, await this.readFileBuffer(from));
    if (!recursive) throw new FileError("EISDIR", from);
    if (!(await this.exists(to))) await this.mkdir(to);
    for (const name of await this.readdir(from)) {
      await this.cp(posix.join(from, name), posix.join(to, name), { recursive });
    }
  }

  async mv(from: string, to: string): Promise<void> {
    if (await this.#isOfTree(from)) throw new FileError("EPERM", from);
    if (await this.#isOfTree(to)) throw new FileError("EXDEV", to);
    await this.#refuseDevice(from);
    await this.#refuseDevice(to);
    await this.#at(from, () => move(from, to));
  }

  resolvePath(base: string, path: string): string {
    return posix.resolve("/", base, path);
  }

  /** Nothing is known in advance: patterns are matched by reading directories. */
  getAllPaths(): string[] {
    return [];
  }

  async chmod(path: string, mode: number): Promise<void> {
    await this.#refuseDevice(path);
    await this.#at(path, (files) => files.chmod(path, mode));
  }

  async symlink(target: string, path: string): Promise<void> {
    await this.#at(path, (files) => files.symlink(target, path));
  }

  async link(existing: string, path: string): Promise<void> {
    await this.#at(path, (files) => files.link(existing, path));
  }

  readlink(path: string): Promise<string> {
    return this.#at(path, (files) => files.readlink(path));
  }

  realpath(path: string): Promise<string> {
    return this.#at(path, (files) => files.realpath(path));
  }

  async utimes(path: string, atime: Date, mtime: Date): Promise<void> {
    await this.#at(path, (files) => files.utimes(path, atime, mtime));
  }

  /** Opens a disk, a disc's file or any file, to be read or written in parts. */
  async open(path: string, mode: "read" | "write"): Promise<OpenFile> {
    if (path === STDIN && mode === "read") return openStdin(this.#stdin);
    return this.#at(path, (files) => files.open(path, mode));
  }

  /** Writes for a command, which tells what fails, or for a redirection, where that is for us to tell. */
  async #write(
    call: "writeFile" | "appendFile",
    path: string,
    bytes: Uint8Array,
    options: WriteOptions,
  ): Promise<void> {
    if (path === STDOUT) return this.#console.out(bytes);
    if (path === STDERR) return this.#console.err(this.#withReasons(bytes));
    if (path === TURN) return setImmediate();
    // just-bash opens the file of a redirection by writing no bytes, as binary; its commands write text.
    if (bytes.length === 0 && options === "binary") this.#redirected.add(path);
    try {
      await this.#at(path, (files) => files[call](path, bytes));
    } catch (error) {
      if (!this.#redirected.has(path) || !(error instanceof FileError)) throw error;
      throw new Error(`bash: ${path}: ${error.reason}`);
    }
  }

  #withReasons(bytes: Uint8Array): Uint8Array | string {
    if (this.#unread.size === 0) return bytes;
    const line = /([^\s/'"]+)('?): No such file or directory$/gm;
    return Buffer.from(bytes)
      .toString()
      .replace(line, (text, name: string, quote: string) => {
        const reason = this.#unread.get(name);
        return reason === undefined ? text : `${name}${quote}: ${reason}`;
      });
  }

  /** Whether it is the tree that answers for a path. */
  async #isOfTree(path: string): Promise<boolean> {
    const [first, second = ""] = posix.resolve("/", path).split("/").slice(1);
    if (first !== "dev" || !MACHINE_DEVICES.includes(second))
      return first === "sys" || first === "dev";
    // A disc may be called so, too.
    return this.#tree.lstat(`/dev/${second}`).then(
      () => true,
      () => false,
    );
  }

  /** The machine's devices are there to be read and written; without `/dev/null` nothing else here would run. */
  async #refuseDevice(path: string): Promise<void> {
    const isInDev = posix.resolve("/", path).startsWith("/dev/");
    if (isInDev && !(await this.#isOfTree(path))) {
      throw new FileError("EPERM", path, "it is the machine's");
    }
  }

  /** Asks whoever answers for a path, and has errors be the shell's. */
  async #at<T>(path: string, ask: (files: Files) => Promise<T>): Promise<T> {
    if (isProgram(path)) throw new FileError("ENOENT", path);
    try {
      return await ask((await this.#isOfTree(path)) ? this.#treeFiles : machineFiles);
    } catch (error) {
      throw FileError.of(error, path);
    }
  }
}

/** just-bash looks for its commands there, if that is there, and takes the machine's programs for scripts. */
function isProgram(path: string): boolean {
  return /^\/(usr\/)?bin(\/|$)/.test(posix.resolve("/", path));
}

function bytesOf(content: FileContent, options: WriteOptions): Uint8Array {
  if (typeof content !== "string") return content;
  const encoding = typeof options === "string" ? options : options?.encoding;
  return Buffer.from(content, encoding ?? "utf8");
}
