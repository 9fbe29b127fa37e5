// Partition tables as sfdisk and fdisk (util-linux 2.38.1) made them: what is not zero of an image.

import { crc32 } from "node:zlib";
import { BlockptError, type Bus, MemoryDisc, PartitionDisc } from "blockpt";

/** An image, and the bytes of its table's blocks. */
export interface Image {
  readonly bytes: Buffer;
  readonly blockBytes: number;
}

/** A partition as it should be found: in bytes. */
export interface Expected {
  readonly number: number;
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly uuid: string;
}

const PROTECTIVE_MBR = (lastBlock: string): string =>
  `000200eeffffff01000000${lastBlock}${"00".repeat(48)}55aa`;
const LINUX = "af3dc60f838472478e793d69d8477de4";

/**
 * Slots 1, 3 and 4 of a GPT on 1 MiB:
 *
 *     label: gpt
 *     label-id: 11111111-2222-3333-4444-555555555555
 *     1 : start=64, size=100, type=L, uuid=AAAAAAAA-0000-4000-8000-000000000001
 *     3 : start=200, size=1, type=L, uuid=AAAAAAAA-0000-4000-8000-000000000003
 *     4 : start=256, size=1024, type=L, uuid=AAAAAAAA-0000-4000-8000-000000000004
 */
export function gptImage(): Image {
  const slots = {
    0: `${LINUX}aaaaaaaa0000004080000000000000014000000000000000a3`,
    256: `${LINUX}aaaaaaaa000000408000000000000003c800000000000000c8`,
    384: `${LINUX}aaaaaaaa0000004080000000000000040001000000000000ff04`,
  };
  const guid = "11111111222233334444555555555555";
  const usable = "2200000000000000de07000000000000";
  const table = "80000000800000003f734a63";
  return image(1024 * 1024, 512, {
    447: PROTECTIVE_MBR("ff070000"),
    512: `4546492050415254000001005c000000f9ced3fa000000000100000000000000ff07000000000000${usable}${guid}0200000000000000${table}`,
    ...moved(slots, 1024),
    ...moved(slots, 1031680),
    1048064: `4546492050415254000001005c000000f2e0a14900000000ff070000000000000100000000000000${usable}${guid}df07000000000000${table}`,
  });
}

export const GPT_PARTITIONS: readonly Expected[] = [
  [1, 64, 100],
  [3, 200, 1],
  [4, 256, 1024],
].map(([number = 0, start = 0, size = 0]) => ({
  number,
  startBytes: start * 512,
  sizeBytes: size * 512,
  uuid: `aaaaaaaa-0000-4000-8000-00000000000${number}`,
}));

/** Slot 2 of a GPT on 2 MiB, blocks 16 to 47 of 4096 bytes; by `fdisk -b 4096`. */
export function gpt4kImage(): Image {
  const slot = {
    128: `${LINUX}bbbbbbbb00000040800000000000000210000000000000002f`,
  };
  const guid = "11111111222233334444555555555556";
  const usable = "0600000000000000fa01000000000000";
  const table = "8000000080000000f67dc33f";
  return image(2 * 1024 * 1024, 4096, {
    447: PROTECTIVE_MBR("ff010000"),
    4096: `4546492050415254000001005c0000002d630d28000000000100000000000000ff01000000000000${usable}${guid}0200000000000000${table}`,
    ...moved(slot, 8192),
    ...moved(slot, 2076672),
    2093056: `4546492050415254000001005c00000052b20d6700000000ff010000000000000100000000000000${usable}${guid}fb01000000000000${table}`,
  });
}

export const GPT_4K_PARTITION: Expected = {
  number: 2,
  startBytes: 16 * 4096,
  sizeBytes: 32 * 4096,
  uuid: "bbbbbbbb-0000-4000-8000-000000000002",
};

/**
 * Slots 1, 3 (extended) and 4 of an MBR on 1 MiB, and three logical partitions:
 *
 *     label: dos
 *     label-id: 0xC0DEC402
 *     1 : start=64, size=100, type=83
 *     3 : start=256, size=1024, type=5
 *     4 : start=1500, size=100, type=83
 *     5 : start=260, size=100, type=83
 *     6 : start=400, size=200, type=83
 *     7 : start=700, size=10, type=83
 */
export function mbrImage(): Image {
  return image(1024 * 1024, 512, {
    440: "02c4dec0",
    447: "01020083022600400000006400000000000000000000000000000000000000000405000514140000010000000400000017340083191900dc05000064000000",
    510: "55aa",
    131519: "04090083052d00040000006400000000061600050921008f000000c9",
    131582: "55aa",
    204735: "0617008309210001000000c8000000000b0700050b1100bb0100000b",
    204798: "55aa",
    358335: "0b0800830b1100010000000a",
    358398: "55aa",
  });
}

export const MBR_PARTITIONS: readonly Expected[] = [
  [1, 64, 100],
  [4, 1500, 100],
  [5, 260, 100],
  [6, 400, 200],
  [7, 700, 10],
].map(([number = 0, start = 0, size = 0]) => ({
  number,
  startBytes: start * 512,
  sizeBytes: size * 512,
  uuid: `c0dec402-0${number}`,
}));

/** Makes both checksums of a GPT's copy right again: its header is in that block. */
export function reseal({ bytes, blockBytes }: Image, headerBlock: number): void {
  const header = bytes.subarray(headerBlock * blockBytes, (headerBlock + 1) * blockBytes);
  if (header.toString("latin1", 0, 8) !== "EFI PART") return;
  const at = Number(header.readBigUInt64LE(72)) * blockBytes;
  const tableBytes = header.readUInt32LE(80) * header.readUInt32LE(84);
  // What is no table has no checksum to be right.
  if (at + tableBytes <= bytes.length) {
    header.writeUInt32LE(crc32(bytes.subarray(at, at + tableBytes)), 88);
  }
  const headerBytes = Math.min(header.readUInt32LE(12), blockBytes);
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(crc32(header.subarray(0, headerBytes)), 16);
}

/** A memory disc with those bytes. */
export function discOf(
  bus: Bus,
  { bytes }: Pick<Image, "bytes">,
  options: { logicalBlockBytes?: number; readOnly?: boolean } = {},
): MemoryDisc {
  const disc = MemoryDisc.create(bus, bytes.length, options);
  new Uint8Array(bus.buffer, disc.busRange.offset, bytes.length).set(bytes);
  return disc;
}

/** What opening a partition is refused with; fails if it is not. */
export async function refusalOf(
  disc: MemoryDisc,
  partition: number | string,
): Promise<BlockptError> {
  const result = await PartitionDisc.open(disc, partition).catch((error: unknown) => error);
  if (result instanceof BlockptError) return result;
  throw new Error(`it was not refused with a BlockptError: ${String(result)}`);
}

function image(
  sizeBytes: number,
  blockBytes: number,
  parts: Readonly<Record<number, string>>,
): Image {
  const bytes = Buffer.alloc(sizeBytes);
  for (const [at, part] of Object.entries(parts)) bytes.write(part, Number(at), "hex");
  return { bytes, blockBytes };
}

function moved(parts: Readonly<Record<number, string>>, byBytes: number): Record<number, string> {
  return Object.fromEntries(
    Object.entries(parts).map(([at, part]) => [Number(at) + byBytes, part]),
  );
}
