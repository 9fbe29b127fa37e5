// Vectors of sections 2 and 3: where a queue may be, and when it is served.

import type { ConformanceVector, Step } from "../vector.js";
import { answered, noPlace, refused, started } from "./steps.js";

/** A queue of 16: 384 bytes of descriptors, and two rings of 34, rounded up to 40. */
const DRIVER_RING = 384;
const DEVICE_RING = 424;
const BYTES = 464;

const vector = (
  clause: string,
  steps: readonly Step[],
  more: Partial<ConformanceVector> = {},
): ConformanceVector => ({ section: "2", clause, steps, ...more });

/** SET_QUEUE is refused for each of these. */
const nowhere = (
  clause: string,
  ...changes: NonNullable<Parameters<typeof noPlace>[0]>[]
): ConformanceVector =>
  vector(clause, [{ open: {} }, ...changes.map((change) => noPlace(change)), refused(["START"])]);

export const QUEUES: readonly ConformanceVector[] = [
  vector("SET_QUEUE and START have a queue served, one command after the other or in one.", [
    { open: {} },
    { command: ["SET_IRQ"], queue: "a" },
    { command: ["SET_QUEUE"], queue: "a" },
    { command: ["START"] },
    ...answered("OK"),
    { command: ["STOP"] },
    ...started(),
    ...answered("OK"),
  ]),
  nowhere(
    "A queue that does not lie in descriptor space is refused.",
    { queueOffset: `space - ${BYTES - 8}` },
    { queueOffset: "space" },
    { queueOffset: "2^32 - 8" },
    { qsize: "space + 1" },
    { qsize: "2^32 - 1" },
  ),
  nowhere("Descriptors at no multiple of 8 are refused.", { queueOffset: 4 }, { queueOffset: 1 }),
  nowhere(
    "A ring at an odd offset is refused.",
    { drvOffset: DRIVER_RING + 1 },
    { devOffset: 425 },
  ),
  nowhere(
    "A part of a queue that does not lie in qsize is refused.",
    { qsize: 0 },
    { qsize: DEVICE_RING + 33 },
    { drvOffset: "2^32 - 2" },
    { devOffset: "2^32 - 2" },
    { devOffset: BYTES },
  ),
  nowhere(
    "Parts of a queue that overlap are refused.",
    { drvOffset: DRIVER_RING - 2 },
    { devOffset: 0 },
    { drvOffset: DEVICE_RING, devOffset: DEVICE_RING },
    { devOffset: DRIVER_RING + 32 },
  ),
  nowhere(
    "num_desc is 16 to 65535; any other is refused.",
    { numDesc: 0 },
    { numDesc: 15 },
    { numDesc: 65536 },
    { numDesc: "2^32 - 1" },
  ),
  vector(
    "A queue that takes a byte of another one is refused.",
    [
      ...started(),
      { open: { name: "b", disc: "second", queueOffset: 8 } },
      { command: ["SET_QUEUE"], queue: "b", status: ["ERROR", "QUEUE_ADDRESS_INVALID"] },
      { open: { name: "b", disc: "second", queueOffset: 512 } },
      {
        command: ["SET_QUEUE"],
        queue: "b",
        with: { queueOffset: BYTES - 8 },
        status: ["ERROR", "QUEUE_ADDRESS_INVALID"],
      },
      { command: ["SET_QUEUE", "START"], queue: "b" },
      ...answered("OK", { queue: "b" }),
      ...answered("OK"),
    ],
    { discs: ["second"] },
  ),
  vector("A queue that was set before stays when another place for it is refused.", [
    { open: {} },
    { command: ["SET_QUEUE"], queue: "a" },
    noPlace({ numDesc: 15 }),
    { command: ["START"] },
    ...answered("OK"),
  ]),
  vector("SET_QUEUE for a disc that is started is answered error, and its queue is served on.", [
    ...started(),
    refused(["SET_QUEUE"], { queue: "a" }),
    ...answered("OK"),
  ]),
  vector("START fails for a disc that has no queue, and for one that is started.", [
    refused(["START"]),
    ...started(),
    refused(["START"]),
    ...answered("OK"),
  ]),
  vector("STOP fails for a disc that is not started, and forgets its queues even so.", [
    { open: {} },
    { command: ["SET_QUEUE"], queue: "a" },
    refused(["STOP"]),
    refused(["START"]),
  ]),
  vector("STOP forgets the disc's queues.", [
    ...started(),
    { command: ["STOP"] },
    refused(["START"]),
  ]),
  vector("The first failure ends a command of several bits.", [
    { open: {} },
    refused(["SET_IRQ", "SET_QUEUE"], { queue: "a", with: { irq: 0 } }),
    refused(["START"]),
  ]),
  vector("SET_QUEUE resets both positions: the next START begins at the rings' start.", [
    ...started(),
    ...answered("OK", { index: 0 }),
    ...answered("OK", { index: 1 }),
    { command: ["STOP"] },
    ...started(),
    ...answered("OK", { index: 9 }),
    { deviceIdx: 1 },
  ]),
  vector(
    "What was put on the ring before START is served from START on.",
    [
      { open: {} },
      { command: ["SET_QUEUE"], queue: "a" },
      { descriptor: { index: 0 } },
      { push: [0] },
      { silence: true },
      { command: ["START"] },
      { completions: { 0: "OK" } },
    ],
    { section: "3" },
  ),
  vector(
    "STOP completes what is outstanding before it is answered.",
    [
      ...started(),
      ...Array.from({ length: 15 }, (_, index): Step => ({ descriptor: { index } })),
      { push: Array.from({ length: 15 }, (_, index) => index) },
      { command: ["STOP"] },
      { deviceIdx: 15 },
      { completions: Object.fromEntries(Array.from({ length: 15 }, (_, index) => [index, "OK"])) },
    ],
    { section: "4" },
  ),
  vector(
    "A disc's second queue is served beside its first.",
    [
      { open: { name: "a" } },
      { open: { name: "b", qidx: 1, queueOffset: 512, numDescriptors: 40 } },
      { command: ["SET_QUEUE"], queue: "a" },
      { command: ["SET_QUEUE"], queue: "b" },
      { command: ["START"] },
      ...answered("OK", { queue: "b" }),
      ...answered("OK", { queue: "a" }),
    ],
    { queues: 2 },
  ),
];
