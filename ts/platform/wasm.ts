// Where the module of the wasm engine is: in Node, a file beside the library.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The module that comes with the library. */
export async function compileOwnModule(): Promise<WebAssembly.Module> {
  return compileFrom(new URL("./blockpt.wasm", import.meta.url));
}

/** The module at a URL. */
export async function compileFrom(url: URL): Promise<WebAssembly.Module> {
  if (url.protocol === "file:") return WebAssembly.compile(await readFile(fileURLToPath(url)));
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status} ${response.statusText}`);
  return WebAssembly.compile(await response.arrayBuffer());
}
