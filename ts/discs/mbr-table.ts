// The partition table of a master boot record and its chain of logical partitions, read as Linux
// reads it (block/partitions/msdos.c).
//
// Block numbers have 32 bits here and blocks 2^16 bytes, so that sums of them are safe integers.

import MBR from "mbr";
import { SECTOR_BYTES } from "../abi/layout.js";
import type { Disc } from "./disc.js";
import { type Partition, type PartitionTable, rangeFault, readBuffer } from "./partition.js";

const SIGNATURE = 0xaa55;
const SIGNATURE_AT = 510;
const DISC_SIGNATURE_AT = 440;
const SLOTS = 4;
const SLOT_BYTES = 16;
/** The type of what stands for a GPT in an MBR. */
const PROTECTIVE = 0xee;
/** Extended partitions to Linux; `mbr` knows more, which would be numbered otherwise. */
const EXTENDED: readonly number[] = [0x05, 0x0f, 0x85];
const FIRST_LOGICAL = 5;
/** Linux's bound on the numbers of a disc's partitions. */
const MAX_NUMBER = 255;
/** Linux's bound on links of a chain in a row that lead to no partition. */
const MAX_BARREN_LINKS = 100;

/** An MBR, and which of its slots is for a GPT. */
interface MbrTable extends PartitionTable {
  readonly types: readonly number[];
}

/** A range of blocks. */
interface Extent {
  readonly first: number;
  readonly count: number;
}

/** Whether a GPT is what the disc's partitions are in. */
export function hasProtectiveEntry(table: MbrTable): boolean {
  return table.types.includes(PROTECTIVE);
}

/** The MBR of a disc, or why there is none. */
export async function readMbr(disc: Disc): Promise<MbrTable | string> {
  const sector = await readBuffer(disc, SECTOR_BYTES, 0);
  if (!isSigned(sector)) return "its first sector has no MBR's signature";
  const slots = slotsOf(sector);
  // A file system's boot sector has the same signature, and code where the table would be.
  if (slots.some(({ status }) => status !== 0 && status !== 0x80)) {
    return "its first sector is no MBR: the flags of its partitions make no sense";
  }
  const reader = new MbrReader(disc, sector.readUInt32LE(DISC_SIGNATURE_AT));
  await reader.addPrimaries(slots);
  const { partitions, complaint } = reader;
  return { kind: "MBR", partitions, complaint, types: slots.map(({ type }) => type) };
}

/** Gathers the partitions of one disc. */
class MbrReader {
  readonly partitions: Partition[] = [];
  complaint: string | undefined;
  readonly #disc: Disc;
  readonly #signature: string;
  #nextLogical = FIRST_LOGICAL;

  constructor(disc: Disc, signature: number) {
    this.#disc = disc;
    this.#signature = hex(signature, 8);
  }

  async addPrimaries(slots: readonly MBR.Partition[]): Promise<void> {
    const chains: Extent[] = [];
    for (const [index, slot] of slots.entries()) {
      if (slot.sectors === 0) continue;
      const extent = { first: slot.firstLBA, count: slot.sectors };
      if (isExtended(slot)) chains.push(extent);
      this.#add(
        index + 1,
        extent,
        isExtended(slot) ? "is an extended one, and no disc but a place for others" : undefined,
      );
    }
    for (const chain of chains) await this.#addChain(chain);
  }

  /** The logical partitions of an extended one. Links are relative to its start, and stay inside. */
  async #addChain(extended: Extent): Promise<void> {
    const seen = new Set<number>();
    let link: Extent | undefined = extended;
    let barren = 0;
    while (link !== undefined) {
      const complaint = !contains(extended, { first: link.first, count: 1 })
        ? "leaves its extended partition"
        : seen.has(link.first)
          ? "goes in a circle"
          : barren++ >= MAX_BARREN_LINKS
            ? "does not end"
            : undefined;
      seen.add(link.first);
      const sector: Buffer | string = complaint ?? (await this.#readLink(link.first));
      if (typeof sector === "string") {
        this.complaint = `the chain of its logical partitions ${sector}`;
        return;
      }
      const slots = slotsOf(sector);
      for (const [index, slot] of slots.entries()) {
        if (slot.sectors === 0 || isExtended(slot)) continue;
        const extent = { first: link.first + slot.firstLBA, count: slot.sectors };
        const isInside = contains(extended, extent);
        // The last two slots have no use, and are known to hold garbage.
        if (index >= 2 && !(isInside && contains(link, extent))) continue;
        if (this.#nextLogical > MAX_NUMBER) return;
        this.#add(
          this.#nextLogical++,
          extent,
          isInside ? undefined : "leaves the extended partition that it is in",
        );
        barren = 0;
      }
      link = slots
        .filter((slot) => slot.sectors !== 0 && isExtended(slot))
        .map((slot) => ({ first: extended.first + slot.firstLBA, count: slot.sectors }))[0];
    }
  }

  /** The sector at the start of a logical partition, or what is wrong with the chain. */
  async #readLink(block: number): Promise<Buffer | string> {
    const offsetBytes = block * this.#disc.logicalBlockBytes;
    if (SECTOR_BYTES > this.#disc.sizeBytes - offsetBytes) return "leaves the disc";
    const sector = await readBuffer(this.#disc, SECTOR_BYTES, offsetBytes);
    return isSigned(sector) ? sector : `has no signature in block ${block}`;
  }

  #add(number: number, { first, count }: Extent, fault: string | undefined): void {
    const startBytes = first * this.#disc.logicalBlockBytes;
    const sizeBytes = count * this.#disc.logicalBlockBytes;
    this.partitions.push({
      number,
      uuid: `${this.#signature}-${hex(number, 2)}`,
      startBytes,
      sizeBytes,
      fault: fault ?? rangeFault(this.#disc, startBytes, sizeBytes),
    });
  }
}

/** The slots one by one: parsing a whole MBR with `mbr` calls what Node has deprecated. */
function slotsOf(sector: Buffer): MBR.Partition[] {
  return Array.from({ length: SLOTS }, (_, index) => {
    const start = MBR.TABLE_OFFSET + index * SLOT_BYTES;
    return MBR.Partition.parse(sector, start, start + SLOT_BYTES);
  });
}

function isSigned(sector: Buffer): boolean {
  return sector.readUInt16LE(SIGNATURE_AT) === SIGNATURE;
}

function isExtended({ type }: MBR.Partition): boolean {
  return EXTENDED.includes(type);
}

function contains(outer: Extent, inner: Extent): boolean {
  return inner.first >= outer.first && inner.first + inner.count <= outer.first + outer.count;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
