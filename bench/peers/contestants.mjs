// Who takes part in a job: ours in the APIs that fit, its peers, and what limits all of them.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { jobsOf, openRig, placesOf } from "../../dist/bench.js";
import { fillByFio, runFio } from "./fio.mjs";
import { DISC_BYTES } from "./jobs.mjs";
import { NODE_PEERS } from "./node.mjs";
import { childrenSeconds, processorSeconds, whenChildless } from "./processes.mjs";
import { SERVERS, startServer } from "./servers.mjs";

/** @typedef {import("./jobs.mjs").PeerJob} PeerJob */
/** @typedef {import("../../ts/cli/cleanup.js").Cleanup} Cleanup */
/** @typedef {import("../../ts/cli/bench/measure.js").Latency} Latency */

/**
 * What a contestant did in its turn.
 *
 * @typedef {object} Turn
 * @property {number} requests
 * @property {number} milliseconds
 * @property {Latency} [latency] - of one that always takes it
 * @property {number} [cpuSeconds] - of other processes, for the requests
 * @property {number} [serverSeconds] - of those, the server's
 * @property {number} [foreignSeconds] - of other processes, altogether
 *
 * One that is ready for its turns.
 *
 * @typedef {object} Open
 * @property {(milliseconds: number) => Promise<Turn>} run
 * @property {import("./node.mjs").Run} [time] - the same with every request timed, of one that does not always do it
 *
 * @typedef {object} Contestant
 * @property {"ours" | "ours-nbd" | "peer" | "limit"} kind
 * @property {string} peer
 * @property {string} what
 * @property {string} [note]
 * @property {boolean} isProcess - is another process, which needs longer turns
 * @property {boolean} [isServer] - is an NBD server, which all have the same client
 * @property {import("./tools.mjs").Needs} needs
 * @property {(arena: Arena) => Promise<Open>} open
 *
 * What a job takes place in.
 *
 * @typedef {object} Arena
 * @property {PeerJob} job
 * @property {string} directory - of the job
 * @property {string} path - of the file of all
 * @property {Rig} rig
 * @property {Cleanup} cleanup - at the end of the job
 *
 * @typedef {import("../../ts/cli/bench/rig.js").Measurable[]} Rig
 */

const NOTHING = { tools: [] };
const WAKES =
  "at depth 1 each request wakes a sleeping thread, and so does its answer: it shows the machine's wake-up";

/** What takes part nowhere, and why. */
const NO_CLIENT = "its client shares its rings, and there is none here";
const LEFT_OUT = {
  memory: [],
  file: [
    {
      peer: "qemu-nbd, native",
      why: "--aio=native goes past the page cache, which would be another job",
    },
    { peer: "qemu-storage-daemon, vhost-user-blk", why: NO_CLIENT },
  ],
  null: [{ peer: "qemu-storage-daemon, vhost-user-blk", why: NO_CLIENT }],
};

/**
 * @param {PeerJob} job
 * @returns {{ peer: string, why: string }[]}
 */
export const leftOut = ({ disc }) => LEFT_OUT[disc];

/**
 * @param {PeerJob} job
 * @returns {import("../../ts/cli/bench/job.js").Api[]}
 */
const apisOf = ({ depth }) => (depth === 1 ? ["sync", "promise"] : ["batch", "promise"]);

/**
 * The bus that ours runs on, and what is measured on it.
 *
 * @param {PeerJob} job
 * @param {string} path
 * @param {Cleanup} cleanup
 * @returns {Promise<Rig>} - a measurable for each API
 */
export function openOurs(job, path, cleanup) {
  const disc = job.disc === "file" ? path : `${job.disc}:${DISC_BYTES[job.disc]}`;
  const lists = { readPercent: [100], queues: [1], discs: [1], dma: [true], engine: ["wasm"] };
  const { pattern, blockBytes, depth } = job;
  const own = { disc: [disc], pattern: [pattern], blockBytes: [blockBytes], depth: [depth] };
  return openRig(jobsOf(/** @type {any} */ ({ ...lists, ...own, api: [...apisOf(job)] })), cleanup);
}

/**
 * Everybody, whether here or not; ours first.
 *
 * @param {PeerJob} job
 * @returns {Contestant[]}
 */
export function contestantsOf(job) {
  return [
    ...apisOf(job).map((api, index) => ours(api, index)),
    ...SERVERS.filter(({ disc }) => disc === job.disc).map((kind) => server(kind, job)),
    ...NODE_PEERS.filter(({ disc }) => disc === job.disc).map((kind) => inNode(kind, job)),
    ...(job.disc === "file" ? ["io_uring", "psync", "mmap"].map(direct) : []),
    ...(job.disc === "null" ? [] : [limit(job)]),
  ];
}

/**
 * @param {string} api
 * @param {number} index - in the rig
 * @returns {Contestant}
 */
const ours = (api, index) => ({
  kind: "ours",
  peer: `blockpt, ${api}`,
  what: `the wasm engine, one queue, DMA, API: ${api}`,
  isProcess: false,
  needs: NOTHING,
  open: async ({ rig }) => ({ run: rig[index].run, time: rig[index].time }),
});

/**
 * @param {PeerJob} job
 * @returns {Contestant}
 */
const limit = ({ disc }) => ({
  kind: "limit",
  ...(disc === "file"
    ? {
        peer: "Node fs, calls that block",
        what: "one thread that calls fs.readSync or fs.writeSync in a tight loop",
      }
    : {
        peer: "memory.copy",
        what: "one thread's bulk copies in a tight loop, from or to the same places",
      }),
  isProcess: false,
  needs: NOTHING,
  open: async ({ rig }) => ({
    run: async (milliseconds) => {
      const rate = rig[0].limit?.(milliseconds) ?? Number.NaN;
      return { requests: (rate * milliseconds) / 1000, milliseconds };
    },
  }),
});

/**
 * @param {import("./node.mjs").NodeKind} kind
 * @param {PeerJob} job
 * @returns {Contestant}
 */
const inNode = ({ peer, what, open }, { depth }) => ({
  kind: "peer",
  peer,
  what,
  ...(depth === 1 ? { note: WAKES } : {}),
  isProcess: false,
  needs: NOTHING,
  async open({ job, path, cleanup }) {
    const places = placesOf({ ...job, readPercent: 100, queues: 1 }, DISC_BYTES[job.disc], 0);
    const run = await open(job, places, path, cleanup);
    return { run, time: run };
  },
});

/**
 * fio on the file itself: what there is without a disk in between.
 *
 * @param {string} engine
 * @returns {Contestant}
 */
const direct = (engine) => ({
  kind: "limit",
  peer: `fio ${engine}`,
  what: `fio --ioengine=${engine} on the file itself${engine === "io_uring" ? "" : ": one thread, a request at a time"}`,
  isProcess: true,
  needs: { tools: ["fio"], engine },
  open: async ({ job, path, cleanup }) => ({
    async run(milliseconds) {
      const before = childrenSeconds();
      // The first touch of each page that is mapped costs, so it comes before.
      const target = [
        `--ioengine=${engine}`,
        `--filename=${path.replaceAll(":", "\\:")}`,
        `--ramp_time=${milliseconds / 2}ms`,
      ];
      const ran = await runFio(job, target, DISC_BYTES.file, milliseconds, cleanup);
      return { ...ran, foreignSeconds: childrenSeconds() - before };
    },
  }),
});

/**
 * @param {import("./servers.mjs").ServerKind} kind
 * @param {PeerJob} job
 * @returns {Contestant}
 */
const server = (kind, { depth }) => ({
  kind: kind.tool === undefined ? "ours-nbd" : "peer",
  peer: kind.peer,
  what: `${kind.what}; one connection by a unix socket, fio's engine nbd`,
  ...(depth === 1 ? { note: WAKES } : {}),
  isProcess: true,
  isServer: true,
  needs: { tools: kind.tool === undefined ? ["fio"] : [kind.tool, "fio"], engine: "nbd" },
  async open({ job, directory, path, cleanup }) {
    const own = join(directory, String(SERVERS.indexOf(kind)));
    mkdirSync(own);
    const place = { directory: own, socket: join(own, "socket"), path };
    const { pid, uri, complaint } = await startServer(kind, place, cleanup);
    const target = ["--ioengine=nbd", `--uri=${uri}`];
    const sizeBytes = DISC_BYTES[kind.disc];
    // What the server has to say of a failure is more than what fio sees of it.
    const fail = (/** @type {Error} */ error) => {
      throw new Error(complaint() || error.message);
    };
    if (kind.disc === "memory") await fillByFio(target, sizeBytes, cleanup).catch(fail);
    return {
      async run(milliseconds) {
        await whenChildless(pid);
        const ownBefore = childrenSeconds();
        const itsBefore = processorSeconds(pid);
        const ran = await runFio(job, target, sizeBytes, milliseconds, cleanup).catch(fail);
        await whenChildless(pid);
        const serverSeconds = processorSeconds(pid) - itsBefore;
        return {
          ...ran,
          serverSeconds,
          cpuSeconds: ran.cpuSeconds + serverSeconds,
          foreignSeconds: childrenSeconds() - ownBefore + serverSeconds,
        };
      },
    };
  },
});
