// An object in a worker, called from the page as if it were here. Errors keep their codes.

import { expose, proxy, type Remote, transferHandlers, wrap } from "comlink";

/** What becomes of an error on its way. */
interface PostedError {
  readonly message: string;
  readonly name: string;
  readonly code: unknown;
  readonly blkStatus: unknown;
}

const ofComlink = transferHandlers.get("throw");
if (ofComlink === undefined) throw new Error("Comlink has no handler of errors");
transferHandlers.set("throw", {
  canHandle: ofComlink.canHandle,
  serialize: (thrown: unknown): [PostedError, Transferable[]] => {
    const { value } = thrown as { value: Partial<PostedError> | undefined };
    const { message = String(value), name = "Error", code, blkStatus } = value ?? {};
    return [{ message, name, code, blkStatus }, []];
  },
  deserialize: ({ message, name, code, blkStatus }: PostedError): never => {
    throw Object.assign(new Error(message), { name, code, blkStatus });
  },
});

/** In a worker: has the page call an object's methods. */
export function serve(object: object): void {
  expose(object);
}

/** An object in a worker, and the worker's end. */
export interface RemoteObject<T> {
  readonly object: Remote<T>;
  /** Rejects if the worker cannot be loaded, or dies of an error. */
  readonly failure: Promise<never>;
  end(): void;
}

/** Starts a worker that serves an object. */
export function startRemote<T>(script: string, name: string): RemoteObject<T> {
  const worker = new Worker(new URL(script, import.meta.url), { type: "module", name });
  const failure = new Promise<never>((_resolve, reject) => {
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      reject(new Error(event.message || `the worker ${name} (${script}) could not be loaded`));
    });
  });
  // Whoever calls something hears of it.
  failure.catch(() => {});
  return { object: wrap<T>(worker), failure, end: () => worker.terminate() };
}

/** A function that the worker calls here. */
export const callback = proxy;
