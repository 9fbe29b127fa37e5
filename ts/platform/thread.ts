// Which thread this is, and what it was started with: in Node.

import { isMainThread, parentPort, threadId, workerData } from "node:worker_threads";

/** What this thread is called in a trace. */
export function threadName(): string {
  return isMainThread ? "main" : `thread ${threadId}`;
}

/** What this worker was started with. */
export async function startedWith<T>(): Promise<T> {
  return workerData as T;
}

/** Tells who started this worker how it ended; it ends of itself then. */
export function report(value: unknown): void {
  parentPort?.postMessage(value);
}
