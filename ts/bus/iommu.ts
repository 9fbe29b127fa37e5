// The IOMMU: which pages of host memory the endpoint reaches. One counter a page,
// which engines check at each DMA (crates/core/src/dma.rs); the root complex counts
// up before it publishes a descriptor and down after it took the completion.

import type { BusRange } from "../engine/engine.js";
import { HOST_PAGE_BYTES } from "../engine/records.js";
import { BlockptError, checkInteger } from "../errors.js";

/** The IOMMU of a bus that has one, `bus.iommu`. Addresses and lengths are bytes; pages have 4096. */
export class Iommu {
  readonly #table: Int32Array;
  readonly #hostMemory: BusRange;

  constructor(buffer: SharedArrayBuffer, tableOffset: number, hostMemory: BusRange) {
    this.#table = new Int32Array(buffer, tableOffset, hostMemory.length / HOST_PAGE_BYTES);
    this.#hostMemory = hostMemory;
  }

  /**
   * Lets the endpoint reach the pages of a range of host memory. Mappings of a page add up.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` outside host memory
   */
  map(address: number, lenBytes: number): void {
    this.#count(address, lenBytes, 1);
  }

  /**
   * Takes one mapping of the pages of a range back.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` outside host memory, or for a page that was not mapped
   */
  unmap(address: number, lenBytes: number): void {
    this.#count(address, lenBytes, -1);
  }

  /** @internal Takes every mapping of a page back: whoever had it is no more. */
  unmapAll(address: number): void {
    const [page] = this.#pages(address, HOST_PAGE_BYTES);
    Atomics.store(this.#table, page, 0);
  }

  /** Whether the endpoint reaches every byte of a range. */
  isMapped(address: number, lenBytes: number): boolean {
    const [first, end] = this.#pages(address, lenBytes);
    for (let page = first; page < end; page++) {
      if (Atomics.load(this.#table, page) === 0) return false;
    }
    return true;
  }

  #count(address: number, lenBytes: number, change: number): void {
    const [first, end] = this.#pages(address, lenBytes);
    for (let page = first; page < end; page++) {
      if (Atomics.add(this.#table, page, change) + change >= 0) continue;
      Atomics.sub(this.#table, page, change);
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", `page ${page} was not mapped`);
    }
  }

  #pages(address: number, lenBytes: number): [number, number] {
    const offset = address - this.#hostMemory.offset;
    checkInteger("lenBytes", lenBytes, 0, this.#hostMemory.length);
    checkInteger("offset in host memory", offset, 0, this.#hostMemory.length - lenBytes);
    const first = Math.floor(offset / HOST_PAGE_BYTES);
    return [first, Math.ceil((offset + lenBytes) / HOST_PAGE_BYTES)];
  }
}
