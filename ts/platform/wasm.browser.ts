// Where the module of the wasm engine is: in a browser, a file beside the library, which bundlers find by its URL.

/** The module that comes with the library. */
export async function compileOwnModule(): Promise<WebAssembly.Module> {
  return compileFrom(new URL("./blockpt.wasm", import.meta.url));
}

/** The module at a URL. */
export async function compileFrom(url: URL): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status} ${response.statusText}`);
  // Not while it comes: that wants a server that knows the type of such a file.
  return WebAssembly.compile(await response.arrayBuffer());
}
