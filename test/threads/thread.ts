// Threads of tests: a TypeScript file as a worker, which is terminated after the test.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterThisTest } from "../api/rig.js";
import { compileThread } from "./compile-thread.js";

/** Starts a file of this folder as a worker; it is terminated after the test. */
export async function startThread(file: string, workerData: unknown): Promise<Worker> {
  const worker = new Worker(await compileThread(file), { workerData });
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
