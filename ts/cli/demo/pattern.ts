// Bytes to recognise: the same for the same seed, different at every offset. And the
// first place where two things that should be equal are not.

import { open } from "node:fs/promises";

const CHUNK_BYTES = 1024 * 1024;

/** Fills whole 32-bit words from a seed (xorshift32). */
export function fillPattern(bytes: Uint8Array<ArrayBuffer>, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2);
  // Xorshift stays at 0 for ever; neighbouring seeds shall not look alike.
  let state = (Math.imul(seed + 1, 0x9e3779b1) | 1) >>> 0;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
}

/** `lenBytes` bytes of a pattern; a multiple of 4. */
export function pattern(lenBytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lenBytes);
  fillPattern(bytes, seed);
  return bytes;
}

/** Where two byte arrays first differ: in a byte, or in length. Undefined if they are equal. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    if (a[index] !== b[index]) return index;
  }
  return a.length === b.length ? undefined : length;
}

/** Where two files first differ; a file that ends earlier differs at its end. */
export async function firstFileDifference(a: string, b: string): Promise<number | undefined> {
  const left = await open(a);
  try {
    const right = await open(b);
    try {
      const leftBytes = Buffer.alloc(CHUNK_BYTES);
      const rightBytes = Buffer.alloc(CHUNK_BYTES);
      for (let offset = 0; ; offset += CHUNK_BYTES) {
        const leftRead = await left.read(leftBytes, 0, CHUNK_BYTES, offset);
        const rightRead = await right.read(rightBytes, 0, CHUNK_BYTES, offset);
        const leftPart = leftBytes.subarray(0, leftRead.bytesRead);
        const rightPart = rightBytes.subarray(0, rightRead.bytesRead);
        if (!leftPart.equals(rightPart)) {
          return offset + (firstDifference(leftPart, rightPart) ?? 0);
        }
        if (leftRead.bytesRead === 0) return undefined;
      }
    } finally {
      await right.close();
    }
  } finally {
    await left.close();
  }
}
