// A disc in the bus's endpoint memory: engines serve it without leaving their code.

import { BlkStatus, Feature, SECTOR_BYTES } from "../abi/layout.js";
import { checkLogicalBlock } from "../abi/logical-block.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import { checkDiscSize, type Disc, type MemoryDiscHandle } from "./disc.js";

/**
 * A disc of zeros in the bus's endpoint memory. What was written to it is gone
 * when it is closed.
 *
 * @example
 * ```ts
 * import { createBus, MemoryDisc } from "blockpt";
 *
 * const bus = await createBus();
 * const disc = MemoryDisc.create(bus, 1024 * 1024);
 * console.log(disc.sizeBytes); // 1048576
 * ```
 */
export class MemoryDisc implements Disc {
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  readonly asynchronous = false;
  readonly features = Feature.FLUSH | Feature.FUA | Feature.DISCARD | Feature.WRITE_ZEROES;
  readonly busRange: BusRange;
  readonly #bus: Bus;
  #closed = false;

  private constructor(bus: Bus, busRange: BusRange, readOnly: boolean, logicalBlockBytes: number) {
    this.#bus = bus;
    this.busRange = busRange;
    this.readOnly = readOnly;
    this.logicalBlockBytes = logicalBlockBytes;
  }

  /**
   * Makes a disc.
   *
   * @param sizeBytes - a multiple of its blocks, at least one
   * @param options - `readOnly`: refuse writes; `logicalBlockBytes`: 512, or a larger power of two
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` for another size;
   * `ERR_BLOCKPT_NO_SPACE` if endpoint memory has no room for it
   */
  static create(
    bus: Bus,
    sizeBytes: number,
    options: { readOnly?: boolean | undefined; logicalBlockBytes?: number | undefined } = {},
  ): MemoryDisc {
    const { readOnly = false, logicalBlockBytes = SECTOR_BYTES } = options;
    checkLogicalBlock(logicalBlockBytes);
    checkDiscSize("a memory disc", sizeBytes, logicalBlockBytes);
    const offset = bus.endpointPages.claim(sizeBytes);
    if (offset === undefined) {
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `endpoint memory has no room for a disc of ${sizeBytes} bytes, ` +
          `but for one of ${bus.endpointPages.longestFree()}: raise createBus's endpointMemoryBytes`,
      );
    }
    return new MemoryDisc(bus, { offset, length: sizeBytes }, readOnly, logicalBlockBytes);
  }

  /** @internal */
  static open(bus: Bus, handle: MemoryDiscHandle): MemoryDisc {
    return new MemoryDisc(bus, handle.range, handle.readOnly, SECTOR_BYTES);
  }

  /** Whether the disc lies in that bus. */
  isOn(bus: Bus): boolean {
    return this.#bus.buffer === bus.buffer;
  }

  get sizeBytes(): number {
    return this.busRange.length;
  }

  get handle(): MemoryDiscHandle {
    return { kind: "memory", range: this.busRange, readOnly: this.readOnly };
  }

  readBytes(lenBytes: number, offsetBytes: number): Uint8Array {
    // A copy: what is in the bus may change under whoever checks it.
    return new Uint8Array(this.#bus.buffer, this.busRange.offset + offsetBytes, lenBytes).slice();
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    bus.engine.copy(address, this.busRange.offset + offsetBytes, lenBytes);
    return BlkStatus.OK;
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    bus.engine.copy(this.busRange.offset + offsetBytes, address, lenBytes);
    return BlkStatus.OK;
  }

  /** Nothing to do: memory is all the storage it has. */
  flush(): number {
    return BlkStatus.OK;
  }

  writeZeroes(lenBytes: number, offsetBytes: number): number {
    this.#bus.engine.fill(this.busRange.offset + offsetBytes, 0, lenBytes);
    return BlkStatus.OK;
  }

  /** A memory disc keeps the size that it was made with. */
  resize(sizeBytes: number = this.sizeBytes): void {
    if (sizeBytes === this.sizeBytes) return;
    throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", "a memory disc keeps its size");
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Free pages of endpoint memory are zero: a new disc costs nothing before it is written.
    this.#bus.engine.fill(this.busRange.offset, 0, this.busRange.length);
    this.#bus.endpointPages.release(this.busRange.offset);
  }
}
