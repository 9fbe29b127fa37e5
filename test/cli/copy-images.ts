// Images for tests of `blockpt copy`: sparse files, and a partition table.

import { open, stat } from "node:fs/promises";

/** The signature of the tables: partition 2 has the UUID c0dec402-02. */
const SIGNATURE = 0xc0dec402;
const SLOT_BYTES = 16;

/** A file that is a hole, but for some bytes at some offsets. */
export async function makeSparse(
  path: string,
  sizeBytes: number,
  data: readonly (readonly [number, Uint8Array])[] = [],
): Promise<void> {
  const file = await open(path, "w");
  await file.truncate(sizeBytes);
  for (const [offset, bytes] of data) await file.write(bytes, 0, bytes.length, offset);
  await file.close();
}

/** What a file takes on its file system; 0 while it is not there. */
export async function allocatedBytes(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  return (found?.blocks ?? 0) * 512;
}

/** Writes an MBR over the start of an image; its slots are first sectors and sectors. */
export function writeMbr(image: Buffer, slots: readonly (readonly [number, number])[]): void {
  image.fill(0, 0, 512);
  image.writeUInt32LE(SIGNATURE, 440);
  for (const [index, [startSector, sectors]] of slots.entries()) {
    const slot = 446 + index * SLOT_BYTES;
    image.writeUInt8(0x83, slot + 4);
    image.writeUInt32LE(startSector, slot + 8);
    image.writeUInt32LE(sectors, slot + 12);
  }
  image.writeUInt16LE(0xaa55, 510);
}
