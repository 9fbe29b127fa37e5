// A worker thread as something to call: each call has one answer, and between them
// the thread may tell of events. The main thread's end and the worker's end.
//
//   main thread                               worker
//   call("attach", "ram0") ── Call ─────────► calls.attach("ram0")
//                         ◄── Answer ──────── its result, or its failure
//   onEvent(event)        ◄── { event } ───── tell(event)

import { parentPort, Worker } from "node:worker_threads";
import type { Cleanup } from "../cleanup.js";
import { CliError, type Failure, failureOf } from "../failure.js";

/** What a worker can be asked to do. */
export type Calls = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

/** The main thread's end. */
export interface Thread<C extends Calls> {
  /** Has the worker do something; rejects with a {@link CliError} that carries its failure. */
  call<K extends keyof C & string>(
    name: K,
    ...args: Parameters<C[K]>
  ): Promise<Awaited<ReturnType<C[K]>>>;
  /** Ends the worker, whatever it does. */
  terminate(): Promise<void>;
}

interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Failure };

type Message = Answer | { readonly event: unknown };

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Starts a worker whose code calls {@link answerCalls}.
 *
 * @param onEvent - hears what the worker tells; `E` is what it is
 */
export function startThread<C extends Calls, E = never>(
  name: string,
  url: URL,
  cleanup: Cleanup,
  onEvent: (event: E) => void,
): Thread<C> {
  const worker = new Worker(url, { name });
  const pending = new Map<number, Pending>();
  let ended: CliError | undefined;
  const end = (why: string): void => {
    ended ??= new CliError({ code: "ERR_DEMO_THREAD", message: `${name}: ${why}` });
    for (const { reject } of pending.values()) reject(ended);
    pending.clear();
  };
  worker.on("message", (message: Message) => {
    if ("event" in message) onEvent(message.event as E);
    else settle(pending, message);
  });
  worker.on("error", (error) => end(failureOf(error).message));
  worker.on("exit", (code) => end(`the thread ended with code ${code}`));
  const terminate = async (): Promise<void> => {
    forget();
    await worker.terminate();
  };
  const forget = cleanup.add(terminate);
  let lastId = 0;
  return {
    call: (call, ...[argument]) => {
      if (ended !== undefined) return Promise.reject(ended);
      const id = ++lastId;
      worker.postMessage({ id, name: call, argument } satisfies Call);
      // The worker answers with what its function of this name gives.
      return new Promise((resolve, reject) => {
        pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      });
    },
    terminate,
  };
}

function settle(pending: Map<number, Pending>, answer: Answer): void {
  const waiting = pending.get(answer.id);
  pending.delete(answer.id);
  if ("failure" in answer) waiting?.reject(new CliError(answer.failure));
  else waiting?.resolve(answer.value);
}

/** The worker's end: answers calls until the thread is terminated. */
export function answerCalls(calls: Calls): void {
  parentPort?.on("message", async ({ id, name, argument }: Call) => {
    try {
      post({ id, value: await calls[name]?.(argument as never) });
    } catch (error) {
      post({ id, failure: failureOf(error) });
    }
  });
}

/** The worker's end: tells the main thread of something. */
export function tell<E>(event: E): void {
  post({ event });
}

function post(message: Message): void {
  parentPort?.postMessage(message);
}
