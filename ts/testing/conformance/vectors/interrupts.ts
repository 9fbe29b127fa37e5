// Vectors of section 3: interrupts.

import type { ConformanceVector, Step } from "../vector.js";
import { answered, started } from "./steps.js";

const WORD = "host + 65536";
const DATA = 0xdecade;

const programmed = (masked: boolean, data = DATA, irq: number | string = 1): Step => ({
  vector: { irq, address: WORD, data, masked },
});

export const INTERRUPTS: readonly ConformanceVector[] = [
  {
    section: "3",
    clause:
      "A vector that is not masked writes its data to its address when requests were completed.",
    steps: [
      programmed(false),
      ...started(),
      ...answered("OK"),
      { raised: { at: WORD, data: DATA } },
      programmed(false, DATA + 1),
      ...answered("OK"),
      { raised: { at: WORD, data: DATA + 1 } },
    ],
  },
  {
    section: "3",
    clause: "The last vector is raised as the first is.",
    steps: [
      { vector: { irq: "vectors", address: WORD, data: DATA, masked: false } },
      { open: {} },
      { command: ["SET_IRQ"], queue: "a", with: { irq: "vectors" } },
      { command: ["SET_QUEUE", "START"], queue: "a" },
      ...answered("OK"),
      { raised: { at: WORD, data: DATA } },
    ],
  },
  {
    section: "3",
    clause: "A vector that is masked is pending, and writes nothing.",
    steps: [
      programmed(true),
      ...started(),
      ...answered("OK"),
      { pending: { irq: 1, is: true } },
      { holds: { at: WORD, lenBytes: 4, seed: 0 } },
    ],
  },
  {
    section: "3",
    clause: "What is pending is sent once the vector is unmasked.",
    steps: [
      programmed(true),
      ...started(),
      ...answered("OK"),
      { pending: { irq: 1, is: true } },
      programmed(false),
      { raised: { at: WORD, data: DATA } },
      { pending: { irq: 1, is: false } },
    ],
  },
  {
    section: "2",
    clause: "SET_IRQ takes effect at once, on a disc that is started, too.",
    steps: [
      programmed(false),
      { vector: { irq: 2, address: "host + 65600", data: DATA + 2, masked: false } },
      ...started(),
      { command: ["SET_IRQ"], queue: "a", with: { irq: 2 } },
      ...answered("OK"),
      { raised: { at: "host + 65600", data: DATA + 2 } },
    ],
  },
];
