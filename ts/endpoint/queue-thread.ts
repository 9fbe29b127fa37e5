// A worker thread that serves a queue, seen from the endpoint: in Node.

import { Worker } from "node:worker_threads";

/**
 * What serves a queue, in place of the script that comes with the library: where `blockpt/queue-worker` is, or who makes
 * a worker of it. In Node that is called with the options that `Worker` of `node:worker_threads` has to have.
 */
export type QueueWorkerSource = URL | string | ((options: object) => unknown);

/** So long a thread may take to end after its report. */
const ENDS_MS = 1000;

/** Who hears of a thread. */
export interface QueueThreadEvents {
  /** It ended well, and says how. */
  onReport(report: unknown): void;
  /** It ended in another way. */
  onFailure(why: string): void;
  /** It touches nothing any more; after one of the others, if it was not terminated. */
  onExit(): void;
}

export class QueueThread {
  readonly #worker: Worker;

  constructor(
    data: unknown,
    source: QueueWorkerSource | undefined,
    { onReport, onFailure, onExit }: QueueThreadEvents,
  ) {
    const workerData = data;
    // Not the process's own flags: some, as --input-type, are no flags of a worker.
    const options = { workerData, execArgv: [] };
    const script = source ?? new URL("./queue-worker.js", import.meta.url);
    this.#worker =
      typeof script === "function" ? (script(options) as Worker) : new Worker(script, options);
    this.#worker.on("message", (report) => {
      onReport(report);
      // A disc's source may have left something that would keep it alive.
      setTimeout(() => void this.terminate(), ENDS_MS).unref();
    });
    this.#worker.on("error", (error) => {
      onFailure(`its worker failed: ${error instanceof Error ? error.message : String(error)}`);
    });
    this.#worker.on("exit", (code) => {
      onFailure(`its worker ended with code ${code}`);
      onExit();
    });
  }

  /** Ends it wherever it is; done when it has. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }
}
