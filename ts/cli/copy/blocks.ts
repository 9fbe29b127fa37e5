// A copy goes through its source in blocks, several of them under way at a time.

import type { RemoteDisk } from "blockpt";
import { CliError, failureOf } from "../failure.js";

/** A part of the source, and whose buffers are used for it. */
export interface Block {
  readonly offset: number;
  readonly lenBytes: number;
  /** 0 to the depth: no other block that is under way has it. */
  readonly slot: number;
}

/** What is copied to where, and how. */
export interface Job {
  readonly source: RemoteDisk;
  readonly target: RemoteDisk;
  /** What the two are called in messages. */
  readonly sourceName: string;
  readonly targetName: string;
  readonly blockBytes: number;
  /** How many blocks are under way at a time. */
  readonly queueDepth: number;
  /** There are only zeros in the target. */
  readonly targetIsZero: boolean;
}

/** Hears how many bytes are done. */
export type OnProgress = (doneBytes: number) => void;

/**
 * Has `work` done on every block, begun in the order of the source, until it says false or fails.
 * Ends when no block is under way any more; a failure is that of the first block that failed.
 */
export async function eachBlock(
  { source: { sizeBytes }, blockBytes, queueDepth }: Job,
  onProgress: OnProgress,
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

/** Waits for a request; its failure says what was done, and at which byte. */
export function at(doing: string, offset: number, request: Promise<void>): Promise<void> {
  return during(`${doing} at byte ${offset}`, request);
}

/** Waits for a request; its failure says what was done. */
export async function during(doing: string, request: Promise<void>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const { code, message } = failureOf(error);
    throw new CliError({ code, message: `${doing}: ${message}` });
  }
}
