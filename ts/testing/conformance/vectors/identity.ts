// Vectors of sections 1 and 2: the registers, and what the commands answer that ask for something.

import { MAGIC, MAX_DEVICES, Permission, REGISTERS_BYTES } from "../../../abi/layout.js";
import type { ConformanceVector } from "../vector.js";
import { refused } from "./steps.js";

export const IDENTITY: readonly ConformanceVector[] = [
  {
    section: "1",
    clause: "The magic finds the BAR, and an endpoint exports at most 16 discs.",
    steps: [{ registers: { magic: MAGIC, maxDevs: MAX_DEVICES } }],
  },
  {
    section: "2",
    clause: "Descriptor space is behind the registers, and as long as it says.",
    steps: [{ registers: { queueBarOffset: REGISTERS_BYTES, availableQsize: "space" } }],
  },
  {
    section: "2",
    clause:
      "GET_DEVICES answers names of 1 to 63 bytes, each ended by a semicolon, with a NUL behind.",
    steps: [{ command: ["GET_DEVICES"] }, { names: "well-formed" }],
  },
  {
    section: "2",
    clause: "NUM_SECTORS answers the size in sectors, and in num_queues what the disc supports.",
    steps: [
      { command: ["NUM_SECTORS"] },
      { registers: { numSectors: "sectors", numQueues: "queues" } },
    ],
  },
  {
    section: "2",
    clause: "GET_PERMISSION clears bit 0 for a disc that may be written.",
    steps: [{ command: ["GET_PERMISSION"] }, { bits: { of: "perm", clear: Permission.READ_ONLY } }],
  },
  {
    section: "2",
    clause: "GET_PERMISSION sets bit 0 for a disc that may only be read.",
    disc: "read-only",
    steps: [{ command: ["GET_PERMISSION"] }, { bits: { of: "perm", set: Permission.READ_ONLY } }],
  },
  {
    section: "2",
    clause: "The endpoint writes 0 to command when it takes it.",
    steps: [{ command: ["GET_DEVICES"] }, { registers: { command: 0 } }],
  },
  {
    section: "2",
    clause: "Several bits in one write are served, and answered once.",
    steps: [
      { command: ["GET_DEVICES", "NUM_SECTORS", "GET_PERMISSION"] },
      { registers: { numSectors: "sectors" } },
      { names: "well-formed" },
    ],
  },
  ...[0, 1, 5, 13, 30].map(
    (bit): ConformanceVector => ({
      section: "2",
      clause: `A command with the unknown bit ${bit} is answered error, and none of its bits is served.`,
      steps: [
        { command: ["STOP"], status: ["ERROR"] },
        { open: {} },
        // Were SET_QUEUE served, START would not fail.
        { ...refused(64 + 2 ** bit, { queue: "a" }) },
        refused(["START"]),
      ],
    }),
  ),
  {
    section: "2",
    clause: "A dev_idx that is not in the list is answered error, whatever the command.",
    steps: (
      ["NUM_SECTORS", "GET_PERMISSION", "SET_IRQ", "SET_QUEUE", "START", "STOP"] as const
    ).flatMap((command) =>
      [MAX_DEVICES, 0xff].flatMap((devIdx) => [
        { open: {} },
        refused([command], { queue: "a", with: { devIdx } }),
      ]),
    ),
  },
  {
    section: "2",
    clause: "A qidx that the disc does not have is answered error.",
    steps: [
      { open: {} },
      refused(["SET_QUEUE"], { queue: "a", with: { qidx: 0xfe } }),
      refused(["SET_IRQ"], { queue: "a", with: { qidx: 0xfe } }),
    ],
  },
  {
    section: "2",
    clause: "SET_IRQ takes 1 to msix_interrupts, and answers any other number error.",
    steps: [
      { open: {} },
      { command: ["SET_IRQ"], queue: "a", with: { irq: 1 } },
      { command: ["SET_IRQ"], queue: "a", with: { irq: "vectors" } },
      refused(["SET_IRQ"], { queue: "a", with: { irq: 0 } }),
      refused(["SET_IRQ"], { queue: "a", with: { irq: "vectors + 1" } }),
      refused(["SET_IRQ"], { queue: "a", with: { irq: "2^32 - 1" } }),
    ],
  },
];
