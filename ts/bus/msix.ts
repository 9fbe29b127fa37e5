// MSI-X: a table in the BAR of addresses to write and what to write there, and a
// pending bit for each vector (protocol, section 2; PCI, section "MSI-X").
//
//   entry   0  u32 address, low     4  u32 address, high
//           8  u32 data            12  u32 vector control, bit 0 masks
//
// The root complex programs, masks and unmasks; the endpoint raises. An interrupt
// is a write of the data to the address in host memory, and a notify on that word.
// A masked vector gets its pending bit set instead, and is sent once unmasked.
//
// Neither side may miss the other: the endpoint sets the pending bit and then looks
// at the mask again; the root complex clears the mask and then looks at the pending
// bit. All four are sequentially consistent, so at least one sees the other's, and
// the exchange on the bit lets exactly one send.
//
// crates/model/src/msix.rs is this under a model checker: change both.

import { MSIX_ENTRY_BYTES } from "../abi/layout.js";
import { roundUp } from "../abi/queue-layout.js";
import type { BusRange } from "../engine/engine.js";
import { assert } from "../errors.js";
import type { ConfigSpace, MsixLocation } from "./config-space.js";
import type { Iommu } from "./iommu.js";

const ENTRY_WORDS = MSIX_ENTRY_BYTES / 4;
const EntryWord = { addressLow: 0, addressHigh: 1, data: 2, control: 3 } as const;
const CONTROL_MASKED = 1;

/** What the table and the pending bits say of a vector; any of it the root complex may have written. */
export interface MsixEntry {
  /** The bus address that it writes to; beyond 2^53 it is rounded. */
  address: number;
  /** What it writes there, 0 to 2^32 − 1. */
  data: number;
  /** Whether it is masked. */
  masked: boolean;
  /** Whether it was raised while it was masked, and not sent since. */
  pending: boolean;
}

/** The function's MSI-X vectors, `bus.msix`. Vectors count from 0 here. */
export class Msix {
  readonly #words: Int32Array;
  readonly #configSpace: ConfigSpace;
  readonly #hostMemory: BusRange;
  readonly #iommu: Iommu | undefined;
  #vectors = 0;
  #table = 0;
  #pending = 0;

  constructor(
    buffer: SharedArrayBuffer,
    configSpace: ConfigSpace,
    hostMemory: BusRange,
    iommu: Iommu | undefined,
  ) {
    this.#words = new Int32Array(buffer);
    this.#configSpace = configSpace;
    this.#hostMemory = hostMemory;
    this.#iommu = iommu;
  }

  /** Bytes of the table and of the pending bits (protocol, section 2). */
  static bytes(vectors: number): { table: number; pending: number } {
    return { table: vectors * MSIX_ENTRY_BYTES, pending: roundUp(Math.ceil(vectors / 8), 8) };
  }

  /** Says where the table and the pending bits are; whoever calls checked that they are in the BAR. */
  locate(location: MsixLocation, barAddress: number): void {
    this.#vectors = location.vectors;
    this.#table = (barAddress + location.tableOffset) / 4;
    this.#pending = (barAddress + location.pendingOffset) / 4;
  }

  /** As after a reset: every vector masked, none pending. */
  reset(): void {
    const words = Msix.bytes(this.#vectors);
    this.#words.fill(0, this.#table, this.#table + words.table / 4);
    this.#words.fill(0, this.#pending, this.#pending + words.pending / 4);
    for (let vector = 0; vector < this.#vectors; vector++) {
      Atomics.store(this.#words, this.#control(vector), CONTROL_MASKED);
    }
  }

  /** How many vectors there are; they count from 0 here, from 1 in the `irq` register. */
  get vectors(): number {
    return this.#vectors;
  }

  /** Root complex: what a vector writes where. The vector stays masked or not. */
  program(vector: number, address: number, data: number): void {
    const entry = this.#entry(vector);
    this.#words[entry + EntryWord.addressLow] = address;
    this.#words[entry + EntryWord.addressHigh] = 0;
    this.#words[entry + EntryWord.data] = data;
  }

  /** Root complex: masks a vector. */
  mask(vector: number): void {
    Atomics.store(this.#words, this.#control(vector), CONTROL_MASKED);
  }

  /** Root complex: unmasks a vector, and sends it if it is pending. */
  unmask(vector: number): void {
    Atomics.store(this.#words, this.#control(vector), 0);
    this.sendPending(vector);
  }

  /** Endpoint: raises a vector; one that is not there is dropped. */
  raise(vector: number): void {
    if (vector < 0 || vector >= this.#vectors) return;
    if (this.#maySend(vector)) {
      this.#send(vector);
      return;
    }
    const word = this.#pending + (vector >>> 5);
    const bit = 1 << (vector & 31);
    // One that is pending is sent when it is unmasked, which is still to come.
    if ((Atomics.load(this.#words, word) & bit) !== 0) return;
    Atomics.or(this.#words, word, bit);
    this.sendPending(vector);
  }

  /** Sends a vector that is pending and no longer masked. */
  sendPending(vector: number): void {
    if (vector < 0 || vector >= this.#vectors || !this.#maySend(vector)) return;
    const word = this.#pending + (vector >>> 5);
    const bit = 1 << (vector & 31);
    if ((Atomics.load(this.#words, word) & bit) === 0) return;
    if ((Atomics.and(this.#words, word, ~bit) & bit) !== 0) this.#send(vector);
  }

  /** Whether a vector's pending bit is set. */
  isPending(vector: number): boolean {
    const bits = Atomics.load(this.#words, this.#pending + (vector >>> 5));
    return (bits & (1 << (vector & 31))) !== 0;
  }

  /** What a vector's entry and pending bit say. */
  read(vector: number): MsixEntry {
    const entry = this.#entry(vector);
    const word = (index: number): number => Atomics.load(this.#words, entry + index) >>> 0;
    return {
      address: word(EntryWord.addressHigh) * 2 ** 32 + word(EntryWord.addressLow),
      data: word(EntryWord.data),
      masked: (word(EntryWord.control) & CONTROL_MASKED) !== 0,
      pending: this.isPending(vector),
    };
  }

  #maySend(vector: number): boolean {
    const control = Atomics.load(this.#words, this.#control(vector));
    return (control & CONTROL_MASKED) === 0 && this.#configSpace.msixMaySend;
  }

  /** Writes and notifies; an entry that points elsewhere than into reachable host memory is dropped. */
  #send(vector: number): void {
    const entry = this.#entry(vector);
    const words = this.#words;
    const address = (words[entry + EntryWord.addressLow] as number) >>> 0;
    const high = words[entry + EntryWord.addressHigh];
    const data = words[entry + EntryWord.data] as number;
    const offset = address - this.#hostMemory.offset;
    if (high !== 0 || address % 4 !== 0) return;
    if (offset < 0 || offset > this.#hostMemory.length - 4) return;
    if (this.#iommu !== undefined && !this.#iommu.isMapped(address, 4)) return;
    Atomics.store(words, address / 4, data);
    Atomics.notify(words, address / 4);
  }

  #entry(vector: number): number {
    assert(vector >= 0 && vector < this.#vectors, `no MSI-X vector ${vector}`);
    return this.#table + vector * ENTRY_WORDS;
  }

  #control(vector: number): number {
    return this.#entry(vector) + EntryWord.control;
  }
}
