// Vectors of sections 3 and 4: the rings' positions, and what stops a queue.

import type { ConformanceVector, Step } from "../vector.js";
import { answered, started } from "./steps.js";

const SIZE = 16;
const all = Array.from({ length: SIZE - 1 }, (_, index) => index);
const OK_ALL = Object.fromEntries(all.map((index) => [index, "OK" as const]));

const vector = (clause: string, steps: readonly Step[], section = "3"): ConformanceVector => ({
  section,
  clause,
  steps,
});

/** A queue that is served no more until STOP; another one is, and then it is, too. */
const stops = (clause: string, ...steps: readonly Step[]): ConformanceVector =>
  vector(clause, [
    ...started(),
    ...answered("OK", { index: 0 }),
    ...steps,
    { silence: true },
    { command: ["STOP"] },
    ...started(),
    ...answered("OK"),
  ]);

export const RINGS: readonly ConformanceVector[] = [
  vector(
    "num_desc − 1 requests may be outstanding.",
    [
      ...started(),
      ...all.map((index): Step => ({ descriptor: { index } })),
      { push: all },
      { completions: OK_ALL },
    ],
    "4",
  ),
  vector("Positions wrap at num_desc, also where that is no power of two.", [
    ...started({ numDescriptors: 17 }),
    ...Array.from({ length: 40 }, (_, round) => answered("OK", { index: (round * 5) % 17 })).flat(),
    { deviceIdx: 40 % 17 },
  ]),
  vector("A descriptor may be used again once it was completed.", [
    ...started(),
    ...Array.from({ length: 20 }, () => answered("OK", { index: 4 })).flat(),
  ]),
  vector("Requests are taken in whatever order of descriptors the ring has.", [
    ...started(),
    ...[11, 2, 7, 0].map((index): Step => ({ descriptor: { index } })),
    { push: [11, 2, 7, 0] },
    { completions: { 11: "OK", 2: "OK", 7: "OK", 0: "OK" } },
  ]),
  vector("A malformed descriptor is answered, and those beside it are served.", [
    ...started(),
    { descriptor: { index: 0 } },
    { descriptor: { index: 1, lenBytes: 7 } },
    { descriptor: { index: 2 } },
    { push: [0, 1, 2] },
    { completions: { 0: "OK", 1: "INVAL", 2: "OK" } },
  ]),
  stops("A driver ring's idx of num_desc stops the queue.", { publish: SIZE }),
  stops("A driver ring's idx far out of range stops the queue.", { publish: 0xfffe }),
  stops("A ring entry of num_desc stops the queue.", { push: [SIZE] }),
  stops("A ring entry far out of range stops the queue.", { push: [0xffff] }),
];
