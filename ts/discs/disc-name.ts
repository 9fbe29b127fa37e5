// What a disc is called: what a name of a disc opens, and the name under which the root complex sees it.

import { posix } from "node:path";
import { MAX_NAME_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import { isNbdUri, parseNbdUri } from "../nbd/uri.js";
import type { Disc } from "./disc.js";
import { FileDisc } from "./file-disc.js";
import { HttpDisc } from "./http-disc.js";
import { MemoryDisc } from "./memory-disc.js";
import { NbdDisc } from "./nbd-disc.js";
import { OpfsDisc } from "./opfs-disc.js";
import { PartitionDisc } from "./partition-disc.js";

/** How a disc of a name is opened. */
export interface NamedDiscOptions {
  /** Refuse writes, and open a file for reading only. Default false. */
  readOnly?: boolean | undefined;
  /** Only this partition of it: a number or a UUID, as `PartitionDisc.open` takes them. Default: all of it. */
  partition?: number | string | undefined;
}

/** What a name of a disc can open; `"file"` is also a block device. */
export type NamedDiscKind = "memory" | "nbd" | "http" | "opfs" | "file";

const SCHEMES = [
  ["memory", /^memory:/i],
  ["http", /^https?:\/\//i],
  ["opfs", /^opfs:/i],
] as const;
const SIZE = /^(\d+)(?:b|([kmgt])(?:i?b)?)?$/i;
const UNITS: Readonly<Record<string, number>> = {
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/**
 * Opens the disc of a name, and of that a partition.
 *
 * @param bus - where a disc in memory is made
 * @param name - the path of a file or a block device; or `memory:` and the size of a disc of zeros, in
 * bytes, or with K, M, G or T in powers of 1024 (`64M`, `64MB` and `64MiB` are one); or an NBD URI, as
 * `NbdDisc.open` takes it; or an image on an HTTP server, as `https://HOST/disk.img`; or in a browser `opfs:` and the path of
 * a file of the origin private file system. Case does not matter in `memory:` and the like; a file of such a name is opened as `./memory:64M`
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for a size that is none; else what
 * `FileDisc.open`, `MemoryDisc.create`, `NbdDisc.open`, `HttpDisc.open`, `OpfsDisc.open` and
 * `PartitionDisc.open` throw. Nothing is open then
 *
 * @example
 * ```ts
 * import { createBus, openDiscNamed } from "blockpt";
 *
 * const disc = await openDiscNamed(await createBus(), "memory:1M");
 * console.log(disc.sizeBytes); // 1048576
 * disc.close();
 * ```
 */
export async function openDiscNamed(
  bus: Bus,
  name: string,
  options: NamedDiscOptions = {},
): Promise<Disc> {
  const { readOnly = false, partition } = options;
  const disc = await openWhole(bus, name, readOnly);
  if (partition === undefined) return disc;
  try {
    return await PartitionDisc.open(disc, partition);
  } catch (error) {
    disc.close();
    throw error;
  }
}

async function openWhole(bus: Bus, name: string, readOnly: boolean): Promise<Disc> {
  switch (discKindOf(name)) {
    case "memory":
      return MemoryDisc.create(bus, memoryBytes(name), { readOnly });
    case "nbd":
      return NbdDisc.open(name, { readOnly });
    case "http":
      return HttpDisc.open(name);
    case "opfs":
      return OpfsDisc.open(behindScheme(name), { readOnly });
    case "file":
      return FileDisc.open(name, { readOnly });
  }
}

/**
 * What a name of a disc opens, as `openDiscNamed` takes it: told by how it begins, whether or not it can be opened.
 *
 * @example
 * ```ts
 * import { discKindOf } from "blockpt";
 *
 * console.log(discKindOf("memory:64M"), discKindOf("nbd://server/vm1"), discKindOf("./memory:64M")); // memory nbd file
 * ```
 */
export function discKindOf(discName: string): NamedDiscKind {
  if (isNbdUri(discName)) return "nbd";
  return SCHEMES.find(([, scheme]) => scheme.test(discName))?.[0] ?? "file";
}

/**
 * The name under which the root complex sees a disc, after Linux: a partition's number stands behind
 * the disc's name, with a `p` before it if that ends in a digit. A name that does not fit the
 * protocol's register becomes its last path component. An NBD URI stands for its export's name; without
 * one for that of the socket or the host. A URL, and a name of `opfs:`, stand for the last component of their path.
 *
 * @param partition - its number: of one that was opened by UUID, `PartitionDisc.number`
 * @throws {@link BlockptError} `ERR_BLOCKPT_NAME` if that does not fit either: 1 to 63 bytes of UTF-8
 * without `;` and NUL do
 *
 * @example
 * ```ts
 * import { exportedName } from "blockpt";
 *
 * console.log(exportedName("/dev/sda", 1)); // /dev/sda1
 * console.log(exportedName("/dev/nvme0n1", 1)); // /dev/nvme0n1p1
 * console.log(exportedName(`/srv/${"images/".repeat(10)}disk.img`)); // disk.img
 * console.log(exportedName("nbd://server/vm1")); // vm1
 * console.log(exportedName("https://server/images/disk.img?v=2")); // disk.img
 * ```
 */
export function exportedName(discName: string, partition?: number | undefined): string {
  const kind = discKindOf(discName);
  if (kind === "nbd") {
    const { exportName, socketPath, host } = parseNbdUri(discName);
    return exportedName(exportName || posix.basename(socketPath ?? host ?? ""), partition);
  }
  if (kind === "http") return exportedName(imageOf(discName), partition);
  if (kind === "opfs") return exportedName(posix.basename(behindScheme(discName)), partition);
  const separator = /\d$/.test(discName) ? "p" : "";
  const suffix = partition === undefined ? "" : `${separator}${partition}`;
  const name = `${discName}${suffix}`;
  if (discName !== "" && nameComplaint(name) === undefined) return name;
  const last = posix.basename(discName);
  const short = `${last}${suffix}`;
  const complaint = last === "" ? "is empty" : nameComplaint(short);
  if (complaint === undefined) return short;
  throw new BlockptError(
    "ERR_BLOCKPT_NAME",
    `${JSON.stringify(name)} cannot be the name of an exported disc, and the last part of it ` +
      `${complaint}: set export_name`,
  );
}

/**
 * Why a name cannot stand in the protocol's register; undefined if it can.
 *
 * @internal
 */
export function nameComplaint(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes === 0) return "is empty";
  if (bytes > MAX_NAME_BYTES) return `has ${bytes} bytes, at most ${MAX_NAME_BYTES} fit`;
  return /[;\0]/.test(name) ? "has a ; or a NUL" : undefined;
}

function behindScheme(name: string): string {
  return name.slice(name.indexOf(":") + 1);
}

/** The file's name in a URL, or the host's if it has none. */
function imageOf(url: string): string {
  try {
    const { pathname, host } = new URL(url);
    return posix.basename(decodeURIComponent(pathname)) || host;
  } catch {
    // Whoever opens it says what is wrong with it.
    return posix.basename(url);
  }
}

/** The size in `memory:SIZE`. */
function memoryBytes(name: string): number {
  const [, digits, unit = ""] = SIZE.exec(behindScheme(name)) ?? [];
  if (digits !== undefined) return Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  throw new BlockptError(
    "ERR_BLOCKPT_INVALID_ARGUMENT",
    `${JSON.stringify(name)} has no size: memory:SIZE is wanted, SIZE in bytes or as 64K, 64M, 1G or 1T`,
  );
}
