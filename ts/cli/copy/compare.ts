// Reads two disks again, and says where they first differ.

import { at, eachBlock, type Job, type OnProgress } from "./blocks.js";

/** Where the target first differs from the source, in as much as the source has; undefined if it does not. */
export async function compareDisks(job: Job, onProgress: OnProgress): Promise<number | undefined> {
  const { source, target, sourceName, targetName, blockBytes, queueDepth } = job;
  const allocate = (): Uint8Array[] =>
    Array.from({ length: queueDepth }, () => source.allocate(blockBytes));
  const ours = allocate();
  const theirs = allocate();
  let first: number | undefined;
  await eachBlock(job, onProgress, async ({ offset, lenBytes, slot }) => {
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
