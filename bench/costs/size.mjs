// What a queue takes of memory: of the bus, of the heap, and of the process, which has a thread more for it.

import { runProgram } from "./program.mjs";
import { takenOnce } from "./taken-once.mjs";

/** @typedef {import("../rounds.mjs").Section} Section */
/** @typedef {"ours" | "bus" | "written" | "heap" | "process" | "thread"} Part */
/** @typedef {import("../rounds.mjs").Row & { descriptors: number, part: Part }} SizeRow */

/** The root complex's default, and what the other sections use. */
const DESCRIPTORS = [1024, 256];
const KIB = 1024;
const ENGINES = /** @type {const} */ (["wasm", "typescript"]);

/** @type {[Part, string][]} */
const PARTS = [
  ["ours", "bus and heap"],
  ["bus", "of these the bus"],
  ["written", "of the bus what holds something"],
  ["heap", "of these the heap of the root complex"],
  ["process", "the process, with the worker thread"],
];

/** @type {SizeRow[]} */
const ROWS = [
  ...DESCRIPTORS.flatMap((descriptors) =>
    PARTS.map(([part, text]) => ({
      name: `${descriptors} descriptors: ${text}`,
      descriptors,
      part,
    })),
  ),
  {
    name: "a worker thread that does nothing",
    descriptors: 0,
    part: /** @type {Part} */ ("thread"),
  },
].map((row) => ({ ...row, unit: "KiB", lessIsBetter: true }));

/** @type {Section} */
export const size = {
  id: "costs-size",
  title: "Memory of a queue: what each of eight takes that are attached to a disk beside one",
  notes: [
    "Aim: at most 256 KiB of bus and heap. The bus: pages of its workspace, rings and descriptors of its BAR;",
    "those that nobody wrote take no memory of the machine.",
    "The process is what the system counts (RSS): Node's worker threads take megabytes by themselves, see the last row.",
  ],
  subjects: [...ENGINES],
  rows: ROWS,
  open() {
    const taken = new Map(
      ENGINES.map((engine) => [
        engine,
        new Map(
          [0, ...DESCRIPTORS].map((descriptors) => [
            descriptors,
            takenOnce(() => grow(engine, descriptors)),
          ]),
        ),
      ]),
    );
    return {
      async measure(row, subject) {
        const { descriptors, part } = /** @type {SizeRow} */ (row);
        const of = taken.get(/** @type {"wasm" | "typescript"} */ (subject))?.get(descriptors);
        if (of === undefined) throw new Error(`${subject} has no queues`);
        return (await of(row))[part] / KIB;
      },
      close() {},
    };
  },
};

/**
 * @param {string} engine
 * @param {number} descriptors
 * @returns {Promise<Record<Part, number>>} bytes
 */
async function grow(engine, descriptors) {
  const { said } = await runProgram(
    "queue-memory.mjs",
    [engine, `${descriptors}`],
    ["--expose-gc"],
  );
  return { ...said, ours: said.bus + said.heap };
}
