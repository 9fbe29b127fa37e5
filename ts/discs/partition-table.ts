// Finds a partition in a disc's table. Loaded when a partition is opened, as this and the two files
// it stands on hold the parsers `gpt` and `mbr`.
//
// Whatever is on the disc is untrusted: an entry that makes no sense is kept with what is wrong with
// it, so that the others can be used, and so that who asks for it hears why he does not get it.

import { BlockptError } from "../errors.js";
import type { Disc } from "./disc.js";
import { readGpt } from "./gpt-table.js";
import { hasProtectiveEntry, readMbr } from "./mbr-table.js";
import type { Partition, PartitionTable } from "./partition.js";

/**
 * The partition of a number or a UUID, inside the disc.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_PARTITION`, and as `readBytes` does
 */
export async function findPartition(disc: Disc, which: number | string): Promise<Partition> {
  const table = await readTable(disc);
  const partition =
    typeof which === "number"
      ? table.partitions.find(({ number }) => number === which)
      : table.partitions.find(({ uuid }) => uuid === which.toLowerCase());
  if (partition === undefined) {
    throw refusal(`the disc has no partition ${which}: ${contentsOf(table, typeof which)}`);
  }
  if (partition.fault === undefined) return partition;
  throw refusal(`partition ${which} ${partition.fault}: ${contentsOf(table, typeof which)}`);
}

async function readTable(disc: Disc): Promise<PartitionTable> {
  const mbr = await readMbr(disc);
  if (typeof mbr === "string") throw refusal(`the disc has no partition table: ${mbr}`);
  // Linux, too, takes a hybrid of both for a GPT.
  if (!hasProtectiveEntry(mbr)) return mbr;
  const complaints: string[] = [];
  for (const blockBytes of new Set([disc.logicalBlockBytes, 512, 4096])) {
    const gpt = await readGpt(disc, blockBytes);
    if (typeof gpt !== "string") return gpt;
    complaints.push(`with blocks of ${blockBytes} bytes ${gpt}`);
  }
  throw refusal(`the disc's MBR says that it has a GPT, but ${complaints.join("; ")}`);
}

/** Which partitions there are, in words. */
function contentsOf({ kind, partitions, complaint }: PartitionTable, asked: string): string {
  const names = partitions
    .filter(({ fault }) => fault === undefined)
    .map(({ number, uuid }) => (asked === "number" ? `${number}` : `${number} (${uuid})`));
  const those = names.length === 0 ? "none that can be a disc" : names.join(", ");
  return `its ${kind} has ${those}${complaint === undefined ? "" : `; ${complaint}`}`;
}

function refusal(why: string): BlockptError {
  return new BlockptError("ERR_BLOCKPT_PARTITION", why);
}
