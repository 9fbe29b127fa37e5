// A disc that answers and moves nothing: what the protocol alone can do.

import { BlkStatus, Feature, SECTOR_BYTES } from "../abi/layout.js";
import { BlockptError } from "../errors.js";
import { checkDiscSize, type Disc, type NullDiscHandle } from "./disc.js";

/**
 * A disc of any size that answers every request at once and moves no byte: a read leaves its
 * buffer as it was, a write goes nowhere. For measuring what is around a disc, as `null_blk` is.
 *
 * @example
 * ```ts
 * import { NullDisc } from "blockpt";
 *
 * const disc = NullDisc.create(1024 ** 4);
 * console.log(disc.sizeBytes); // 1099511627776
 * ```
 */
export class NullDisc implements Disc {
  readonly sizeBytes: number;
  readonly readOnly = false;
  readonly logicalBlockBytes = SECTOR_BYTES;
  readonly asynchronous = false;
  readonly features = Feature.FLUSH | Feature.FUA | Feature.DISCARD | Feature.WRITE_ZEROES;
  readonly busRange = undefined;

  private constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  /**
   * Makes a disc.
   *
   * @param sizeBytes - a multiple of 512
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` for another size
   */
  static create(sizeBytes: number): NullDisc {
    checkDiscSize("a null disc", sizeBytes);
    return new NullDisc(sizeBytes);
  }

  get handle(): NullDiscHandle {
    return { kind: "null", sizeBytes: this.sizeBytes };
  }

  isOn(): boolean {
    return true;
  }

  readBytes(lenBytes: number): Uint8Array {
    return new Uint8Array(lenBytes);
  }

  readInto(): number {
    return BlkStatus.OK;
  }

  writeFrom(): number {
    return BlkStatus.OK;
  }

  flush(): number {
    return BlkStatus.OK;
  }

  writeZeroes(): number {
    return BlkStatus.OK;
  }

  /** A null disc keeps the size that it was made with. */
  resize(sizeBytes: number = this.sizeBytes): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", "a null disc keeps its size");
  }

  close(): void {
    // It holds nothing.
  }
}
