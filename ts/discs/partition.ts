// What a partition table says, whichever kind it is of.

import type { Disc } from "./disc.js";

/** An entry of a table. */
export interface Partition {
  /** As Linux numbers it. */
  readonly number: number;
  /** In lower case. */
  readonly uuid: string;
  /** Where it starts on the disc. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** Why it cannot be a disc: only without one are the two numbers those of a range of the disc. */
  readonly fault: string | undefined;
}

/** A table that was found. */
export interface PartitionTable {
  readonly kind: "GPT" | "MBR";
  readonly partitions: readonly Partition[];
  /** Why there may be more than were found. */
  readonly complaint: string | undefined;
}

/** A range that the disc's users can read and write, or why it is not. */
export function rangeFault(disc: Disc, startBytes: number, sizeBytes: number): string | undefined {
  if (sizeBytes > disc.sizeBytes - startBytes) {
    return `ends at byte ${startBytes + sizeBytes}, past the disc's end at ${disc.sizeBytes}`;
  }
  const unitBytes = disc.logicalBlockBytes;
  if (startBytes % unitBytes !== 0 || sizeBytes % unitBytes !== 0) {
    return `is not made of whole blocks of ${unitBytes} bytes`;
  }
  return undefined;
}

/** Reads sectors as the parsers want them. */
export async function readBuffer(
  disc: Disc,
  lenBytes: number,
  offsetBytes: number,
): Promise<Buffer> {
  const { buffer, byteOffset, length } = await disc.readBytes(lenBytes, offsetBytes);
  return Buffer.from(buffer, byteOffset, length);
}
