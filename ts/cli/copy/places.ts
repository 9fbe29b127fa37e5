// Where a copy comes from and goes to: opens the two discs, makes the file of one that is
// not there, and refuses what would destroy data.

import { closeSync, constants, ftruncateSync, openSync, rmSync, statSync } from "node:fs";
import { type Disc, discKindOf, FileDisc, HttpDisc, NbdDisc, PartitionDisc } from "blockpt";
import { InvalidArgumentError } from "commander";
import type { Cleanup } from "../cleanup.js";
import { PARTITION, parseDiscPath } from "../disc-path.js";
import { CliError, failureOf } from "../failure.js";
import { extentOf, overlap } from "./extent.js";

/** A file, a block device, an export of an NBD server, an image on an HTTP server, or a partition of one. */
export interface Place {
  /** As the user wrote it. */
  readonly text: string;
  readonly path: string;
  readonly partition?: number | string;
}

/** Both ends of a copy. */
export interface Ends {
  readonly source: Disc;
  readonly target: Disc;
  /** Undefined for a target that was there; else nothing but zeros is in it, and this lets it stay. */
  readonly keepTarget: (() => void) | undefined;
}

export function parsePlace(text: string): Place {
  const { path, settings } = parseDiscPath(text, { partition: PARTITION });
  // Of a browser, too: here that would be a file.
  if (path === "" || path === "-" || ["memory", "opfs"].includes(discKindOf(path))) {
    const why = path === "" ? "" : `; a file that is called so is ./${path}`;
    throw new InvalidArgumentError(
      `The path of a file or a block device, an NBD URI or a URL is wanted${why}.`,
    );
  }
  return { text, path, ...settings };
}

/** Opens both. A target that is made is removed again when the command ends, unless it is kept. */
export async function openEnds(from: Place, to: Place, cleanup: Cleanup): Promise<Ends> {
  const source = await openPlace(from, true);
  try {
    const keepTarget = isThere(to.path) ? undefined : makeTarget(to, source.sizeBytes, cleanup);
    holdDevice(to.path, cleanup);
    const target = await openPlace(to, false);
    try {
      checkEnds({ place: from, disc: source }, { place: to, disc: target });
    } catch (error) {
      target.close();
      throw error;
    }
    return { source, target, keepTarget };
  } catch (error) {
    source.close();
    throw error;
  }
}

async function openPlace({ path, partition }: Place, readOnly: boolean): Promise<Disc> {
  const disc = await openWhole(path, readOnly);
  if (partition === undefined) return disc;
  try {
    return await PartitionDisc.open(disc, partition);
  } catch (error) {
    disc.close();
    throw error;
  }
}

function openWhole(path: string, readOnly: boolean): Promise<Disc> {
  const kind = discKindOf(path);
  if (kind !== "http") return (kind === "nbd" ? NbdDisc : FileDisc).open(path, { readOnly });
  if (readOnly) return HttpDisc.open(path);
  throw new CliError({ code: "ERR_COPY_TARGET", message: `${path} may only be read` });
}

/** Whether it is on a server. */
function isRemote(path: string): boolean {
  return ["nbd", "http"].includes(discKindOf(path));
}

/** Whether opening it finds something, or says why not; a link that leads nowhere does not count. */
function isThere(path: string): boolean {
  return isRemote(path) || statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Makes the target's file, all of it a hole; gives what lets it stay. In one go, so that no signal comes between. */
function makeTarget({ path, partition }: Place, sizeBytes: number, cleanup: Cleanup): () => void {
  if (partition !== undefined) {
    const message = `${path} is not there, so it has no partition ${partition}`;
    throw new CliError({ code: "ERR_COPY_TARGET", message });
  }
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new CliError({ code, message: `${path} cannot be made: ${message}` });
  }
  const keep = cleanup.add(() => rmSync(path, { force: true }));
  try {
    ftruncateSync(file, sizeBytes);
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new CliError({ code, message: `${path} cannot get ${sizeBytes} bytes: ${message}` });
  } finally {
    closeSync(file);
  }
  return keep;
}

/** A block device is written only if nobody uses it, and nobody mounts it while we do. */
function holdDevice(path: string, cleanup: Cleanup): void {
  if (isRemote(path) || !statSync(path).isBlockDevice()) return;
  try {
    // What the kernel makes of O_EXCL there: it fails if the device, or a part of it, is held.
    const file = openSync(path, constants.O_RDWR | constants.O_EXCL);
    cleanup.add(() => closeSync(file));
  } catch (error) {
    // Of anything else whoever opens it to write there says more.
    if (failureOf(error).code !== "EBUSY") return;
    const message = `${path} is in use: it is mounted, or part of something that is`;
    throw new CliError({ code: "ERR_COPY_BUSY", message });
  }
}

interface End {
  readonly place: Place;
  readonly disc: Disc;
}

function checkEnds(source: End, target: End): void {
  if (overlap(extentOf(source.place.path, source.disc), extentOf(target.place.path, target.disc))) {
    const message = `${source.place.text} and ${target.place.text} have bytes in common`;
    throw new CliError({ code: "ERR_COPY_SAME", message });
  }
  const { sizeBytes } = source.disc;
  if (target.disc.sizeBytes < sizeBytes) {
    const message =
      `${target.place.text} is too small: it has ${target.disc.sizeBytes} bytes, ` +
      `${source.place.text} has ${sizeBytes}`;
    throw new CliError({ code: "ERR_COPY_SIZE", message });
  }
  const { logicalBlockBytes } = target.disc;
  if (sizeBytes % logicalBlockBytes === 0) return;
  const message =
    `${source.place.text} has ${sizeBytes} bytes, and ${target.place.text} is written in ` +
    `blocks of ${logicalBlockBytes}`;
  throw new CliError({ code: "ERR_COPY_SIZE", message });
}
