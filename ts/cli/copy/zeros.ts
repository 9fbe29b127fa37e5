// Where in a block the zeros are.

/** Neighbouring granules that are all zeros, or that all have data. */
export interface Run {
  readonly start: number;
  readonly lenBytes: number;
  readonly isZero: boolean;
}

/** A file system's block: less cannot become a hole. */
export const GRANULE_BYTES = 4096;

const ZEROS = Buffer.alloc(1024 * 1024);

/** Takes a block apart, granule by granule; the last one may be short. */
export function runsOf(bytes: Uint8Array, granuleBytes = GRANULE_BYTES): Run[] {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isZero(block, 0, block.length)) return [{ start: 0, lenBytes: block.length, isZero: true }];
  const runs: Run[] = [];
  let start = 0;
  let current: boolean | undefined;
  for (let offset = 0; offset < block.length; offset += granuleBytes) {
    const found = isZero(block, offset, Math.min(offset + granuleBytes, block.length));
    if (found === current) continue;
    if (current !== undefined) runs.push({ start, lenBytes: offset - start, isZero: current });
    start = offset;
    current = found;
  }
  runs.push({ start, lenBytes: block.length - start, isZero: current === true });
  return runs;
}

/** Asked of the runtime, which compares many bytes at once; data mostly shows in the first one. */
function isZero(block: Buffer, start: number, end: number): boolean {
  if (block[start] !== 0) return false;
  for (let offset = start; offset < end; offset += ZEROS.length) {
    const lenBytes = Math.min(ZEROS.length, end - offset);
    if (block.compare(ZEROS, 0, lenBytes, offset, offset + lenBytes) !== 0) return false;
  }
  return true;
}
