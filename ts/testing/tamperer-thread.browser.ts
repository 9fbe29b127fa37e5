// The thread that writes over what is attacked: in a browser.

import type { Start } from "../platform/thread.browser.js";

/** Starts it; it ends with the page. */
export function startTamperer(data: unknown): { terminate(): unknown } {
  const worker = new Worker(new URL("./testing-tamperer.js", import.meta.url), { type: "module" });
  const lock = `blockpt ${crypto.randomUUID()}`;
  worker.postMessage({ data, lock } satisfies Start<unknown>);
  return worker;
}
