// Goes through a disk in blocks, several of them under way at a time.

import { CliError, failureOf } from "../failure.js";

/** A part of the disk, and whose buffers are used for it. */
export interface Block {
  readonly offset: number;
  readonly lenBytes: number;
  /** 0 to the depth: no other block that is under way has it. */
  readonly slot: number;
}

export interface BlocksOptions {
  readonly blockBytes: number;
  readonly queueDepth: number;
  /** Hears how many bytes are done. */
  readonly onProgress: (doneBytes: number) => void;
}

/**
 * Has `work` done on every block, begun in the order of the disk, until it says false or fails.
 * Ends when no block is under way any more; a failure is that of the first block that failed.
 */
export async function eachBlock(
  sizeBytes: number,
  { blockBytes, queueDepth, onProgress }: BlocksOptions,
  work: (block: Block) => Promise<boolean>,
): Promise<void> {
  let next = 0;
  let doneBytes = 0;
  const failures: { offset: number; error: unknown }[] = [];
  const goThrough = async (slot: number): Promise<void> => {
    while (next < sizeBytes) {
      const offset = next;
      const lenBytes = Math.min(blockBytes, sizeBytes - offset);
      next += lenBytes;
      try {
        if (!(await work({ offset, lenBytes, slot }))) next = sizeBytes;
      } catch (error) {
        next = sizeBytes;
        failures.push({ offset, error });
      }
      doneBytes += lenBytes;
      onProgress(doneBytes);
    }
  };
  await Promise.all(Array.from({ length: queueDepth }, (_, slot) => goThrough(slot)));
  const [first] = failures.sort((one, other) => one.offset - other.offset);
  if (first !== undefined) throw first.error;
}

/** Waits for a request; its failure says what was done where. */
export async function at(doing: string, offset: number, request: Promise<void>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new CliError({ code, message: `${doing} at byte ${offset}: ${message}` });
  }
}
