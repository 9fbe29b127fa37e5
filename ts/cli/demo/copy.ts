// Copies a remote disk into a file: several reads in flight, taken in order, hashed
// on the way.

import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import type { RemoteDisk } from "blockpt";

export interface CopyResult {
  readonly bytes: number;
  readonly seconds: number;
  /** Of the bytes as they were read. */
  readonly sha256: string;
}

/** The largest request of the protocol. */
const REQUEST_BYTES = 1024 * 1024;
/** One is written while the endpoint works on the others. */
const IN_FLIGHT = 4;
const TELL_EVERY_MS = 25;

/** A read that was begun. */
interface Piece {
  readonly target: Uint8Array;
  readonly offset: number;
  readonly done: Promise<void>;
}

export async function copyDisk(
  disk: RemoteDisk,
  path: string,
  onProgress: (copiedBytes: number) => void,
): Promise<CopyResult> {
  const file = openSync(path, "w");
  const buffers = Array.from({ length: IN_FLIGHT }, () => disk.allocate(REQUEST_BYTES));
  try {
    const hash = createHash("sha256");
    const startedAt = performance.now();
    let toldAt = startedAt;
    for await (const { target, offset } of readInOrder(disk, buffers)) {
      hash.update(target);
      writeFully(file, target, offset);
      const now = performance.now();
      if (now - toldAt > TELL_EVERY_MS) {
        toldAt = now;
        onProgress(offset + target.length);
      }
    }
    const seconds = (performance.now() - startedAt) / 1000;
    onProgress(disk.sizeBytes);
    return { bytes: disk.sizeBytes, seconds, sha256: hash.digest("hex") };
  } finally {
    for (const buffer of buffers) disk.free(buffer);
    closeSync(file);
  }
}

/** The whole disk, piece by piece; a piece's buffer is used again once the next one is asked for. */
async function* readInOrder(
  disk: RemoteDisk,
  buffers: readonly Uint8Array[],
): AsyncGenerator<Piece> {
  const begun: Piece[] = [];
  let next = 0;
  const begin = (buffer: Uint8Array): void => {
    if (next >= disk.sizeBytes) return;
    const target = buffer.subarray(0, Math.min(buffer.length, disk.sizeBytes - next));
    const done = disk.read(target, next);
    // Awaited below, when its turn comes; one that fails earlier has a handler until then.
    done.catch(() => undefined);
    begun.push({ target, offset: next, done });
    next += target.length;
  };
  try {
    for (const buffer of buffers) begin(buffer);
    for (let piece = begun.shift(); piece !== undefined; piece = begun.shift()) {
      await piece.done;
      yield piece;
      begin(piece.target);
    }
  } finally {
    // The buffers are the device's until then.
    await Promise.allSettled(begun.map(({ done }) => done));
  }
}

function writeFully(file: number, bytes: Uint8Array, offset: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(file, bytes, written, bytes.length - written, offset + written);
  }
}
