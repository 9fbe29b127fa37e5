// How a job is measured: in rounds, each of which gives every contestant a turn, one after the other. What disturbs
// the machine for a while then disturbs all of them, and the ratio of two within a round is spared. A contestant
// that fails leaves the job, and its row says why.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  Cleanup,
  DISTURBED,
  latencyOf,
  median,
  ratiosOf,
  summarize,
  watchProcessors,
} from "../../dist/bench.js";
import { openOurs } from "./contestants.mjs";

/** @typedef {import("./jobs.mjs").PeerJob} PeerJob */
/** @typedef {import("./contestants.mjs").Contestant} Contestant */
/** @typedef {import("./contestants.mjs").Turn} Turn */
/** @typedef {import("../../ts/cli/bench/measure.js").Latency} Latency */
/** @typedef {import("../../ts/workload/statistics.js").Summary} Summary */

/**
 * @typedef {object} Effort
 * @property {number} rounds
 * @property {number} milliseconds - of a turn
 * @property {number} processMilliseconds - of a turn of another process
 * @property {number} tries - how often a disturbed turn is taken
 *
 * What came of a turn.
 *
 * @typedef {object} Figure
 * @property {number} requests
 * @property {number} rate - requests a second
 * @property {number} others - processors that who does not take part kept busy
 * @property {number} cpuSeconds - of both sides
 * @property {number} [serverSeconds] - the server's part of that
 * @property {Latency} [latency]
 *
 * One contestant in one job.
 *
 * @typedef {object} Entry
 * @property {Contestant} contestant
 * @property {import("./contestants.mjs").Open} [open]
 * @property {Figure[]} figures - one a round
 * @property {Latency} [latency]
 * @property {string} [failed]
 *
 * @typedef {object} Row
 * @property {Contestant["kind"]} kind
 * @property {string} peer
 * @property {string} what
 * @property {Summary} [rate] - requests a second
 * @property {number} [throughput] - MiB a second
 * @property {Latency} [latency] - microseconds
 * @property {number} [cpu] - microseconds of both sides a request
 * @property {number} [serverCpu] - the server's part of that
 * @property {Summary} [ratio] - of the best of ours to this
 * @property {Summary} [nbdRatio] - of our server to this one
 * @property {number} [quiet] - rounds in which others did not use the processors
 * @property {number} [disturbed] - those in which they did, which count only if there is no other
 * @property {string} [note]
 * @property {string} [failed]
 */

const MIB = 1024 * 1024;
/** Turns before the first: of what the compiler has to see, here or in our server; and of a program just started. */
const WARM_UP = { inside: 2, server: 4, program: 1 };

/**
 * @param {PeerJob} job
 * @param {Contestant[]} contestants
 * @param {Effort} effort
 * @param {{ directory: string, path: string, probe: import("../../ts/cli/bench/hand-over.js").HandOverProbe, cleanup: Cleanup, progress: (text: string) => void }} place
 */
export async function measureJob(job, contestants, effort, place) {
  const { path, probe, cleanup } = place;
  const directory = join(place.directory, job.id);
  mkdirSync(directory);
  const own = new Cleanup();
  const forget = cleanup.add(() => own.run());
  const rig = await openOurs(job, path, own);
  const arena = { job, directory, path, rig, cleanup: own };
  /** @type {Entry[]} */
  const entries = contestants.map((contestant) => ({ contestant, figures: [] }));
  /** @type {number[]} */
  const handOvers = [];

  /** Gives everybody who is still there a turn. */
  const each = async (
    /** @type {string} */ phase,
    /** @type {(entry: Entry, milliseconds: number) => Promise<void>} */ act,
  ) => {
    for (const entry of entries) {
      const { peer, isProcess, kind } = entry.contestant;
      if (entry.failed !== undefined) continue;
      place.progress(`${job.id}: ${phase}, ${peer}`);
      try {
        await act(entry, isProcess ? effort.processMilliseconds : effort.milliseconds);
      } catch (error) {
        if (kind === "ours" || cleanup.started) throw error;
        entry.failed = error instanceof Error ? error.message : String(error);
      }
    }
  };

  await each("warming up", async (entry, milliseconds) => {
    entry.open = await entry.contestant.open(arena);
    await entry.open.run(warmUpTurns(entry.contestant) * milliseconds);
  });
  for (let round = 1; round <= effort.rounds; round++) {
    handOvers.push(probe.nanoseconds() ?? Number.NaN);
    await each(`round ${round} of ${effort.rounds}`, async (entry, milliseconds) => {
      entry.figures.push(await quietFigure(opened(entry), milliseconds, effort.tries));
    });
  }
  await each("latencies", async (entry, milliseconds) => {
    const { time } = opened(entry);
    entry.latency = time
      ? await latencyOf(time, milliseconds)
      : medianLatency(entry.figures.map(({ latency }) => latency));
  });
  forget();
  await own.run();
  const { id, name } = job;
  const handOver = summarize(handOvers.filter((each) => Number.isFinite(each)));
  return { id, name, handOver, rows: rowsOf(job, entries) };
}

/** @param {Contestant} contestant */
function warmUpTurns({ kind, isProcess }) {
  if (kind === "ours-nbd") return WARM_UP.server;
  return isProcess ? WARM_UP.program : WARM_UP.inside;
}

/** @param {Entry} entry */
function opened({ open }) {
  if (open === undefined) throw new Error("it did not open");
  return open;
}

/**
 * Takes a figure, and again while others disturb it; the least disturbed one counts.
 *
 * @param {import("./contestants.mjs").Open} open
 * @param {number} milliseconds
 * @param {number} tries
 */
async function quietFigure({ run }, milliseconds, tries) {
  let best = await takeFigure(run, milliseconds);
  for (let more = tries - 1; more > 0 && best.others > DISTURBED; more--) {
    const figure = await takeFigure(run, milliseconds);
    if (figure.others < best.others) best = figure;
  }
  return best;
}

/**
 * @param {(milliseconds: number) => Promise<Turn>} run
 * @param {number} milliseconds
 * @returns {Promise<Figure>}
 */
async function takeFigure(run, milliseconds) {
  const startedAt = performance.now();
  const watch = watchProcessors();
  const turn = await run(milliseconds);
  const { others, ownSeconds = 0, restSeconds } = watch();
  const elapsed = (performance.now() - startedAt) / 1000;
  const { requests, milliseconds: took, serverSeconds, latency } = turn;
  const { foreignSeconds = 0, cpuSeconds = ownSeconds + restSeconds } = turn;
  return {
    requests,
    rate: (1000 * requests) / took,
    others: Math.max(0, others - (foreignSeconds || 0) / elapsed),
    cpuSeconds,
    serverSeconds,
    latency,
  };
}

/**
 * @param {(Latency | undefined)[]} latencies - one a round
 * @returns {Latency | undefined}
 */
function medianLatency(latencies) {
  const all = latencies.filter((latency) => latency !== undefined);
  if (all.length === 0) return undefined;
  const at = (/** @type {keyof Latency} */ key) => median(all.map((latency) => latency[key]));
  const max = Math.max(...all.map((latency) => latency.max));
  return { p50: at("p50"), p90: at("p90"), p99: at("p99"), p999: at("p999"), max };
}

/**
 * @param {PeerJob} job
 * @param {Entry[]} entries
 */
function rowsOf(job, entries) {
  const best = entries
    .filter(({ contestant }) => contestant.kind === "ours")
    .map((entry) => ({ entry, rate: median(ratesOf(entry, goodRounds(entry))) }))
    .reduce((one, other) => (other.rate > one.rate ? other : one)).entry;
  const server = entries.find(
    ({ contestant, failed }) => contestant.kind === "ours-nbd" && failed === undefined,
  );
  return entries.map((entry) => rowOf(job, entry, best, server));
}

/**
 * @param {PeerJob} job
 * @param {Entry} entry
 * @param {Entry} best - of ours
 * @param {Entry | undefined} server - ours
 * @returns {Row}
 */
function rowOf(job, entry, best, server) {
  const { contestant, figures, latency, failed } = entry;
  const { kind, peer, what, isServer = false, note } = contestant;
  const said = { kind, peer, what, ...(note === undefined ? {} : { note }) };
  if (failed !== undefined) return { ...said, failed };
  const good = goodRounds(entry);
  const rate = summarize(ratesOf(entry, good));
  const counted = good.map((round) => figures[round]);
  const cpu = perRequest(counted, "cpuSeconds");
  const serverCpu = perRequest(counted, "serverSeconds");
  const quiet = figures.filter(isQuiet).length;
  return {
    ...said,
    rate,
    throughput: (rate.median * job.blockBytes) / MIB,
    ...(latency === undefined ? {} : { latency }),
    ...(Number.isFinite(cpu) ? { cpu } : {}),
    ...(Number.isFinite(serverCpu) ? { serverCpu } : {}),
    ...(kind === "ours" ? {} : { ratio: ratioOf(best, entry) }),
    ...(isServer && server && server !== entry ? { nbdRatio: ratioOf(server, entry) } : {}),
    quiet,
    disturbed: figures.length - quiet,
  };
}

/**
 * Microseconds of processor time a request. Other processes' comes in ticks, of which a turn has few, so all turns are
 * added up.
 *
 * @param {Figure[]} figures
 * @param {"cpuSeconds" | "serverSeconds"} seconds
 */
function perRequest(figures, seconds) {
  const sum = (/** @type {"cpuSeconds" | "serverSeconds" | "requests"} */ key) =>
    figures.reduce((all, figure) => all + (figure[key] ?? Number.NaN), 0);
  return (1e6 * sum(seconds)) / sum("requests");
}

/**
 * In the rounds that count for both.
 *
 * @param {Entry} over
 * @param {Entry} under
 */
function ratioOf(over, under) {
  const common = goodRounds(over).filter((round) => goodRounds(under).includes(round));
  const rounds = common.length > 0 ? common : [...over.figures.keys()];
  return ratiosOf(summarize(ratesOf(over, rounds)), summarize(ratesOf(under, rounds)));
}

/** @param {Figure} figure */
const isQuiet = ({ others }) => others <= DISTURBED;

/**
 * Where no round was quiet all of them count.
 *
 * @param {Entry} entry
 */
function goodRounds({ figures }) {
  const rounds = [...figures.keys()];
  const quiet = rounds.filter((round) => isQuiet(figures[round]));
  return quiet.length > 0 ? quiet : rounds;
}

/**
 * @param {Entry} entry
 * @param {number[]} rounds
 */
const ratesOf = ({ figures }, rounds) => rounds.map((round) => figures[round].rate);
