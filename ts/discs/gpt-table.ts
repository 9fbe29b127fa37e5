// The GUID partition table, checked as Linux checks it (block/partitions/efi.c) and a little more.

import crc32 from "cyclic-32";
import GPT from "gpt";
import type { Disc } from "./disc.js";
import { type Partition, type PartitionTable, rangeFault, readBuffer } from "./partition.js";

/** An entry has 128 bytes, times a power of two; nobody has been seen to make larger ones. */
const MAX_ENTRY_BYTES = 4096;
/** Most bytes of all entries: 64 times what everybody makes. */
const MAX_TABLE_BYTES = 1024 * 1024;

/**
 * The GPT of a disc whose blocks have so many bytes, or why there is none. If the one at the start is
 * damaged that at the end is taken.
 */
export async function readGpt(disc: Disc, blockBytes: number): Promise<PartitionTable | string> {
  const numBlocks = BigInt(Math.floor(disc.sizeBytes / blockBytes));
  if (numBlocks < 3n) return "the disc is too short for one";
  const primary = await readCopy(disc, blockBytes, numBlocks, 1n);
  if (typeof primary !== "string") return primary;
  const backup = await readCopy(disc, blockBytes, numBlocks, numBlocks - 1n);
  return typeof backup === "string" ? `${primary}, and at the disc's end ${backup}` : backup;
}

/** The copy whose header is in block `lba`. */
async function readCopy(
  disc: Disc,
  blockBytes: number,
  numBlocks: bigint,
  lba: bigint,
): Promise<PartitionTable | string> {
  const sector = await readBuffer(disc, blockBytes, Number(lba) * blockBytes);
  if (sector.toString("latin1", 0, 8) !== GPT.SIGNATURE) return "there is no GPT's signature";
  const header = new GPT().parseHeader(sector);
  const complaint = headerComplaint(header, sector, blockBytes, numBlocks, lba);
  if (complaint !== undefined) return complaint;
  const tableBytes = header.entries * header.entrySize;
  const wholeBlocks = Math.ceil(tableBytes / blockBytes) * blockBytes;
  const at = Number(header.tableOffset) * blockBytes;
  const entries = (await readBuffer(disc, wholeBlocks, at)).subarray(0, tableBytes);
  // Not `checksumTable` of `gpt`: that sums up 16 KiB even where the header says less.
  if (crc32(entries) >>> 0 !== header.tableChecksum)
    return "the checksum of the GPT's entries is wrong";
  const partitions: Partition[] = [];
  for (let slot = 0; slot < header.entries; slot++) {
    const entry = GPT.PartitionEntry.parse(entries, slot * header.entrySize);
    if (!entry.isEmpty()) partitions.push(partitionOf(disc, blockBytes, header, entry, slot + 1));
  }
  return { kind: "GPT", partitions, complaint: undefined };
}

/** What is wrong with a header. Without that its entries are inside the disc, and so is what they may take. */
function headerComplaint(
  header: GPT,
  sector: Buffer,
  blockBytes: number,
  numBlocks: bigint,
  lba: bigint,
): string | undefined {
  const { headerSize, entries, entrySize, firstLBA, lastLBA, tableOffset } = header;
  if (headerSize < GPT.HEADER_SIZE || headerSize > blockBytes) {
    return `the GPT's header has ${headerSize} bytes`;
  }
  if (header.checksumHeader(sector.subarray(0, headerSize)) !== header.headerChecksum) {
    return "the checksum of the GPT's header is wrong";
  }
  if (header.currentLBA !== lba) return `the GPT's header is of block ${header.currentLBA}`;
  if (firstLBA > lastLBA || lastLBA >= numBlocks) {
    return `the GPT is for blocks ${firstLBA} to ${lastLBA}, and the disc has ${numBlocks}`;
  }
  const isPowerOfTwo = (entrySize & (entrySize - 1)) === 0;
  if (entrySize < GPT.TABLE_ENTRY_SIZE || entrySize > MAX_ENTRY_BYTES || !isPowerOfTwo) {
    return `the GPT's entries have ${entrySize} bytes each`;
  }
  // 2^32 entries of 4096 bytes are 2^44.
  const tableBytes = entries * entrySize;
  if (entries === 0 || tableBytes > MAX_TABLE_BYTES) return `the GPT has ${entries} entries`;
  if (tableOffset > numBlocks - BigInt(Math.ceil(tableBytes / blockBytes))) {
    return `the GPT's entries are in block ${tableOffset}, and the disc has ${numBlocks}`;
  }
  return undefined;
}

function partitionOf(
  disc: Disc,
  blockBytes: number,
  header: GPT,
  entry: GPT.PartitionEntry,
  number: number,
): Partition {
  const { firstLBA, lastLBA } = entry;
  const uuid = entry.guid.toLowerCase();
  const blocks = `blocks ${firstLBA} to ${lastLBA}`;
  const fault =
    firstLBA > lastLBA
      ? `has ${blocks}, and so ends before it starts`
      : firstLBA < header.firstLBA || lastLBA > header.lastLBA
        ? `has ${blocks}, outside of the GPT's ${header.firstLBA} to ${header.lastLBA}`
        : undefined;
  if (fault !== undefined) return { number, uuid, startBytes: 0, sizeBytes: 0, fault };
  // From here on the blocks are the disc's, and their bytes safe integers.
  const startBytes = Number(firstLBA) * blockBytes;
  const sizeBytes = Number(lastLBA - firstLBA + 1n) * blockBytes;
  return { number, uuid, startBytes, sizeBytes, fault: rangeFault(disc, startBytes, sizeBytes) };
}
