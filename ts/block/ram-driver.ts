// The simplest driver: a disk in an array, each request done as it is handed over.

import { BlkStatus, Feature, Operation, SECTOR_BYTES } from "../abi/layout.js";
import type { Operations } from "./operations.js";
import type { Request, Segment } from "./request.js";

/** A driver of the block layer whose disk is memory of this thread: see the example of `GenDisk`. */
export class RamDriver implements Operations {
  /** What it does besides reads and writes: bits of `Feature`. */
  static readonly features = Feature.FLUSH | Feature.FUA | Feature.DISCARD | Feature.WRITE_ZEROES;
  /** Every byte of the disk. */
  readonly bytes: Uint8Array;

  /** @param sizeBytes - a multiple of 512 */
  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  queueRq(request: Request, _isLast: boolean): number {
    let position = request.startSector * SECTOR_BYTES;
    const { opf } = request;
    if (opf === Operation.DISCARD || opf === Operation.WRITE_ZEROES) {
      this.bytes.fill(0, position, position + request.lenBytes);
    } else if (opf !== Operation.FLUSH) {
      for (let index = 0; index < request.segmentCount; index++) {
        const { bio, offset, length } = request.segments[index] as Segment;
        // Shorter than it was, if its memory was transferred or resized meanwhile.
        if (bio.buffer === undefined || bio.buffer.length < offset + length) return BlkStatus.INVAL;
        const data = bio.buffer.subarray(offset, offset + length);
        if (opf === Operation.WRITE) this.bytes.set(data, position);
        else data.set(this.bytes.subarray(position, position + length));
        position += length;
      }
    }
    request.complete(BlkStatus.OK);
    return BlkStatus.OK;
  }

  commitRqs(): void {
    // Nothing waits: each request was done as it came.
  }

  complete(): void {
    // Nothing was taken for it.
  }

  timeout(): boolean {
    return true;
  }

  poll(): number {
    return 0;
  }
}
