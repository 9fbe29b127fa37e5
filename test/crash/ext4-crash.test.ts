// ext4 on a disc that crashes: its journal brings it back, no check finds anything, and every file is there as
// it was when its program was told so.

import { expect, test } from "vitest";
import { whyNotMounted } from "../nbd/mounted.js";
import { need } from "../nbd/tools.js";
import { EXT4_TOOLS, recordExt4 } from "./ext4-recording.js";
import { crashOften } from "./recording.js";

const ROUNDS = 12;

test.for([1024, 4096] as const)(
  "ext4 with blocks of %i bytes survives, and is found out on a disc that loses flushes",
  async (blockBytes, context) => {
    need(context, ...EXT4_TOOLS);
    const reason = whyNotMounted();
    context.skip(reason !== undefined, reason);
    const recording = await recordExt4({ seed: 1, things: 12, blockBytes });
    try {
      const { disc } = recording;
      const flushes = disc.operations().filter(({ operation }) => operation === "flush");
      expect(flushes.length).toBeGreaterThan(20);
      const findings = await crashOften(recording, ROUNDS, 1);
      expect(findings.map(({ options, complaints }) => ({ options, complaints }))).toEqual([]);
      const lost = await crashOften(recording, 10, 1, { flushesLostFrom: 0 });
      expect(lost.length).toBeGreaterThan(3);
    } finally {
      await recording.close();
    }
  },
);
