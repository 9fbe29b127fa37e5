// What the shell wants of files, wherever they are: the config tree's and the machine's do it each in their way.

import type { OpenFile as TreeFile } from "blockpt";
import type { FsStat, IFileSystem } from "just-bash";

export type Entry = Awaited<ReturnType<NonNullable<IFileSystem["readdirWithFileTypes"]>>>[number];

/** A file that can be read and written in parts. */
export interface OpenFile extends Pick<TreeFile, "read" | "write" | "datasync" | "sync" | "close"> {
  /** Of a file, whose length can change. */
  truncate?(lenBytes: number): Promise<void>;
}

export interface Files
  extends Pick<
    IFileSystem,
    | "stat"
    | "lstat"
    | "mkdir"
    | "rm"
    | "chmod"
    | "utimes"
    | "symlink"
    | "link"
    | "readlink"
    | "realpath"
  > {
  readFile(path: string): Promise<Uint8Array>;
  writeFile(path: string, bytes: Uint8Array): Promise<void>;
  appendFile(path: string, bytes: Uint8Array): Promise<void>;
  readdir(path: string): Promise<Entry[]>;
  /** To be written a file is made if it is not there, and keeps what is in it. */
  open(path: string, mode: "read" | "write"): Promise<OpenFile>;
}

/** What says of what kind it is, as `node:fs` says it. */
interface Kind {
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/** just-bash knows no devices: what is neither a directory nor a link is a file to it. */
function kindOf(of: Kind): Pick<FsStat, "isFile" | "isDirectory" | "isSymbolicLink"> {
  const isDirectory = of.isDirectory();
  const isSymbolicLink = of.isSymbolicLink();
  return { isFile: !isDirectory && !isSymbolicLink, isDirectory, isSymbolicLink };
}

/** An entry of a directory as just-bash wants it. */
export function entryOf(entry: Kind & { readonly name: string }): Entry {
  return { name: entry.name, ...kindOf(entry) };
}

/** What `stat` says, of the tree or of the machine, whose files have a device and a number. */
interface Stats extends Kind {
  readonly mode: number;
  readonly size: number;
  readonly mtime: Date;
  readonly dev?: number;
  readonly ino?: number;
}

/** What `stat` says as just-bash wants it: `cp` writes over nothing of which it does not know what it is. */
export function statOf(stats: Stats, path: string): FsStat {
  const { mode, size, mtime, dev, ino } = stats;
  const identity = ino === undefined ? path : `${dev}:${ino}`;
  return { ...kindOf(stats), mode, size, mtime, identity };
}
