// What the logical block of a disc may be (protocol, section 5).

import { BlockptError, checkInteger } from "../errors.js";
import { SECTOR_BYTES } from "./layout.js";

const MAX_BLOCK_BYTES = 65536;

/**
 * Whether so many bytes are a power of two from 512 to 65536.
 *
 * @internal
 */
export function isLogicalBlock(bytes: number): boolean {
  const isPowerOfTwo = (bytes & (bytes - 1)) === 0;
  return bytes >= SECTOR_BYTES && bytes <= MAX_BLOCK_BYTES && isPowerOfTwo;
}

/**
 * Throws unless that is so.
 *
 * @internal
 */
export function checkLogicalBlock(bytes: number): void {
  checkInteger("logicalBlockBytes", bytes, SECTOR_BYTES, MAX_BLOCK_BYTES);
  if (isLogicalBlock(bytes)) return;
  throw new BlockptError(
    "ERR_BLOCKPT_INVALID_ARGUMENT",
    `logicalBlockBytes is ${bytes}: a power of two is wanted`,
  );
}
