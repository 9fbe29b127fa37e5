// Images that end within a sector: the rest of it is zeros, so that nothing of them is lost.

import { SECTOR_BYTES } from "../abi/layout.js";

/** Bytes of the sectors that so many bytes are in. */
export function paddedBytes(imageBytes: number): number {
  return Math.ceil(imageBytes / SECTOR_BYTES) * SECTOR_BYTES;
}

/** Copies what there is of the image, and zeros behind it. */
export function copyPadded(into: Uint8Array, bytes: Uint8Array): void {
  into.set(bytes);
  into.fill(0, bytes.length);
}
