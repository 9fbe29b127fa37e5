// The NBD servers, ours among them: how each is started on a unix socket, and stays up until the end of its job.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatNbdUri } from "../../dist/nbd.js";
import { DISC_BYTES } from "./jobs.mjs";
import { endProcess, lastLine, until } from "./processes.mjs";

/**
 * What a server is given.
 *
 * @typedef {object} Place
 * @property {string} directory - of its own
 * @property {string} socket - where it listens
 * @property {string} path - of the file that it may have to serve
 *
 * @typedef {object} ServerKind
 * @property {string} peer
 * @property {string} what
 * @property {import("./tools.mjs").Tool} [tool] - none for ours, which is here
 * @property {import("./jobs.mjs").PeerJob["disc"]} disc
 * @property {(place: Place) => string[]} args
 * @property {string} [exportName] - the empty one, if it is not said
 * @property {string} [pidFile] - in the directory, of one that goes to the background
 *
 * @typedef {object} Server
 * @property {number} pid
 * @property {string} uri
 * @property {() => string} complaint - the last line of its stderr
 */

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/**
 * @param {string} socketPath
 * @param {string} [exportName]
 */
const uriOf = (socketPath, exportName = "") =>
  formatNbdUri({ tls: false, host: undefined, port: 0, socketPath, exportName, parameters: {} });

/**
 * @param {import("./jobs.mjs").PeerJob["disc"]} disc
 * @param {(path: string) => string} discName
 * @returns {ServerKind}
 */
const ours = (disc, discName) => ({
  peer: "blockpt serve",
  what: `blockpt's own NBD server of a ${disc} disc`,
  disc,
  args: ({ socket, path }) => ["serve", "--listen", uriOf(socket), "--json", discName(path)],
});

/**
 * QEMU locks the file that it opens, also against the others that have it open here.
 *
 * @param {string} path
 * @param {string} aio
 */
const qemuFile = (path, aio) =>
  `driver=file,filename=${path.replaceAll(",", ",,")},aio=${aio},locking=off`;

/** @param {string} aio */
const qemuNbd = (aio) => ({
  peer: `qemu-nbd, ${aio}`,
  what: `qemu-nbd of a file with aio=${aio}, through the page cache`,
  tool: /** @type {const} */ ("qemu-nbd"),
  disc: /** @type {const} */ ("file"),
  args: (/** @type {Place} */ { socket, path }) => [
    ...["--socket", socket, "--persistent", "--shared=4"],
    ...["--image-opts", qemuFile(path, aio)],
  ],
});

/**
 * @param {Place} place
 * @param {string} node - what is exported
 */
const storageDaemon = ({ socket }, node) => [
  ...["--blockdev", `${node},node-name=disk`],
  ...["--nbd-server", `addr.type=unix,addr.path=${socket}`],
  ...["--export", "type=nbd,id=export,node-name=disk,name=,writable=on"],
];

/**
 * With one thread and with as many as it has by default: which is faster is a matter of the depth.
 *
 * @param {import("./jobs.mjs").PeerJob["disc"]} disc
 * @param {(path: string) => string[]} plugin - with its parameters
 * @returns {ServerKind[]}
 */
const nbdkit = (disc, plugin) =>
  [
    { threads: "one thread", options: ["--threads", "1"] },
    { threads: "16 threads", options: [] },
  ].map(({ threads, options }) => ({
    peer: `nbdkit ${disc}, ${threads}`,
    what: `nbdkit's plugin ${disc}, ${threads}${options.length === 0 ? ", as is its default" : ""}`,
    tool: "nbdkit",
    disc,
    args: ({ socket, path }) => ["--foreground", "--unix", socket, ...options, ...plugin(path)],
  }));

/** @type {ServerKind[]} */
export const SERVERS = [
  ours("memory", () => `memory:${DISC_BYTES.memory}`),
  ours("file", (path) => path),
  ...nbdkit("memory", () => ["memory", `${DISC_BYTES.memory}`]),
  ...nbdkit("file", (path) => ["file", path]),
  {
    peer: "nbd-server",
    what: "nbd-server, a process a connection",
    tool: "nbd-server",
    disc: "file",
    exportName: "disk",
    pidFile: "nbd-server.pid",
    args: ({ directory, socket, path }) => {
      const config = join(directory, "nbd-server.conf");
      const generic = ["[generic]", `unixsock = ${socket}`, "allowlist = false"];
      writeFileSync(config, [...generic, "[disk]", `exportname = ${path}`, ""].join("\n"));
      // In the foreground (-d) it ends with its first client.
      return ["-C", config, "-p", join(directory, "nbd-server.pid")];
    },
  },
  qemuNbd("threads"),
  qemuNbd("io_uring"),
  {
    peer: "qemu-storage-daemon, io_uring",
    what: "qemu-storage-daemon exporting NBD, a file with aio=io_uring, through the page cache",
    tool: "qemu-storage-daemon",
    disc: "file",
    args: (place) => storageDaemon(place, qemuFile(place.path, "io_uring")),
  },
  {
    peer: "qemu-storage-daemon, null-co",
    what: "qemu-storage-daemon exporting NBD, a disk that moves nothing",
    tool: "qemu-storage-daemon",
    disc: "null",
    args: (place) => storageDaemon(place, `driver=null-co,size=${DISC_BYTES.null},read-zeroes=off`),
  },
  ...nbdkit("null", () => ["null", `${DISC_BYTES.null}`]),
];

/**
 * Starts a server, and gives it when it listens; the cleanup ends it.
 *
 * @param {ServerKind} kind
 * @param {Place} place
 * @param {import("../../ts/cli/cleanup.js").Cleanup} cleanup
 * @returns {Promise<Server>}
 */
export async function startServer({ peer, tool, args, exportName, pidFile }, place, cleanup) {
  if (cleanup.started) throw new Error("the benchmark is ending");
  const { directory, socket } = place;
  const [program, ...first] = tool === undefined ? [process.execPath, CLI] : [tool];
  const stdio = /** @type {const} */ (["ignore", "ignore", "pipe"]);
  // What a server has besides its socket is in its own directory, too.
  const env = { ...process.env, XDG_RUNTIME_DIR: directory };
  const child = spawn(program, [...first, ...args(place)], { cwd: directory, stdio, env });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const over = () =>
    child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  child.once("error", (error) => {
    stderr = error.message;
  });
  const pidPath = pidFile === undefined ? undefined : join(directory, pidFile);
  const pidOf = () => {
    if (pidPath === undefined) return child.pid ?? Number.NaN;
    return existsSync(pidPath) ? Number.parseInt(readFileSync(pidPath, "utf8"), 10) : Number.NaN;
  };
  cleanup.add(async () => {
    // What goes to the background does so before it can be ended.
    if (pidPath !== undefined) await until(() => over() && (child.exitCode !== 0 || pidOf() > 0));
    const pid = pidOf();
    if (pid > 0) await endProcess(pid);
  });
  let listens = false;
  await until(async () => {
    listens = pidOf() > 0 && (await isListening(socket));
    return listens || (over() && (pidPath === undefined || child.exitCode !== 0));
  });
  if (!listens) throw new Error(lastLine(stderr) || `${tool ?? peer} does not listen`);
  return {
    pid: pidOf(),
    uri: uriOf(socket, exportName),
    complaint: () => lastLine(stderr),
  };
}

/**
 * @param {string} socket
 * @returns {Promise<boolean>}
 */
function isListening(socket) {
  return new Promise((resolve) => {
    const client = connect(socket, () => {
      client.destroy();
      resolve(true);
    });
    client.once("error", () => resolve(false));
  });
}
