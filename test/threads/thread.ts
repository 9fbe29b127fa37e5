// Threads of tests: a TypeScript file as a worker, which uses the built library as the tests do.

import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { afterThisTest } from "../api/rig.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Within the project, so that packages are found from there. */
const folder = `${root}node_modules/.cache/blockpt-test`;
const library = new URL("../../dist/index.js", import.meta.url).href;

const built = new Map<string, Promise<string>>();

function compile(file: string): Promise<string> {
  const outfile = `${folder}/${basename(file, ".ts")}-${process.pid}.mjs`;
  mkdirSync(folder, { recursive: true });
  return build({
    entryPoints: [fileURLToPath(new URL(file, import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    alias: { blockpt: library },
    external: [library],
    logLevel: "error",
  }).then(() => outfile);
}

/** Starts a file of this folder as a worker; it is terminated after the test. */
export async function startThread(file: string, workerData: unknown): Promise<Worker> {
  const compiled = built.get(file) ?? compile(file);
  built.set(file, compiled);
  const worker = new Worker(await compiled, { workerData });
  afterThisTest(async () => {
    await worker.terminate();
  });
  return worker;
}

/** The next message of a worker; its error is thrown. */
export async function nextMessage(worker: Worker): Promise<unknown> {
  const [message] = await once(worker, "message");
  return message;
}
