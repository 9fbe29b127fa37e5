// Reads two disks again, and says where they first differ.

import type { RemoteDisk } from "blockpt";
import { at, type BlocksOptions, eachBlock } from "./blocks.js";

export interface CompareOptions extends BlocksOptions {
  readonly sourceName: string;
  readonly targetName: string;
}

/** Where the target first differs from the source, in as much as the source has; undefined if it does not. */
export async function compareDisks(
  source: RemoteDisk,
  target: RemoteDisk,
  options: CompareOptions,
): Promise<number | undefined> {
  const { blockBytes, queueDepth, sourceName, targetName } = options;
  const allocate = (): Uint8Array[] =>
    Array.from({ length: queueDepth }, () => source.allocate(blockBytes));
  const ours = allocate();
  const theirs = allocate();
  let first: number | undefined;
  await eachBlock(source.sizeBytes, options, async ({ offset, lenBytes, slot }) => {
    const one = (ours[slot] as Uint8Array).subarray(0, lenBytes);
    const other = (theirs[slot] as Uint8Array).subarray(0, lenBytes);
    await Promise.all([
      at(`reading ${sourceName}`, offset, source.read(one, offset)),
      at(`reading ${targetName}`, offset, target.read(other, offset)),
    ]);
    if (Buffer.compare(one, other) === 0) return true;
    const found = offset + one.findIndex((byte, index) => byte !== other[index]);
    // Blocks before this one may still be under way.
    first = Math.min(first ?? found, found);
    return false;
  });
  for (const buffer of [...ours, ...theirs]) source.free(buffer);
  return first;
}
