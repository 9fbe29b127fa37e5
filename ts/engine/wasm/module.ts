// Loads the compiled module, once a thread.

import { readFile } from "node:fs/promises";

let loading: Promise<WebAssembly.Module> | undefined;

/** The module of `crates/wasm`. A failed load is tried again by the next call. */
export function loadModule(): Promise<WebAssembly.Module> {
  loading ??= compile().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function compile(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(new URL("./blockpt.wasm", import.meta.url)));
}
