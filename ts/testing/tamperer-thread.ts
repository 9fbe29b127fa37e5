// The thread that writes over what is attacked: in Node.

import { Worker } from "node:worker_threads";

/** Starts it; who forgets to end it shall end nevertheless. */
export function startTamperer(workerData: unknown): { terminate(): unknown } {
  const worker = new Worker(new URL("./testing-tamperer.js", import.meta.url), { workerData });
  worker.unref();
  return worker;
}
