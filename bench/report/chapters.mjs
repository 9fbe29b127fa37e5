// What the report is made of, in its order, and what is said where a result is not there.

import { summarize } from "../../dist/bench.js";
import { quantity, spread } from "./format.mjs";
import { growthPart } from "./growth.mjs";
import { jobsPart } from "./jobs.mjs";
import { peersPart } from "./peers.mjs";
import { piecesPart } from "./pieces.mjs";

/** @typedef {import("./read.mjs").Results} Results */
/** @typedef {import("./read.mjs").Group} Group */
/** @typedef {import("./page.mjs").Chapter} Chapter */

const BENCH = "npm run bench -- --save";
const PEERS = "npm run bench:peers -- --save";
const INSTRUCTIONS = "npm run bench:instructions -- --save";

/**
 * @param {Results} results
 * @returns {Chapter[]}
 */
export function chaptersOf({ bench, peers, instructions }) {
  const sections = bench.flatMap((each) => each.sections);
  const groups = bench.flatMap((each) => each.groups);
  const growing = groups.filter(isGrowing);
  return [
    {
      id: "jobs",
      title: "Disks",
      notes: [
        "In each round the limit is measured beside a job: one thread's bulk copy of as much memory from and to the same places, or its plain reads and writes of the file. Rates are medians, with the least and the most as whiskers; a share is the median of the rounds' own. Latencies are of a round in which each request is timed.",
      ],
      parts: groups.filter((group) => !isGrowing(group)).map(jobsPart),
      ...absent(groups.length - growing.length, BENCH),
    },
    {
      id: "peers",
      title: "Beside what else there is",
      notes: [
        ...(peers.length > 0 ? ["The axes are logarithmic. In colour: this library."] : []),
        ...peers
          .flatMap(({ missing }) => missing)
          .map(({ peer, why }) => `Not measured: ${peer}: ${why}`),
      ],
      parts: peers.flatMap(({ jobs }) => jobs).map(peersPart),
      ...absent(peers.length, PEERS),
    },
    {
      id: "growth",
      title: "How cost grows",
      notes: [],
      parts: growing.map(growthPart),
      ...absent(growing.length, BENCH),
    },
    {
      id: "pieces",
      title: "Pieces: the engines against each other",
      notes: [],
      parts: sections.map(piecesPart),
      ...absent(sections.length, BENCH),
    },
    {
      id: "instructions",
      title: "Instructions",
      notes: [],
      parts: instructions.map(({ rows }, index) => ({
        id: `instructions-${index}`,
        title: "Executed by the Rust core",
        notes: [],
        cards: [],
        table: {
          head: ["", "instructions"],
          rows: rows.map(({ name, instructions }) => [name, instructions.toLocaleString("en")]),
        },
      })),
      ...absent(instructions.length, INSTRUCTIONS),
    },
  ];
}

/**
 * What was measured on, once for all documents that say the same.
 *
 * @param {Results} results
 * @returns {[string, string][]}
 */
export function factsOf({ bench, peers, instructions }) {
  const environments = [...bench, ...peers, ...instructions].map((each) => each.environment);
  const each = (/** @type {(environment: typeof environments[0]) => string} */ text) =>
    [...new Set(environments.map(text))].join("; ");
  const handOvers = bench
    .flatMap(({ groups }) => groups)
    .flatMap(({ results }) => results)
    .flatMap(({ handOver }) => handOver.rounds)
    .filter((value) => value !== null);
  return [
    ["Date", each(({ date }) => date.slice(0, 10))],
    ["Version", each(({ version }) => version)],
    ["Revision", each(revisionOf)],
    ["Machine", each(({ cpu, cores }) => `${cpu}, ${cores} cores`)],
    ["Memory", each(({ memoryBytes }) => `${quantity(memoryBytes / 2 ** 30)} GiB`)],
    ["System", each(({ system }) => system)],
    ["Node", each(({ node }) => node)],
    [
      "Hand-over",
      handOvers.length === 0
        ? "not measured"
        : `${spread(summarize(handOvers))} ns from one core to another`,
    ],
  ];
}

/** @param {import("./read.mjs").Environment} environment */
function revisionOf({ revision = "unknown", modified = false }) {
  return modified ? `${revision}, with changes` : revision;
}

/**
 * @param {Group} group
 * @returns {group is Group & { axis: NonNullable<Group["axis"]> }}
 */
function isGrowing({ axis }) {
  return axis !== undefined;
}

/**
 * @param {number} count
 * @param {string} command
 */
function absent(count, command) {
  return count > 0 ? {} : { absent: command };
}
