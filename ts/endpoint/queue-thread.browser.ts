// A worker thread that serves a queue, seen from the endpoint: in a browser.
//
// It has ended when the lock is free that it holds: ts/platform/thread.browser.ts.

import type { Start, Told } from "../platform/thread.browser.js";
import { nextTurn } from "../platform/turns.browser.js";
import type { QueueThreadEvents, QueueWorkerSource } from "./queue-thread.js";

export type { QueueThreadEvents, QueueWorkerSource } from "./queue-thread.js";

export class QueueThread {
  readonly #worker: Worker;
  readonly #lock = `blockpt ${crypto.randomUUID()}`;
  readonly #ended: Promise<void>;
  #end: () => void = () => {};

  constructor(data: unknown, source: QueueWorkerSource | undefined, events: QueueThreadEvents) {
    const worker = makeWorker(source);
    this.#worker = worker;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#end = resolve;
    // What it said last is there by then.
    this.#ended = promise.then(nextTurn).then(() => {
      events.onFailure("its worker ended, and did not say why");
      events.onExit();
    });
    worker.addEventListener("message", ({ data: told }: MessageEvent<Told>) => {
      if (told.kind === "locked") this.#awaitEnd();
      else if (told.kind === "report") events.onReport(told.value);
      else events.onFailure(`its worker failed: ${told.why}`);
    });
    worker.addEventListener("error", ({ message }) => {
      const why =
        message ||
        "its script cannot be loaded (is it a module, served with Cross-Origin-Embedder-Policy: require-corp, and " +
          "one that the page's Content-Security-Policy allows?)";
      events.onFailure(`its worker failed: ${why}`);
      void this.terminate();
    });
    worker.postMessage({ data, lock: this.#lock } satisfies Start<unknown>);
  }

  /** Ends it wherever it is; done when it has. */
  async terminate(): Promise<void> {
    this.#worker.terminate();
    // Before it holds the lock it has touched nothing.
    this.#awaitEnd();
    await this.#ended;
  }

  #awaitEnd(): void {
    void navigator.locks.request(this.#lock, this.#end);
  }
}

function makeWorker(source: QueueWorkerSource | undefined): Worker {
  if (typeof source === "function") return source({}) as Worker;
  if (source !== undefined) return new Worker(source, { type: "module" });
  // As bundlers want it, to the letter.
  return new Worker(new URL("./queue-worker.js", import.meta.url), { type: "module" });
}
