// What the demo looks at once the disks are attached. Each check sees the disk from
// the root complex, and the image file, where one is behind it, from here.

import { open } from "node:fs/promises";
import { type Image, sha256Of } from "./image.js";
import type { Machine } from "./machine.js";
import { firstDifference, firstFileDifference, pattern } from "./pattern.js";
import type { Check, CopyReport } from "./report.js";
import type { DiskInfo, DiskRange } from "./root-complex-worker.js";

const MIB = 1024 * 1024;
/** Several requests of the largest size. */
const SCRATCH_BYTES = 4 * MIB;

/** Copies a disk into a file and compares it with the image. */
export async function copyAndCompare(
  machine: Machine,
  disk: DiskInfo,
  image: Image,
  path: string,
): Promise<CopyReport> {
  const copy = await machine.rootComplex.call("copy", { name: disk.name, path });
  const equal = copy.sha256 === image.sha256;
  const firstDifferenceBytes = equal ? undefined : await firstFileDifference(image.path, path);
  return { ...copy, disk: disk.name, imageSha256: image.sha256, equal, firstDifferenceBytes };
}

/** The copy as a check. */
export function checkCopy(copy: CopyReport): Check {
  const where =
    copy.firstDifferenceBytes === undefined
      ? "the image has changed since it was hashed"
      : `the first byte that differs is at offset ${copy.firstDifferenceBytes}`;
  return {
    name: "copy-equals-image",
    passed: copy.equal,
    detail: `${copy.disk}: all ${copy.bytes} bytes copied, SHA-256 ${copy.equal ? "equal" : `differs: ${where}`}`,
  };
}

/** Writes to a disc in memory and reads it back. */
export async function checkMemoryDisk(machine: Machine, disk: DiskInfo): Promise<Check> {
  const range = scratchOf(disk);
  const differs = await machine.rootComplex.call("overwrite", { ...range, seed: 1 });
  return {
    name: "memory-disk-write",
    passed: differs === undefined,
    detail: `${written(range)}, ${readBack(range, differs)}`,
  };
}

/** Writes to the image's disk, finds the bytes in the image file, and puts the old ones back. */
export async function checkImageDisk(
  machine: Machine,
  disk: DiskInfo,
  image: Image,
): Promise<Check[]> {
  const range = scratchOf(disk);
  const seed = 2;
  const differs = await machine.rootComplex.call("overwrite", { ...range, seed });
  const inFile = firstDifference(pattern(range.lenBytes, seed), await readRange(image.path, range));
  await machine.rootComplex.call("restore", disk.name);
  return [
    {
      name: "image-disk-write",
      passed: differs === undefined,
      detail: `${written(range)}, ${readBack(range, differs)}`,
    },
    {
      name: "image-file-written",
      passed: inFile === undefined,
      detail: `${disk.name}: the image file holds what was written${at(range, inFile)}`,
    },
  ];
}

/** Tries to write where that is not allowed. */
export async function checkRefusal(machine: Machine, disk: DiskInfo): Promise<Check> {
  const refusal = await machine.rootComplex.call("tryWrite", disk.name);
  const passed = refusal?.code === "ERR_BLOCKPT_READ_ONLY";
  const name = `write-refused-${disk.localName}`;
  if (refusal === undefined) {
    return { name, passed, detail: `${disk.name}: a write to a read-only disk was not refused` };
  }
  return {
    name,
    passed,
    detail: `${disk.name}: write refused, ${refusal.code}:`,
    note: refusal.message,
  };
}

/** The image is what it was before anything was exported. */
export async function checkImageUnchanged(image: Image): Promise<Check> {
  const passed = (await sha256Of(image.path)) === image.sha256;
  const detail = passed ? "the image is in the end as it was before" : "the image has changed";
  return { name: "image-unchanged", passed, detail };
}

/** The middle of a disk. */
function scratchOf(disk: DiskInfo): DiskRange {
  const offsetBytes = Math.floor(disk.sectors / 2) * 512;
  const lenBytes = Math.min(SCRATCH_BYTES, disk.sizeBytes - offsetBytes);
  return { name: disk.name, offsetBytes, lenBytes };
}

function written({ name, offsetBytes, lenBytes }: DiskRange): string {
  return `${name}: ${lenBytes} bytes written at ${offsetBytes}`;
}

function readBack(range: DiskRange, differs: number | undefined): string {
  return differs === undefined ? "read back equal" : `read back different${at(range, differs)}`;
}

function at(range: DiskRange, differs: number | undefined): string {
  return differs === undefined ? "" : `, not from byte ${range.offsetBytes + differs} on`;
}

async function readRange(path: string, range: DiskRange): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(range.lenBytes);
    const { bytesRead } = await file.read(bytes, 0, range.lenBytes, range.offsetBytes);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
