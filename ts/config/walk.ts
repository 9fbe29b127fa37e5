// Goes along a path of the tree, and the links in it.

import { posix } from "node:path";
import { Refusal } from "./config-error.js";
import type { DirectoryNode, Node } from "./node.js";

/** Where a path leads: into the tree, or by a link out of it. */
export type Place = { readonly node: Node } | { readonly outside: string };

/** As in the kernel. */
const MAX_LINKS = 40;

/** Where a path leads from the root on; a link at its end is followed, too. */
export async function walk(root: DirectoryNode, path: string, followLast = true): Promise<Place> {
  let rest = absolute(path).split("/").filter(Boolean);
  let node: Node = root;
  let at = "/";
  let links = 0;
  while (rest.length > 0) {
    const name = rest.shift() as string;
    if (node.kind !== "directory") throw new Refusal("ENOTDIR");
    const next: Node | undefined = await node.find(name);
    if (next === undefined) throw new Refusal("ENOENT", await namesThere(node, at));
    if (next.kind !== "link" || (rest.length === 0 && !followLast)) {
      node = next;
      at = posix.join(at, name);
      continue;
    }
    if (next.leavesTree) {
      if (rest.length > 0) throw new Refusal("ENOTDIR");
      return { outside: next.target };
    }
    if (++links > MAX_LINKS) throw new Refusal("ELOOP");
    rest = [...posix.resolve(at, next.target).split("/").filter(Boolean), ...rest];
    node = root;
    at = "/";
  }
  return { node };
}

/** What is there in the tree. */
export async function nodeAt(root: DirectoryNode, path: string, followLast = true): Promise<Node> {
  const place = await walk(root, path, followLast);
  if ("node" in place) return place.node;
  throw new Refusal("ENOTDIR", `it leads to ${place.outside}, out of the tree`);
}

/** The directory that a path's last name is in, or would be. */
export async function parentOf(
  root: DirectoryNode,
  path: string,
): Promise<{ parent: DirectoryNode; name: string }> {
  const whole = absolute(path);
  if (whole === "/") throw new Refusal("EBUSY");
  const parent = await nodeAt(root, posix.dirname(whole));
  if (parent.kind !== "directory") throw new Refusal("ENOTDIR");
  return { parent, name: posix.basename(whole) };
}

/** The path from the root, without `.`, `..` and a slash at the end. */
export function absolute(path: string): string {
  if (path === "") throw new Refusal("ENOENT");
  return posix.resolve("/", path);
}

/** What would have been there. */
async function namesThere(directory: DirectoryNode, path: string): Promise<string> {
  const names = await directory.names();
  return names.length === 0 ? `${path} is empty` : `in ${path} there are ${names.join(", ")}`;
}
