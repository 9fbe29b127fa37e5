// What a server of the bench page sends with every file.

/**
 * Nothing is loaded from elsewhere but the images that somebody names. Worker scripts are from here, too; the library's
 * engine is WebAssembly.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Without the first two no memory can be shared between threads. */
export const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export const HEADERS = {
  ...ISOLATION,
  "Content-Security-Policy": CONTENT_SECURITY_POLICY,
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};
