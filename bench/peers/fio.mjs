// fio: what it is told to do, and what its report says.

import { spawn } from "node:child_process";
import { endProcess, lastLine } from "./processes.mjs";

const PATIENCE_MS = 20_000;

/**
 * What fio says of a run.
 *
 * @typedef {object} FioRun
 * @property {number} requests
 * @property {number} milliseconds
 * @property {number} cpuSeconds - of fio's own job
 * @property {import("../../ts/cli/bench/measure.js").Latency} latency - from submission to completion, in microseconds
 */

/**
 * What all jobs are run with. A job is a thread, as what a job's process uses would be counted late.
 *
 * @param {import("./jobs.mjs").PeerJob} job
 * @param {number} sizeBytes
 */
function commonArgs({ pattern, blockBytes }, sizeBytes) {
  return [
    ...["--name=job", "--thread", `--rw=${pattern}`, `--bs=${blockBytes}`, `--size=${sizeBytes}`],
    // Any place at any time, without a map of which had their turn.
    ...["--norandommap", "--randrepeat=1"],
    // What is in the page cache stays there; and nothing is made that is not.
    ...["--invalidate=0", "--allow_file_create=0"],
    ...["--output-format=json", "--lat_percentiles=1", "--clat_percentiles=0"],
    "--percentile_list=50:90:99:99.9",
  ];
}

/**
 * Runs a job for a while.
 *
 * @param {import("./jobs.mjs").PeerJob} job
 * @param {string[]} target - engine and file
 * @param {number} sizeBytes
 * @param {number} milliseconds
 * @param {import("../../ts/cli/cleanup.js").Cleanup} cleanup
 */
export async function runFio(job, target, sizeBytes, milliseconds, cleanup) {
  const timed = [`--iodepth=${job.depth}`, "--time_based", `--runtime=${milliseconds}ms`];
  const args = [...commonArgs(job, sizeBytes), ...timed, ...target];
  return parseFio(await fio(args, milliseconds, cleanup), job.pattern);
}

/**
 * Writes a disc of which no page is zero once, as one that nobody wrote is no memory.
 *
 * @param {string[]} target
 * @param {number} sizeBytes
 * @param {import("../../ts/cli/cleanup.js").Cleanup} cleanup
 */
export async function fillByFio(target, sizeBytes, cleanup) {
  const args = ["--name=fill", "--thread", "--rw=write", "--bs=1M", `--size=${sizeBytes}`];
  await fio([...args, "--iodepth=4", "--refill_buffers", ...target], 0, cleanup);
}

/**
 * @param {string[]} args
 * @param {number} milliseconds
 * @param {import("../../ts/cli/cleanup.js").Cleanup} cleanup
 * @returns {Promise<string>} its output
 */
async function fio(args, milliseconds, cleanup) {
  if (cleanup.started) throw new Error("the benchmark is ending");
  const child = spawn("fio", args, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: milliseconds + PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  const forget = cleanup.add(() => child.pid === undefined || endProcess(child.pid));
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  try {
    const [code, signal] = await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...how) => resolve(how));
    });
    if (code === 0) return stdout;
    // Only its time-out kills it so.
    if (signal === "SIGKILL") throw new Error(`fio did not end within ${PATIENCE_MS / 1000} s`);
    throw new Error(lastLine(stderr) || `fio ended with ${code ?? signal}`);
  } finally {
    forget();
  }
}

/**
 * Reads fio's report, before which it may have said other things.
 *
 * @param {string} text
 * @param {import("./jobs.mjs").PeerJob["pattern"]} pattern
 * @returns {FioRun}
 */
export function parseFio(text, pattern) {
  const begin = text.indexOf("{");
  if (begin < 0) throw new Error("fio reported nothing");
  const [job] = JSON.parse(text.slice(begin)).jobs;
  if (job.error !== 0) throw new Error(`fio's job failed with error ${job.error}`);
  const {
    iops,
    total_ios: requests,
    lat_ns: latency,
  } = job[pattern === "randread" ? "read" : "write"];
  if (!(requests > 0)) throw new Error("fio did no request in that time");
  const at = (/** @type {string} */ percentile) => latency.percentile[percentile] / 1000;
  return {
    requests,
    milliseconds: (1000 * requests) / iops,
    cpuSeconds: ((job.usr_cpu + job.sys_cpu) / 100) * (job.job_runtime / 1000),
    latency: {
      p50: at("50.000000"),
      p90: at("90.000000"),
      p99: at("99.000000"),
      p999: at("99.900000"),
      max: latency.max / 1000,
    },
  };
}
