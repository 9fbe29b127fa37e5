// Moves the bytes: read by one disk into a buffer of host memory, and written from there by
// the other. The buffer is on the bus that both are on, so neither copies it.

import { at, during, eachBlock, type Job, type OnProgress } from "./blocks.js";
import { GRANULE_BYTES, type Run, runsOf } from "./zeros.js";

export interface Moved {
  /** Bytes of granules that have data. */
  readonly dataBytes: number;
  readonly zeroBytes: number;
}

/** Copies all of the source to the start of the target, and flushes that. */
export async function moveBlocks(job: Job, onProgress: OnProgress): Promise<Moved> {
  const { source, target, sourceName, targetName, blockBytes, queueDepth } = job;
  const granuleBytes = Math.max(GRANULE_BYTES, target.logicalBlockBytes);
  const buffers = Array.from({ length: queueDepth }, () => source.allocate(blockBytes));
  const writing = `writing ${targetName}`;
  let dataBytes = 0;

  /** Makes zeros of what is in a range of the target, where it is something else: a hole stays one. */
  const clear = async (range: Uint8Array, offset: number): Promise<void> => {
    await at(`reading ${targetName}`, offset, target.read(range, offset));
    const wrong = runsOf(range, granuleBytes).filter(({ isZero }) => !isZero);
    await Promise.all(
      wrong.map(({ start, lenBytes }) =>
        at(writing, offset + start, target.writeZeroes(offset + start, lenBytes)),
      ),
    );
  };

  const put = (block: Uint8Array, offset: number, { start, lenBytes, isZero }: Run): unknown => {
    const range = block.subarray(start, start + lenBytes);
    if (!isZero) {
      dataBytes += lenBytes;
      return at(writing, offset + start, target.write(range, offset + start));
    }
    // The zeros in the buffer have been seen: what the target has there can take their place.
    return job.targetIsZero ? undefined : clear(range, offset + start);
  };

  await eachBlock(job, onProgress, async ({ offset, lenBytes, slot }) => {
    const block = (buffers[slot] as Uint8Array).subarray(0, lenBytes);
    await at(`reading ${sourceName}`, offset, source.read(block, offset));
    await Promise.all(runsOf(block, granuleBytes).map((run) => put(block, offset, run)));
    return true;
  });
  for (const buffer of buffers) source.free(buffer);
  await during(`flushing ${targetName}`, target.flush());
  return { dataBytes, zeroBytes: source.sizeBytes - dataBytes };
}
