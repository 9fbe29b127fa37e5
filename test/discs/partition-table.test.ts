// Partition tables, good ones and hostile ones, on images that sfdisk made.

import { type Bus, createBus, FileDisc, type MemoryDisc, PartitionDisc } from "blockpt";
import { beforeEach, describe, expect, test } from "vitest";
import { afterThisTest, makeImage } from "../api/rig.js";
import {
  discOf,
  type Expected,
  GPT_4K_PARTITION,
  GPT_PARTITIONS,
  gpt4kImage,
  gptImage,
  type Image,
  MBR_PARTITIONS,
  mbrImage,
  refusalOf,
  reseal,
} from "./tables.js";

const BLOCK = 512;
/** Where the copies of a GPT on 1 MiB are. */
const BACKUP_HEADER = 2047;
const PRIMARY_ENTRIES = 2 * BLOCK;
const ENTRY_BYTES = 128;
/** Fields of a GPT's header and of an entry. */
const FIRST_USABLE = 40;
const LAST_USABLE = 48;
const TABLE_AT = 72;
const ENTRIES = 80;
const ENTRY_SIZE = 84;
const FIRST = 32;
const LAST = 40;
const MAX_LBA = 2n ** 64n - 1n;

let bus: Bus;

beforeEach(async () => {
  bus = await createBus();
  afterThisTest(() => bus.close());
});

function place({ number, uuid, startBytes, sizeBytes }: PartitionDisc): unknown {
  return { number, uuid, startBytes, sizeBytes };
}

async function expectPartitions(disc: MemoryDisc, wanted: readonly Expected[]): Promise<void> {
  for (const expected of wanted) {
    const { number, uuid } = expected;
    for (const which of [number, uuid, uuid.toUpperCase()]) {
      expect(place(await PartitionDisc.open(disc, which)), `${which}`).toEqual(expected);
    }
  }
}

/** The image of a GPT of which something is changed in the copy at the start; the other copy is gone. */
function changedGpt(change: (header: Buffer, entries: Buffer) => void, sealed = true): Image {
  const image = gptImage();
  image.bytes.fill(0, BACKUP_HEADER * BLOCK);
  change(image.bytes.subarray(BLOCK, 2 * BLOCK), image.bytes.subarray(PRIMARY_ENTRIES));
  if (sealed) reseal(image, 1);
  return image;
}

async function messageOf(image: Image, partition: number | string = 1): Promise<string> {
  const error = await refusalOf(discOf(bus, image), partition);
  expect(error.code, error.message).toBe("ERR_BLOCKPT_PARTITION");
  return error.message;
}

describe("a table that makes sense", () => {
  test("is a GPT with gaps: the slots' numbers are the partitions'", async () => {
    const disc = discOf(bus, gptImage());
    await expectPartitions(disc, GPT_PARTITIONS);
    const byNumber = await refusalOf(disc, 2);
    expect(byNumber.code).toBe("ERR_BLOCKPT_PARTITION");
    expect(byNumber.message).toBe("the disc has no partition 2: its GPT has 1, 3, 4");
    const byUuid = await refusalOf(disc, "aaaaaaaa-0000-4000-8000-000000000002");
    expect(byUuid.message).toContain(`3 (${GPT_PARTITIONS[1]?.uuid})`);
  });

  test("is an MBR with logical partitions", async () => {
    const disc = discOf(bus, mbrImage());
    await expectPartitions(disc, MBR_PARTITIONS);
    expect((await refusalOf(disc, 2)).message).toMatch(
      /no partition 2: its MBR has 1, 4, 5, 6, 7$/,
    );
    expect((await refusalOf(disc, 3)).message).toMatch(/^partition 3 is an extended one/);
    expect((await refusalOf(disc, 8)).code).toBe("ERR_BLOCKPT_PARTITION");
  });

  test("is a GPT for blocks of 4096 bytes, in an image that does not say so", async () => {
    await expectPartitions(discOf(bus, gpt4kImage()), [GPT_4K_PARTITION]);
    await expectPartitions(discOf(bus, gpt4kImage(), { logicalBlockBytes: 4096 }), [
      GPT_4K_PARTITION,
    ]);
    const noPrimary = gpt4kImage();
    noPrimary.bytes.fill(0, 4096, 8192);
    await expectPartitions(discOf(bus, noPrimary), [GPT_4K_PARTITION]);
  });

  test("has an MBR's numbers in the disc's blocks", async () => {
    const image = mbrImage();
    image.bytes.writeUInt32LE(16, 446 + 8);
    image.bytes.writeUInt32LE(32, 446 + 12);
    const disc = await PartitionDisc.open(discOf(bus, image, { logicalBlockBytes: 4096 }), 1);
    expect([disc.startBytes, disc.sizeBytes]).toEqual([16 * 4096, 32 * 4096]);
    expect(disc.logicalBlockBytes).toBe(4096);
  });

  test("is read from a file as from memory", async () => {
    const file = await FileDisc.open(makeImage(gptImage().bytes), { readOnly: true });
    const disc = await PartitionDisc.open(file, 4);
    expect(place(disc)).toEqual(GPT_PARTITIONS[2]);
    disc.close();
  });

  test("is a GPT's if an MBR stands beside it", async () => {
    const image = gptImage();
    // A hybrid: the second slot for those who know no GPT.
    image.bytes.writeUInt8(0x83, 446 + 16 + 4);
    image.bytes.writeUInt32LE(256, 446 + 16 + 8);
    image.bytes.writeUInt32LE(1024, 446 + 16 + 12);
    await expectPartitions(discOf(bus, image), GPT_PARTITIONS);
    expect((await refusalOf(discOf(bus, image), 2)).message).toContain("its GPT has");
  });

  test("may have fewer entries than others have", async () => {
    // 4 entries of 256 bytes: less than the 16 KiB that the package `gpt` sums up.
    const image = changedGpt((header, entries) => {
      const slots = [0, 2, 3].map((slot) =>
        Buffer.from(entries.subarray(slot * 128, slot * 128 + 128)),
      );
      entries.fill(0, 0, 1024);
      for (const [index, slot] of slots.entries())
        slot.copy(entries, ([0, 2, 3][index] as number) * 256);
      header.writeUInt32LE(4, ENTRIES);
      header.writeUInt32LE(256, ENTRY_SIZE);
    });
    await expectPartitions(discOf(bus, image), GPT_PARTITIONS);
  });
});

describe("a damaged GPT", () => {
  test.each([
    ["header", BLOCK + 60],
    ["header's checksum", BLOCK + 16],
    ["signature", BLOCK],
    ["entries", PRIMARY_ENTRIES + 3],
    ["empty entries", PRIMARY_ENTRIES + 100 * ENTRY_BYTES],
  ])("is taken from the disc's end if its %s at the start is wrong", async (_what, at) => {
    const image = gptImage();
    image.bytes.writeUInt8(image.bytes.readUInt8(at) ^ 1, at);
    await expectPartitions(discOf(bus, image), GPT_PARTITIONS);
    // And it is the copy that was read, and nothing is made of both.
    image.bytes.writeUInt8(0, BACKUP_HEADER * BLOCK + 60);
    expect(await messageOf(image)).toMatch(
      /says that it has a GPT, but with blocks of 512 .* 4096/,
    );
  });

  test("is refused with both reasons if both copies are wrong", async () => {
    const image = gptImage();
    image.bytes.writeUInt8(1, BLOCK + 60);
    image.bytes.writeUInt8(1, BACKUP_HEADER * BLOCK - 1);
    const message = await messageOf(image);
    expect(message).toContain("the checksum of the GPT's header is wrong, and at the disc's end");
    expect(message).toContain("the checksum of the GPT's entries is wrong");
  });

  test("is refused if the disc was cut, as what it says of the disc is not true", async () => {
    const { bytes } = gptImage();
    const message = await messageOf({ bytes: bytes.subarray(0, 512 * 1024), blockBytes: 512 });
    expect(message).toContain("for blocks 34 to 2014, and the disc has 1024");
    for (const lenBytes of [512, 1024, 1536, 2048]) {
      await messageOf({ bytes: bytes.subarray(0, lenBytes), blockBytes: 512 });
    }
  });
});

describe("a GPT with right checksums", () => {
  test.each<[string, (header: Buffer) => void, RegExp]>([
    ["a header of 91 bytes", (header) => header.writeUInt32LE(91, 12), /header has 91 bytes/],
    ["a header of more than a block", (header) => header.writeUInt32LE(513, 12), /has 513 bytes/],
    ["another block's header", (header) => header.writeBigUInt64LE(2n, 24), /is of block 2/],
    ["no usable blocks", (header) => header.writeBigUInt64LE(2015n, FIRST_USABLE), /2015 to 2014/],
    [
      "usable blocks past the end",
      (header) => header.writeBigUInt64LE(2048n, LAST_USABLE),
      /to 2048/,
    ],
    [
      "usable blocks to 2^64-1",
      (header) => header.writeBigUInt64LE(MAX_LBA, LAST_USABLE),
      /to 1844/,
    ],
    ["entries of 0 bytes", (header) => header.writeUInt32LE(0, ENTRY_SIZE), /have 0 bytes each/],
    ["entries of 64 bytes", (header) => header.writeUInt32LE(64, ENTRY_SIZE), /have 64 bytes each/],
    ["entries of 384 bytes", (header) => header.writeUInt32LE(384, ENTRY_SIZE), /have 384 bytes/],
    ["entries of 2^31 bytes", (header) => header.writeUInt32LE(2 ** 31, ENTRY_SIZE), /2147483648/],
    [
      "entries of 2^32-1 bytes",
      (header) => header.writeUInt32LE(2 ** 32 - 1, ENTRY_SIZE),
      /42949672/,
    ],
    [
      "2^32-1 entries",
      (header) => header.writeUInt32LE(2 ** 32 - 1, ENTRIES),
      /has 4294967295 entr/,
    ],
    ["no entries", (header) => header.writeUInt32LE(0, ENTRIES), /has 0 entries/],
    ["entries at the end", (header) => header.writeBigUInt64LE(2017n, TABLE_AT), /in block 2017/],
    ["entries at 2^64-1", (header) => header.writeBigUInt64LE(MAX_LBA, TABLE_AT), /in block 18446/],
  ])("is refused for %s", async (_what, change, message) => {
    expect(await messageOf(changedGpt(change))).toMatch(message);
  });

  test.each<[string, bigint, bigint, RegExp]>([
    ["ends before it starts", 100n, 99n, /ends before it starts/],
    ["starts before the usable blocks", 33n, 100n, /outside of the GPT's 34 to 2014/],
    ["ends behind the usable blocks", 2000n, 2015n, /outside of the GPT's/],
    ["ends behind the disc", 2000n, 4000n, /outside of the GPT's/],
    ["is at 2^64-1", MAX_LBA, MAX_LBA, /blocks 18446744073709551615 to/],
    ["ends at 2^64-1", 64n, MAX_LBA, /outside/],
    ["has 2^64 blocks", 0n, MAX_LBA, /outside/],
  ])("has no partition that %s, and has the others", async (_what, first, last, message) => {
    const image = changedGpt((_header, entries) => {
      entries.writeBigUInt64LE(first, FIRST);
      entries.writeBigUInt64LE(last, LAST);
    });
    const why = await messageOf(image);
    expect(why).toMatch(message);
    expect(why).toMatch(/its GPT has 3, 4$/);
    await expectPartitions(discOf(bus, image), GPT_PARTITIONS.slice(1));
  });

  test("may use the first and the last usable block", async () => {
    const image = changedGpt((_header, entries) => {
      entries.writeBigUInt64LE(34n, FIRST);
      entries.writeBigUInt64LE(2014n, LAST);
    });
    const disc = await PartitionDisc.open(discOf(bus, image), 1);
    expect([disc.startBytes, disc.sizeBytes]).toEqual([34 * 512, 1981 * 512]);
  });

  test("has no partition of half a block of the disc", async () => {
    const disc = discOf(bus, gptImage(), { logicalBlockBytes: 4096 });
    expect((await refusalOf(disc, 3)).message).toContain("whole blocks of 4096 bytes");
    expect((await PartitionDisc.open(disc, 4)).startBytes).toBe(256 * 512);
  });
});

describe("an MBR", () => {
  test("is needed: without one there is no table", async () => {
    const image = gptImage();
    image.bytes.writeUInt8(0, 510);
    expect(await messageOf(image)).toContain("no partition table: its first sector has no MBR's");
  });

  test("is not what a file system's boot sector is", async () => {
    const image = mbrImage();
    image.bytes.writeUInt8(0x20, 446);
    expect(await messageOf(image)).toContain("the flags of its partitions make no sense");
  });

  test.each([
    ["start", 2 ** 32 - 1, 100],
    ["size", 64, 2 ** 32 - 1],
    ["end", 2047, 2],
  ])("has no partition whose %s is past the end", async (_what, first, count) => {
    const image = mbrImage();
    image.bytes.writeUInt32LE(first, 446 + 8);
    image.bytes.writeUInt32LE(count, 446 + 12);
    expect(await messageOf(image)).toMatch(/^partition 1 ends at byte \d+, past the disc's end/);
    await expectPartitions(discOf(bus, image), MBR_PARTITIONS.slice(1));
  });

  /** The second slot of the link of logical partition 6: where the chain goes on. */
  const LINK_OF_6 = 399 * BLOCK + 446 + 16;

  test.each([
    ["to itself", 399 - 256, /goes in a circle$/],
    ["to the chain's start", 0, /goes in a circle$/],
    ["out of the extended partition", 1024, /leaves its extended partition$/],
    ["to where no link is", 300 - 256, /has no signature in block 300$/],
  ])("whose chain leads %s has the logical partitions until there", async (_what, first, why) => {
    const image = mbrImage();
    image.bytes.writeUInt32LE(first, LINK_OF_6 + 8);
    await expectPartitions(discOf(bus, image), MBR_PARTITIONS.slice(0, 4));
    const message = await messageOf(image, 7);
    expect(message).toMatch(/its MBR has 1, 4, 5, 6; the chain of its logical partitions /);
    expect(message).toMatch(why);
  });

  test("whose extended partition leaves the disc has no chain there", async () => {
    const image = mbrImage();
    image.bytes.writeUInt32LE(2 ** 32 - 1, 446 + 2 * 16 + 8);
    image.bytes.writeUInt32LE(2 ** 32 - 1, 446 + 2 * 16 + 12);
    expect(await messageOf(image, 5)).toMatch(/its MBR has 1, 4; the chain .* leaves the disc$/);
  });

  test("has no logical partition that leaves its extended partition", async () => {
    const image = mbrImage();
    image.bytes.writeUInt32LE(1024, 399 * BLOCK + 446 + 12);
    expect(await messageOf(image, 6)).toContain("leaves the extended partition that it is in");
    await expectPartitions(
      discOf(bus, image),
      MBR_PARTITIONS.filter(({ number }) => number !== 6),
    );
  });

  test.each([
    [300, 1, 255],
    [300, 0, 4],
  ])(
    "with a chain of %i links, partitions in each: %i, has numbers to %i",
    async (links, each, last) => {
      const { bytes } = mbrImage();
      for (let link = 0; link < links; link++) {
        const at = (256 + 2 * link) * BLOCK;
        bytes.fill(0, at, at + BLOCK);
        bytes.writeUInt8(0x83, at + 446 + 4);
        bytes.writeUInt32LE(1, at + 446 + 8);
        bytes.writeUInt32LE(each, at + 446 + 12);
        bytes.writeUInt8(5, at + 446 + 16 + 4);
        bytes.writeUInt32LE(2 * (link + 1), at + 446 + 16 + 8);
        bytes.writeUInt32LE(2, at + 446 + 16 + 12);
        bytes.writeUInt16LE(0xaa55, at + 510);
      }
      const disc = discOf(bus, { bytes });
      expect((await PartitionDisc.open(disc, last)).number).toBe(last);
      const { message } = await refusalOf(disc, last + 1);
      if (each === 0) expect(message).toMatch(/chain of its logical partitions does not end$/);
      else expect(message).toMatch(/, 254, 255$/);
    },
  );
});

test("what is no number and no UUID is an invalid argument", async () => {
  const disc = discOf(bus, gptImage());
  for (const which of [0, -1, 1.5, Number.NaN, 65536, "", "1", "sda1", "c0dec402-1", "{}"]) {
    expect((await refusalOf(disc, which)).code, `${which}`).toBe("ERR_BLOCKPT_INVALID_ARGUMENT");
  }
  const noDisc = { ...disc } as unknown as MemoryDisc;
  expect((await refusalOf(noDisc, 1)).code).toBe("ERR_BLOCKPT_INVALID_ARGUMENT");
});

test("a file that was cut behind the disc's back cannot be read", async () => {
  const { truncate } = await import("node:fs/promises");
  const path = makeImage(gptImage().bytes);
  const file = await FileDisc.open(path);
  afterThisTest(() => file.close());
  await truncate(path, 512);
  await expect(PartitionDisc.open(file, 1)).rejects.toMatchObject({
    code: "ERR_BLOCKPT_IO",
    blkStatus: expect.any(Number),
  });
});
