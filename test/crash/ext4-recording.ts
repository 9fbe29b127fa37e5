// ext4's run on a crash disc: the kernel's own, mounted, on the whole chain.
//
//   program ──► ext4 ──► loop device ──► nbdfuse ──► NbdServer ──► rings ──► crash disc

import { mkdir, open, readFile, rm, truncate } from "node:fs/promises";
import { NbdServer } from "blockpt/nbd";
import { Place } from "../cli/command-line.js";
import { NbdFile } from "../nbd/mounted.js";
import { run, succeed } from "../nbd/tools.js";
import { useFiles } from "./ext4-program.js";
import { FilePromises } from "./promises.js";
import { type Recording, startMachine } from "./recording.js";

const MIB = 1024 ** 2;
const SIZE_BYTES = 16 * MIB;

/**
 * The superblock, two sectors, is written without the journal, and has a checksum: a disc that tears it leaves a file
 * system that only a backup superblock brings back, and one as small as this has none. All else bears to be torn anywhere.
 */
const SUPERBLOCK_BYTES = 1024;

/** Of so many positions the kernel recovers what a crash at one has left, e2fsck what those at the others have. */
const KERNEL_RECOVERS_EVERY = 5;

/** What this needs here. */
export const EXT4_TOOLS = ["nbdfuse", "mkfs.ext4", "losetup", "debugfs"] as const;

export interface Ext4Run {
  readonly seed: number;
  /** How many things each task of the program does. */
  readonly things: number;
  /** Bytes of ext4's blocks: 1024, with a journal that goes round often, or 4096. */
  readonly blockBytes: 1024 | 4096;
}

/** Runs a program on ext4; its place is removed by `close`. */
export async function recordExt4(
  options: Ext4Run,
): Promise<Recording & { close(): Promise<void> }> {
  const place = await Place.create();
  try {
    const promises = new FilePromises();
    const disc = await runProgram(place, options, promises);
    return {
      name: `ext4, blocks of ${options.blockBytes}`,
      disc,
      tearBytes: SUPERBLOCK_BYTES,
      examine: (image, at) => examine(place, image, at, promises),
      close: () => place.remove(),
    };
  } catch (error) {
    await place.remove();
    throw error;
  }
}

/** An empty file system. */
async function makeFileSystem(place: Place, blockBytes: number): Promise<Uint8Array> {
  const path = place.path("empty.img");
  await (await open(path, "w")).close();
  await truncate(path, SIZE_BYTES);
  // The smallest journal that there is.
  const journal = `size=${(1024 * blockBytes) / MIB}`;
  await succeed("mkfs.ext4", ["-q", "-F", "-b", `${blockBytes}`, "-J", journal, path]);
  return readFile(path);
}

async function runProgram(
  place: Place,
  { seed, things, blockBytes }: Ext4Run,
  promises: FilePromises,
) {
  const machine = await startMachine(await makeFileSystem(place, blockBytes));
  const { disc, disk } = machine;
  const uri = `nbd+unix:///?socket=${place.path("nbd.sock")}`;
  const server = await NbdServer.listen({ uri, exports: [{ name: "crash0", disk }] });
  let file: NbdFile | undefined;
  try {
    file = await NbdFile.open(place, server.uri("crash0"));
    const folder = await file.mount();
    await useFiles({ folder, promises, position: () => disc.position }, seed, things);
    await file.unmount();
  } finally {
    await file?.close();
    await server.close();
    await machine.close();
  }
  return disc;
}

/** Has the journal replayed, the file system checked, and looks for the files. */
async function examine(
  place: Place,
  image: Uint8Array,
  at: number,
  promises: FilePromises,
): Promise<string[]> {
  const path = place.path("crashed.img");
  const folder = place.path("found");
  await writeSparse(path, image);
  // There are two who can replay a journal; the kernel takes several times as long.
  const isKernels = at % KERNEL_RECOVERS_EVERY === 0;
  const damage = isKernels ? await recoverByKernel(place, path) : await recoverByCheck(path);
  const checked = await run("e2fsck", ["-f", "-n", path]);
  if (checked.exitCode !== 0) {
    return [...damage, `after recovery e2fsck ends with ${checked.exitCode}: ${checked.stdout}`];
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await succeed("debugfs", ["-R", `rdump / ${folder}`, path]);
  const complaints = await Promise.all(
    promises.names.map(async (name) => {
      const found = await readFile(`${folder}/${name}`).catch(() => undefined);
      return promises.complaint(name, found, at);
    }),
  );
  return [...damage, ...complaints.filter((complaint) => complaint !== undefined)];
}

/** Has e2fsck replay the journal; says what else it had to repair. */
async function recoverByCheck(path: string): Promise<string[]> {
  const { exitCode, stdout, stderr } = await run("e2fsck", ["-f", "-y", path]);
  // 1 says that something was set right, such as what was deleted while it was open.
  if (exitCode === 0 || exitCode === 1) return damageIn(stdout);
  return [`e2fsck ends with ${exitCode}: ${stderr}${stdout}`];
}

/** Has the kernel replay it. */
async function recoverByKernel(place: Place, path: string): Promise<string[]> {
  const folder = place.path("recovered");
  await mkdir(folder, { recursive: true });
  const { exitCode, stderr } = await run("mount", ["-t", "ext4", "-o", "loop", path, folder]);
  if (exitCode !== 0) return [`it cannot be mounted: ${stderr}`];
  await succeed("umount", [folder]);
  return [];
}

/** What is wrong after every crash: counts in the superblock, which ext4 does not journal. */
const HARMLESS = /^Free (blocks|inodes) count wrong \(/;

/** What e2fsck found that a journal should have prevented: each question, behind what is asked about. */
function damageIn(stdout: string): string[] {
  const lines = stdout.split("\n");
  return lines.flatMap((line, index) => {
    if (!/\? yes$/.test(line)) return [];
    const problem = /^\w+\? yes$/.test(line) ? `${lines[index - 1]} ${line}` : line;
    return HARMLESS.test(problem) ? [] : [problem];
  });
}

const PIECE_BYTES = 65536;
const ZEROS = new Uint8Array(PIECE_BYTES);

/** Writes an image with holes for its zeros. */
export async function writeSparse(path: string, image: Uint8Array): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "w");
  try {
    await file.truncate(image.length);
    for (let at = 0; at < image.length; at += PIECE_BYTES) {
      const piece = image.subarray(at, at + PIECE_BYTES);
      if (Buffer.compare(piece, ZEROS.subarray(0, piece.length)) === 0) continue;
      await file.write(piece, 0, piece.length, at);
    }
  } finally {
    await file.close();
  }
}
