// A disc in the bus's endpoint memory: engines serve it without leaving their code.

import { BlkStatus } from "../abi/layout.js";
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
  readonly busRange: BusRange;
  readonly #bus: Bus;
  #closed = false;

  private constructor(bus: Bus, busRange: BusRange, readOnly: boolean) {
    this.#bus = bus;
    this.busRange = busRange;
    this.readOnly = readOnly;
  }

  /**
   * Makes a disc.
   *
   * @param sizeBytes - a multiple of 512, at least 512
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` for another size;
   * `ERR_BLOCKPT_NO_SPACE` if endpoint memory has no room for it
   */
  static create(
    bus: Bus,
    sizeBytes: number,
    options: { readOnly?: boolean | undefined } = {},
  ): MemoryDisc {
    checkDiscSize("a memory disc", sizeBytes);
    const offset = bus.endpointPages.claim(sizeBytes);
    if (offset === undefined) {
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `endpoint memory has no room for a disc of ${sizeBytes} bytes, ` +
          `but for one of ${bus.endpointPages.longestFree()}: raise createBus's endpointMemoryBytes`,
      );
    }
    return new MemoryDisc(bus, { offset, length: sizeBytes }, options.readOnly ?? false);
  }

  /** @internal */
  static open(bus: Bus, handle: MemoryDiscHandle): MemoryDisc {
    return new MemoryDisc(bus, handle.range, handle.readOnly);
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

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    bus.engine.copy(address, this.busRange.offset + offsetBytes, lenBytes);
    return BlkStatus.OK;
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    bus.engine.copy(this.busRange.offset + offsetBytes, address, lenBytes);
    return BlkStatus.OK;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Free pages of endpoint memory are zero: a new disc costs nothing before it is written.
    this.#bus.engine.fill(this.busRange.offset, 0, this.busRange.length);
    this.#bus.endpointPages.release(this.busRange.offset);
  }
}
