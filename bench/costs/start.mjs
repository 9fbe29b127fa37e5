// What it takes from `createBus` to the end of the first read.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { firstRead, STEPS } from "./first-read.mjs";
import { runProgram } from "./program.mjs";
import { takenOnce } from "./taken-once.mjs";

/** @typedef {import("../rounds.mjs").Row} Row */
/** @typedef {import("../rounds.mjs").Section} Section */
/** @typedef {Row & { step: string, isFresh: boolean }} StartRow */

const ALL = "createBus to the first read's end";
const WITH_NODE = "the same, with Node's start and the import";

const THREAD = "a worker thread that does nothing, to its first message";

const ROWS = [false, true].flatMap((isFresh) =>
  [ALL, ...(isFresh ? [WITH_NODE, ...STEPS] : [...STEPS.slice(1), THREAD])].map((step) => ({
    name: `${isFresh ? "fresh" : "warm"} process: ${step}`,
    unit: "ms",
    lessIsBetter: true,
    step,
    isFresh,
  })),
);

/** @type {Section} */
export const start = {
  id: "costs-start",
  title: "Start to the first byte: of a memory disc, of a bus with its defaults",
  notes: [
    "Aim: at most 60 ms from createBus on. Attach starts the queue's worker, the first read waits for it.",
  ],
  subjects: ["wasm", "typescript"],
  rows: ROWS,
  open() {
    const engines = /** @type {const} */ (["wasm", "typescript"]);
    const taken = new Map(
      engines.map((engine) => [
        engine,
        { warm: takenOnce(() => warm(engine)), fresh: takenOnce(() => fresh(engine)) },
      ]),
    );
    return {
      async measure(row, subject) {
        const { step, isFresh } = /** @type {StartRow} */ (row);
        const of = taken.get(/** @type {"wasm" | "typescript"} */ (subject));
        if (of === undefined) throw new Error(`${subject} does not start`);
        return (await (isFresh ? of.fresh : of.warm)(row))[step];
      },
      close() {},
    };
  },
};

/**
 * @param {string} engine
 * @returns {Promise<Record<string, number>>}
 */
async function warm(engine) {
  /** @type {Record<string, number>} */
  let times = {};
  await firstRead(engine, (each) => {
    times = withSum(each);
  });
  return { ...times, [THREAD]: await startThread() };
}

/** Milliseconds. */
async function startThread() {
  const startedAt = performance.now();
  const program = 'require("node:worker_threads").parentPort.postMessage("ready");';
  const worker = new Worker(program, { eval: true, execArgv: [] });
  await once(worker, "message");
  const took = performance.now() - startedAt;
  await worker.terminate();
  return took;
}

/**
 * @param {string} engine
 * @returns {Promise<Record<string, number>>}
 */
async function fresh(engine) {
  const { said, milliseconds } = await runProgram("first-read.mjs", [engine]);
  return { ...withSum(said), [WITH_NODE]: milliseconds };
}

/** @param {Record<string, number>} times */
function withSum(times) {
  const { import: _, ...steps } = times;
  return { ...times, [ALL]: Object.values(steps).reduce((sum, each) => sum + each, 0) };
}
