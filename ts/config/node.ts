// What the config tree is made of. A directory is asked anew each time: what it shows is the state of
// the endpoint and the root complex, and no copy of it.

import type { RemoteDisk } from "../root-complex/remote-disk.js";
import { Refusal } from "./config-error.js";

export type MaybePromise<T> = T | Promise<T>;

/** A value that is read and written as text; one without `write` is read-only. */
export interface AttributeNode {
  readonly kind: "attribute";
  readonly read: () => MaybePromise<string | Uint8Array>;
  readonly write?: ((text: string) => MaybePromise<void>) | undefined;
}

/** A link. */
export interface LinkNode {
  readonly kind: "link";
  readonly target: string;
  /** Whether the target is on the machine that the tree runs on, and not in the tree. */
  readonly leavesTree: boolean;
}

/** An attached disk. */
export interface DiskNode {
  readonly kind: "disk";
  readonly disk: RemoteDisk;
}

/** A directory. What it has no method for is refused with `EPERM`. */
export interface DirectoryNode {
  readonly kind: "directory";
  names(): MaybePromise<readonly string[]>;
  find(name: string): MaybePromise<Node | undefined>;
  /** Makes a directory in this one; nothing of that name is there. */
  mkdir?(name: string): MaybePromise<void>;
  /** Removes a directory of this one. */
  rmdir?(name: string): MaybePromise<void>;
  /** Makes a link in this one; nothing of that name is there. */
  symlink?(name: string, target: string): MaybePromise<void>;
  /** Removes a link of this one. */
  unlink?(name: string): MaybePromise<void>;
}

export type Node = AttributeNode | LinkNode | DiskNode | DirectoryNode;

/** A directory that always holds the same. */
export function fixedDirectory(entries: Readonly<Record<string, Node>>): DirectoryNode {
  return {
    kind: "directory",
    names: () => Object.keys(entries),
    find: (name) => (Object.hasOwn(entries, name) ? entries[name] : undefined),
  };
}

/** Of a directory of attributes: `undefined` and `EPERM` are what it gives of everything else. */
export function readOnly(read: () => MaybePromise<string | Uint8Array>): AttributeNode {
  return { kind: "attribute", read };
}

/** The longest name of an entry, in bytes, as of most file systems. */
const MAX_NAME_BYTES = 255;

/** Checks a name that somebody gives to an entry. */
export function checkEntryName(name: string): void {
  const isText = !/[/\p{Cc}]/u.test(name);
  const { length } = new TextEncoder().encode(name);
  if (isText && length >= 1 && length <= MAX_NAME_BYTES && name !== "." && name !== "..") return;
  const accepted = `1 to ${MAX_NAME_BYTES} bytes without / and control characters`;
  throw new Refusal("EINVAL", `${JSON.stringify(name)} is no name: ${accepted} are`);
}
