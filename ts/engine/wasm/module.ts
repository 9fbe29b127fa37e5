// Loads the compiled module, once a thread.

import { compileFrom, compileOwnModule } from "../../platform/wasm.js";

/** The module, its bytes, or where it is. */
export type WasmSource = WebAssembly.Module | Uint8Array | ArrayBuffer | URL | string;

let loading: Promise<WebAssembly.Module> | undefined;

/** The module of `crates/wasm`, or what stands for it. A failed load is tried again by the next call. */
export async function loadModule(source?: WasmSource | undefined): Promise<WebAssembly.Module> {
  if (source !== undefined) return compile(source);
  loading ??= compileOwnModule().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof URL) return compileFrom(source);
  if (typeof source === "string") return compileFrom(new URL(source, globalThis.location?.href));
  return WebAssembly.compile(source as Uint8Array<ArrayBuffer>);
}
