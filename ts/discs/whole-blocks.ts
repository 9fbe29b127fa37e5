// Bytes of a disc that can be read in whole blocks only: a partition table is read in sectors of 512.

import type { Disc } from "./disc.js";

/** The blocks that a range lies in, and how what was asked for is had from what was read of them. */
export function wholeBlocks(
  { logicalBlockBytes }: Disc,
  lenBytes: number,
  offsetBytes: number,
): { start: number; end: number; wanted: (bytes: Uint8Array) => Uint8Array } {
  const start = offsetBytes - (offsetBytes % logicalBlockBytes);
  const end = Math.ceil((offsetBytes + lenBytes) / logicalBlockBytes) * logicalBlockBytes;
  const wanted = (bytes: Uint8Array): Uint8Array =>
    bytes.subarray(offsetBytes - start, offsetBytes - start + lenBytes);
  return { start, end, wanted };
}
