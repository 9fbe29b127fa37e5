// Every engine on a bus of its own, driven by one script: all results and all bytes are the same after each step. First
// the scripts that are kept, then as many by chance as a test has time for; `npm run fuzz:engines` goes on.

import { fileURLToPath } from "node:url";
import { QueueFault } from "blockpt";
import { BlkStatus, nameOf } from "blockpt/abi";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { CHANCE, scripts } from "./differential/arbitrary.js";
import { keptScripts } from "./differential/corpus.js";
import { Machines } from "./differential/pair.js";

const kept = keptScripts(fileURLToPath(new URL("./corpus", import.meta.url)));
const RUNS = 3000;
const STEPS = 100;

describe("all engines leave the same bytes and give the same results", () => {
  let machines: Machines;

  beforeAll(async () => {
    const [first] = kept;
    if (first === undefined) throw new Error("test/engine/corpus is empty");
    machines = await Machines.create(first.script.shape);
  });

  test.each(kept)("$name: $script.story", ({ script }) => {
    machines.run(script);
  });

  test(`by ${RUNS} scripts, and get deep`, () => {
    fc.assert(
      fc.property(scripts(STEPS), (script) => machines.run(script)),
      { ...CHANCE, numRuns: RUNS },
    );
    const { reach } = machines;
    // Otherwise it would be found that nothing happens the same way everywhere.
    expect(reach.share("deep")).toBeGreaterThan(0.3);
    expect(reach.share("turned")).toBeGreaterThan(0.3);
    const { OK, NOTSUPP, PROTECTION, INVAL } = BlkStatus;
    const statuses = [OK, NOTSUPP, PROTECTION, INVAL].map(
      (value) => `status ${nameOf(BlkStatus, value)}`,
    );
    const faults = Object.keys(QueueFault).map((name) => `reap stops with ${name}`);
    const ofDevice = ["RING_INDEX", "DESCRIPTOR_INDEX", "DESCRIPTOR_STATE"];
    faults.push(...ofDevice.map((name) => `fetch stops with ${name}`));
    for (const what of [...statuses, ...faults]) expect(reach.times(what), what).toBeGreaterThan(0);
  });
});
