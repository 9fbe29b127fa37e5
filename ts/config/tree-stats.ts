// What `stat` says of a node of the tree, in the shape of `node:fs`.

import type { Node } from "./node.js";

const TYPES = { directory: 0o040000, attribute: 0o100000, link: 0o120000, disk: 0o060000 } as const;
const TYPE_MASK = 0o170000;
/** What the kernel says of every attribute: a page. */
const ATTRIBUTE_BYTES = 4096;

/** What something is. */
export interface TreeTypes {
  /** Whether it is a directory. */
  isDirectory(): boolean;
  /** Whether it is an attribute, or a file. */
  isFile(): boolean;
  /** Whether it is a link. */
  isSymbolicLink(): boolean;
  /** Whether it is an attached disk. */
  isBlockDevice(): boolean;
  /** Of nothing in the tree. */
  isCharacterDevice(): boolean;
  /** Of nothing in the tree. */
  isFIFO(): boolean;
  /** Of nothing in the tree. */
  isSocket(): boolean;
}

/** What is at a path, in the shape of `Stats` of `node:fs`. */
export interface TreeStats extends TreeTypes {
  /** Type and permissions. */
  readonly mode: number;
  /** Bytes: of an attribute 4096, whatever it holds, as in the kernel; of a disk its size. */
  readonly size: number;
  /** When the tree was asked, as nothing in it remembers when it changed; of a file when it was written. */
  readonly mtime: Date;
  /** The same in milliseconds since 1970. */
  readonly mtimeMs: number;
}

/** An entry of a directory, in the shape of `Dirent` of `node:fs`. */
export interface TreeEntry extends TreeTypes {
  /** Its name. */
  readonly name: string;
  /** The directory, as it was asked for. */
  readonly parentPath: string;
}

class NodeTypes implements TreeTypes {
  readonly mode: number;

  constructor(mode: number) {
    this.mode = mode;
  }

  isDirectory(): boolean {
    return (this.mode & TYPE_MASK) === TYPES.directory;
  }

  isFile(): boolean {
    return (this.mode & TYPE_MASK) === TYPES.attribute;
  }

  isSymbolicLink(): boolean {
    return (this.mode & TYPE_MASK) === TYPES.link;
  }

  isBlockDevice(): boolean {
    return (this.mode & TYPE_MASK) === TYPES.disk;
  }

  isCharacterDevice(): boolean {
    return false;
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}

class NodeStats extends NodeTypes implements TreeStats {
  readonly size: number;
  readonly mtime = new Date();
  readonly mtimeMs = this.mtime.getTime();

  constructor(mode: number, size: number) {
    super(mode);
    this.size = size;
  }
}

class NodeEntry extends NodeTypes implements TreeEntry {
  readonly name: string;
  readonly parentPath: string;

  constructor(mode: number, name: string, parentPath: string) {
    super(mode);
    this.name = name;
    this.parentPath = parentPath;
  }
}

export function statsOf(node: Node): TreeStats {
  const type = TYPES[node.kind];
  switch (node.kind) {
    case "directory":
      return new NodeStats(type | 0o755, 0);
    case "attribute":
      return new NodeStats(type | 0o444 | (node.write ? 0o200 : 0), ATTRIBUTE_BYTES);
    case "link":
      return new NodeStats(type | 0o777, new TextEncoder().encode(node.target).length);
    case "disk":
      return new NodeStats(type | (node.disk.readOnly ? 0o440 : 0o660), node.disk.sizeBytes);
  }
}

export function entryOf(name: string, parentPath: string, node: Node): TreeEntry {
  return new NodeEntry(statsOf(node).mode, name, parentPath);
}
