// The disk image: made in a temporary directory, with a file system in it where there
// is a tool for that, or the user's own, which is only read.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, mkdir, open, rm, statfs, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { FileDisc } from "blockpt";
import { CliError, failureOf } from "../failure.js";
import { fillPattern, pattern } from "./pattern.js";

const MIB = 1024 * 1024;
const SECTOR_BYTES = 512;

/** What is in the image. */
export type ImageKind = "ext4" | "pattern" | "given";

export interface Image {
  readonly path: string;
  readonly sizeBytes: number;
  readonly kind: ImageKind;
  /** What is in it and where that comes from, for people. */
  readonly description: string;
  /** Of the whole file, by `node:crypto`, before anything was exported. */
  readonly sha256: string;
}

/**
 * The user's image, examined: the library says what is wrong with it.
 *
 * @param directory - where its copy will be: there has to be room
 */
export async function openImage(path: string, directory: string): Promise<Image> {
  const disc = await FileDisc.open(path, { readOnly: true });
  const { sizeBytes } = disc;
  disc.close();
  await checkRoom(directory, sizeBytes);
  const description = "given with --image, exported read-only";
  return { path, sizeBytes, kind: "given", description, sha256: await sha256Of(path) };
}

/** An image of ours. */
export async function makeImage(
  directory: string,
  sizeMib: number,
  signal: AbortSignal,
): Promise<Image> {
  const path = join(directory, "disk.img");
  const sizeBytes = sizeMib * MIB;
  await checkRoom(directory, 2 * sizeBytes);
  const mkfs = await findTool("mkfs.ext4", ["/sbin", "/usr/sbin"]);
  let made: { kind: ImageKind; description: string };
  if (mkfs === undefined) {
    made = await makePatternImage(path, sizeBytes, "mkfs.ext4 was not found");
  } else {
    try {
      made = await makeExt4Image(mkfs, directory, path, sizeBytes, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // The last line is what the tool itself said; those before repeat its command line.
      const said = failureOf(error).message.trim().split("\n").at(-1);
      made = await makePatternImage(path, sizeBytes, `${mkfs} failed: ${said}`);
    }
  }
  return { path, sizeBytes, ...made, sha256: await sha256Of(path) };
}

/** SHA-256 of a file. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: MIB }), hash);
  return hash.digest("hex");
}

async function makeExt4Image(
  mkfs: string,
  directory: string,
  path: string,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<{ kind: ImageKind; description: string }> {
  const content = join(directory, "content");
  const files = await makeContent(content, sizeBytes);
  const image = await open(path, "w");
  await image.truncate(sizeBytes);
  await image.close();
  const args = ["-q", "-F", "-L", "blockpt-demo", "-d", content, path];
  await promisify(execFile)(mkfs, args, { signal });
  await rm(content, { recursive: true });
  return { kind: "ext4", description: `ext4 file system with ${files} files, made by ${mkfs}` };
}

/** Files for half of a small image, and 64 MiB of a large one; says how many. */
async function makeContent(content: string, sizeBytes: number): Promise<number> {
  const fileBytes = Math.min(MIB, sizeBytes / 4);
  const dataFiles = Math.min(64, Math.floor(sizeBytes / 2 / fileBytes));
  // Not `recursive`: that would bring back a directory that an interrupt has just removed.
  await mkdir(content);
  await mkdir(join(content, "data"));
  await writeFile(
    join(content, "README.txt"),
    "This file system was made by `blockpt demo`, exported by one thread as /dev/nvme0n1\n" +
      "and attached by another as pci-rd-nvme0n1.\n",
  );
  for (let file = 0; file < dataFiles; file++) {
    const name = `${String(file).padStart(2, "0")}.bin`;
    await writeFile(join(content, "data", name), pattern(fileBytes, file));
  }
  return dataFiles + 1;
}

/** Every sector begins with its own number, so one that went astray can be told. */
async function makePatternImage(
  path: string,
  sizeBytes: number,
  why: string,
): Promise<{ kind: ImageKind; description: string }> {
  const image = await open(path, "w");
  try {
    const piece = new Uint8Array(MIB);
    const view = new DataView(piece.buffer);
    for (let offset = 0; offset < sizeBytes; offset += MIB) {
      fillPattern(piece, offset / MIB);
      for (let at = 0; at < MIB; at += SECTOR_BYTES) {
        view.setBigUint64(at, BigInt((offset + at) / SECTOR_BYTES), true);
      }
      await image.write(piece, 0, MIB, offset);
    }
  } finally {
    await image.close();
  }
  return { kind: "pattern", description: `numbered sectors, no file system (${why})` };
}

async function findTool(name: string, more: readonly string[]): Promise<string | undefined> {
  const { PATH = "" } = process.env;
  for (const directory of [...PATH.split(delimiter), ...more]) {
    if (directory === "") continue;
    const tool = join(directory, name);
    try {
      await access(tool, constants.X_OK);
      return tool;
    } catch {
      // Not there: the next place.
    }
  }
  return undefined;
}

async function checkRoom(directory: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (neededBytes <= freeBytes) return;
  const mib = (bytes: number): number => Math.ceil(bytes / MIB);
  throw new CliError({
    code: "ERR_DEMO_NO_SPACE",
    message:
      `${mib(neededBytes)} MiB are needed in ${directory}, ${mib(freeBytes)} MiB are free: ` +
      "set TMPDIR to a larger place, or take a smaller --size",
  });
}
