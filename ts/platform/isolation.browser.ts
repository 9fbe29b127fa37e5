// Whether threads may share memory: in a browser only those of a page that is cross-origin isolated.

/** What makes a page so, if it comes from a secure origin: the values that do, and first the one to be advised. */
const HEADERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "Cross-Origin-Opener-Policy": ["same-origin"],
  "Cross-Origin-Embedder-Policy": ["require-corp", "credentialless"],
};

/** So long the page's server may take to say what it sends. */
const ANSWER_MS = 2000;

/** Why there is no shared memory, and what to do; undefined if there is. */
export async function whyNotIsolated(): Promise<string | undefined> {
  if (globalThis.crossOriginIsolated) return undefined;
  if (!globalThis.isSecureContext) {
    return (
      `${location.origin} is no secure origin, and shared memory is for those: serve the page from https:// or from ` +
      `http://localhost, ${withHeaders(Object.keys(HEADERS))}`
    );
  }
  const missing = await missingHeaders();
  if (missing.length > 0) {
    return `this page is not cross-origin isolated: serve it ${withHeaders(missing)}\nScripts of workers need the second, too; what comes from other origins needs CORS or Cross-Origin-Resource-Policy`;
  }
  return (
    `this page has the headers, and is not cross-origin isolated: a page around it has them not, ` +
    `or its <iframe> has no allow="cross-origin-isolated"`
  );
}

function withHeaders(names: readonly string[]): string {
  const lines = names.map((name) => `  ${name}: ${HEADERS[name]?.[0]}`);
  return `with the header${names.length === 1 ? "" : "s"}\n${lines.join("\n")}`;
}

/** Those that the page, or the worker's script, came without; all where that cannot be told. */
async function missingHeaders(): Promise<string[]> {
  const names = Object.keys(HEADERS);
  // A worker is as isolated as its page, of which it knows nothing.
  if (typeof document === "undefined") return names;
  try {
    const { headers } = await fetch(location.href, {
      method: "HEAD",
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return names.filter((name) => {
      const value = headers.get(name)?.split(";")[0]?.trim();
      return value === undefined || !HEADERS[name]?.includes(value);
    });
  } catch {
    return names;
  }
}
