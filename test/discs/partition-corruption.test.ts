// Partition tables of which any bytes are wrong, with checksums that are wrong or right.

import { BlockptError, createBus, PartitionDisc } from "blockpt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  discOf,
  GPT_4K_PARTITION,
  GPT_PARTITIONS,
  gpt4kImage,
  gptImage,
  MBR_PARTITIONS,
  mbrImage,
  reseal,
} from "./tables.js";

describe("whatever the tables' sectors are made of", () => {
  const words = fc.oneof(
    fc.constantFrom(0, 1, 2, 34, 2014, 2047, 2048, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
    fc.nat(0xffff_ffff),
  );

  test.each([
    ["GPT", gptImage(), [440, 512, 1024, 1031680, 1048064]],
    ["GPT of 4096 bytes", gpt4kImage(), [440, 4096, 8192, 2076672, 2093056]],
    ["MBR", mbrImage(), [440, 131072 + 440, 204288 + 440, 357888 + 440]],
  ] as const)(
    "of a %s, nothing but a BlockptError is thrown, and no range is outside",
    async (_what, image, regions) => {
      const bus = await createBus();
      const disc = discOf(bus, image);
      const view = new Uint8Array(bus.buffer, disc.busRange.offset, image.bytes.length);
      const uuids = [...GPT_PARTITIONS, GPT_4K_PARTITION, ...MBR_PARTITIONS].map(
        ({ uuid }) => uuid,
      );
      let opened = 0;
      let refused = 0;
      const check = async (which: number | string): Promise<void> => {
        try {
          const { startBytes, sizeBytes } = await PartitionDisc.open(disc, which);
          opened++;
          expect(startBytes).toBeGreaterThanOrEqual(0);
          expect(sizeBytes).toBeGreaterThan(0);
          expect(startBytes % 512).toBe(0);
          expect(sizeBytes % 512).toBe(0);
          expect(startBytes + sizeBytes).toBeLessThanOrEqual(disc.sizeBytes);
        } catch (error) {
          if (!(error instanceof BlockptError)) throw error;
          refused++;
        }
      };
      const corruption = fc.record({
        region: fc.constantFrom(...regions),
        // Headers' and entries' fields are words.
        word: fc.nat(24),
        value: words,
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(corruption, { minLength: 1, maxLength: 4 }),
          fc.boolean(),
          async (corruptions, sealed) => {
            const bytes = Buffer.from(image.bytes);
            for (const { region, word, value } of corruptions) {
              // The MBR's words are where its slots' are, 2 bytes beside a multiple of 4.
              const at = region % 512 === 440 ? region + 2 + word * 2 : region + word * 4;
              bytes.writeUInt32LE(value, Math.min(at, region + (region % 512 === 440 ? 68 : 124)));
            }
            if (sealed) {
              for (const block of [1, bytes.length / image.blockBytes - 1]) {
                reseal({ bytes, blockBytes: image.blockBytes }, block);
              }
            }
            view.set(bytes);
            for (const which of [1, 2, 3, 4, 5, 6, 7, 8, 128, ...uuids]) await check(which);
          },
        ),
        { numRuns: 200 },
      );
      // It is no property of nothing: some are found, and some are not.
      expect(opened).toBeGreaterThan(100);
      expect(refused).toBeGreaterThan(100);
    },
  );
});
