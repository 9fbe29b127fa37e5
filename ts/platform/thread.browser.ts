// Which thread this is, and what it was started with: in a browser.
//
// A page is not told when a worker has ended. So a worker holds a lock for as long as it lives, by whatever it ends,
// and who started it waits for that lock.

/** What a worker is posted first. */
export interface Start<T> {
  readonly data: T;
  /** The lock that it holds. */
  readonly lock: string;
}

/** What a worker posts: that it holds the lock; how it ended; or why it failed. */
export type Told =
  | { readonly kind: "locked" }
  | { readonly kind: "report"; readonly value: unknown }
  | { readonly kind: "failure"; readonly why: string };

/** What this thread is called in a trace. */
export function threadName(): string {
  if (typeof document !== "undefined") return "page";
  return self.name === "" ? "worker" : self.name;
}

/** What this worker was started with. */
export async function startedWith<T>(): Promise<T> {
  const fail = (why: unknown): void => {
    tell({ kind: "failure", why: why instanceof Error ? why.message : String(why) });
    globalThis.close();
  };
  globalThis.addEventListener("error", (event) => fail(event.error ?? event.message));
  globalThis.addEventListener("unhandledrejection", (event) => fail(event.reason));
  const start = await new Promise<Start<T>>((resolve) => {
    globalThis.addEventListener("message", (event) => resolve(event.data), { once: true });
  });
  await new Promise<void>((resolve) => {
    void navigator.locks.request(start.lock, () => {
      resolve();
      return new Promise(() => {});
    });
  });
  tell({ kind: "locked" });
  return start.data;
}

/** Tells who started this worker how it ended, and ends it. */
export function report(value: unknown): void {
  tell({ kind: "report", value });
  globalThis.close();
}

function tell(what: Told): void {
  (globalThis as unknown as { postMessage(message: unknown): void }).postMessage(what);
}
