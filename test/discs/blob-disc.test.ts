// The bytes of a Blob as a disc, in Node; test/browser has those of files.

import { openAsBlob } from "node:fs";
import { BlobDisc, PartitionDisc } from "blockpt";
import { expect, test } from "vitest";
import { makeImage, pattern } from "../api/rig.js";
import { attach, partitioned } from "./faulty-rig.js";

test.each(["wasm", "typescript"] as const)(
  "is read to the last byte, and zeros behind it, by several queues, engine %s",
  async (engine) => {
    const image = pattern(1024 * 1024 + 100);
    const blob = new Blob([image.slice(0, 1000), image.slice(1000)]);
    const { disk, disc } = await attach(() => BlobDisc.create(blob), { engine, queues: 2 });
    expect([disc.readOnly, disc.sizeBytes]).toEqual([true, 1024 * 1024 + 512]);
    const bytes = new Uint8Array(disk.sizeBytes).fill(9);
    await disk.read(bytes, 0);
    expect(Buffer.compare(bytes.subarray(0, image.length), image)).toBe(0);
    expect(bytes.subarray(image.length).every((byte) => byte === 0)).toBe(true);
    await expect(disk.write(new Uint8Array(512), 0)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_READ_ONLY",
    });
  },
);

test("has partitions", async () => {
  const image = partitioned();
  image.set(pattern(512), 64 * 512);
  const blob = new Blob([image.slice()]);
  const { disk } = await attach(() => PartitionDisc.open(BlobDisc.create(blob), 1));
  const bytes = new Uint8Array(512);
  await disk.read(bytes, 0);
  expect(bytes).toEqual(pattern(512));
});

test("what is no Blob, is empty, or stays in its thread is refused", async () => {
  const file = await openAsBlob(makeImage(new Uint8Array(512)));
  for (const [blob, code, message] of [
    [undefined, "INVALID_ARGUMENT", /takes a Blob/],
    [new Uint8Array(512), "INVALID_ARGUMENT", /takes a Blob/],
    [new Blob([]), "DISC_SIZE", /a Blob is empty/],
    [new File([], "disk.img"), "DISC_SIZE", /the file disk.img is empty/],
    [file, "INVALID_ARGUMENT", /FileDisc opens files/],
  ] as const) {
    expect(() => BlobDisc.create(blob as Blob)).toThrow(
      expect.objectContaining({
        code: `ERR_BLOCKPT_${code}`,
        message: expect.stringMatching(message),
      }),
    );
  }
});
