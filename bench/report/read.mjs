// The results that a report is made of: the documents that the benchmark's programs write, checked, as they come from
// files that anybody may have edited.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { z } from "zod";
import { Complaint } from "../command.mjs";

/** JSON has no infinity, and writes null for what is no number. */
const figure = z.number().nullable();
const summary = z.object({ median: figure, min: figure, max: figure, rounds: z.array(figure) });
const latency = z.object({ p50: figure, p90: figure, p99: figure, p999: figure, max: figure });

const environment = z.object({
  date: z.string(),
  version: z.string(),
  node: z.string(),
  cpu: z.string(),
  cores: z.number(),
  memoryBytes: z.number(),
  system: z.string(),
  revision: z.string().optional(),
  modified: z.boolean().optional(),
});

const job = z.object({
  pattern: z.enum(["randread", "randwrite", "randrw", "read", "write", "rw"]),
  readPercent: z.number(),
  blockBytes: z.number(),
  depth: z.number(),
  queues: z.number(),
  discs: z.number(),
  engine: z.enum(["wasm", "typescript"]),
  disc: z.string(),
  api: z.enum(["promise", "callback", "batch", "sync"]),
  dma: z.boolean(),
});

const result = z.object({
  job,
  rate: summary,
  throughput: figure,
  limit: summary.optional(),
  share: summary.optional(),
  latency: latency.optional(),
  cpu: z.object({ rootComplex: figure.optional(), rest: figure }),
  handOver: summary,
  quiet: z.number(),
  disturbed: z.number(),
});

const row = z.object({
  name: z.string(),
  unit: z.string(),
  lessIsBetter: z.boolean(),
  figures: z.partialRecord(z.enum(["limit", "wasm", "typescript", "reference"]), summary),
  ratios: z.record(z.string(), figure),
});

const section = z.object({
  id: z.string(),
  title: z.string(),
  notes: z.array(z.string()),
  remarks: z.array(z.string()),
  rows: z.array(row).min(1),
});

const group = z.object({
  id: z.string(),
  title: z.string(),
  axis: z.enum(["depth", "blockBytes", "discs", "queues", "disc"]).optional(),
  results: z.array(result).min(1),
});

const peerRow = z.object({
  peer: z.string(),
  what: z.string(),
  rate: summary.optional(),
  latency: latency.optional(),
  cpu: figure.optional(),
  serverCpu: figure.optional(),
  ratio: summary.optional(),
  nbdRatio: summary.optional(),
  note: z.string().optional(),
  failed: z.string().optional(),
});

const SHAPES = {
  bench: z.object({ environment, sections: z.array(section), groups: z.array(group) }),
  peers: z.object({
    environment,
    jobs: z.array(z.object({ name: z.string(), rows: z.array(peerRow).min(1) })),
    missing: z.array(z.object({ peer: z.string(), why: z.string() })),
  }),
  instructions: z.object({
    environment,
    rows: z.array(z.object({ name: z.string(), instructions: z.number() })),
  }),
};

/**
 * @typedef {z.infer<typeof summary>} Summary
 * @typedef {z.infer<typeof latency>} Latency
 * @typedef {z.infer<typeof environment>} Environment
 * @typedef {z.infer<typeof result>} Result
 * @typedef {z.infer<typeof row>} PieceRow
 * @typedef {z.infer<typeof section>} Section
 * @typedef {z.infer<typeof group>} Group
 * @typedef {z.infer<typeof peerRow>} PeerRow
 * @typedef {z.infer<(typeof SHAPES)["bench"]>} Bench
 * @typedef {z.infer<(typeof SHAPES)["peers"]>} Peers
 * @typedef {z.infer<(typeof SHAPES)["instructions"]>} Instructions
 *
 * @typedef {{ bench: Bench[], peers: Peers[], instructions: Instructions[] }} Results
 */

/** What a document is: by what only documents of its kind have. */
const MARKS = /** @type {const} */ ([
  ["bench", "groups"],
  ["peers", "missing"],
  ["instructions", "rows"],
]);

/**
 * @param {string[]} paths
 * @returns {Results}
 */
export function readResults(paths) {
  /** @type {Results} */
  const results = { bench: [], peers: [], instructions: [] };
  for (const path of paths) {
    const document = parse(path);
    const [kind] = MARKS.find(([, mark]) => mark in document) ?? [];
    if (kind === undefined) {
      throw new Complaint(`${path} is no result of a benchmark: it has neither groups nor rows`);
    }
    const checked = SHAPES[kind].safeParse(document);
    if (!checked.success) {
      const [{ path: where, message }] = checked.error.issues;
      throw new Complaint(`${basename(path)}: ${where.join(".")}: ${message}`);
    }
    /** @type {unknown[]} */ (results[kind]).push(checked.data);
  }
  return results;
}

/**
 * @param {string} path
 * @returns {object}
 */
function parse(path) {
  try {
    const document = JSON.parse(readFileSync(path, "utf8"));
    if (typeof document === "object" && document !== null) return document;
  } catch (cause) {
    throw new Complaint(`${path} cannot be read: ${/** @type {Error} */ (cause).message}`);
  }
  throw new Complaint(`${path} is no result of a benchmark: it is no JSON object`);
}
