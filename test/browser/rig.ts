// A real browser for tests: Debian's Chromium, and a server of pages that are cross-origin isolated, or are not.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { TestContext } from "vitest";
import { executablePath, launchBrowser } from "../../scripts/chromium.mjs";

const dist = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".html": "text/html",
};
/** What a page needs to share memory with its workers. */
export const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
} as const;

/** Whether there is a browser. */
export const hasBrowser = executablePath !== "";

/** Skips the test, and says why, where there is no browser. */
export function needBrowser({ skip }: TestContext): void {
  skip(!hasBrowser, "no chromium here: Debian's package is chromium");
}

/** A browser with a server of the built library. */
export class BrowserRig {
  readonly browser: Browser;
  readonly origin: string;
  readonly #close: () => Promise<void>;

  private constructor(browser: Browser, origin: string, close: () => Promise<void>) {
    this.browser = browser;
    this.origin = origin;
    this.#close = close;
  }

  /**
   * @param respond - answers what is not of the library; true if it did
   * @param more - what the browser is started with besides
   */
  static async open(
    respond: (path: string, response: ServerResponse, range: string | undefined) => boolean = () =>
      false,
    more: readonly string[] = [],
  ): Promise<BrowserRig> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://localhost");
      if (respond(url.pathname, response, request.headers.range)) return;
      serve(url, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const browser = await launchBrowser(more);
    const { port } = server.address() as AddressInfo;
    return new BrowserRig(browser, `http://localhost:${port}`, async () => {
      await browser.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
  }

  /** A page that has the library as `blockpt`, and `blockpt/testing` as `testing`. */
  async page(
    options: {
      context?: BrowserContext | undefined;
      headers?: Readonly<Record<string, string>>;
      origin?: string;
    } = {},
  ): Promise<Page> {
    const { origin = this.origin, headers = ISOLATION } = options;
    const { context = await this.browser.newContext() } = options;
    const page = await context.newPage();
    await page.goto(`${origin}/page.html?headers=${encodeURIComponent(JSON.stringify(headers))}`);
    await page.waitForFunction(() => "blockpt" in globalThis);
    return page;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

function serve({ pathname, searchParams }: URL, response: ServerResponse): void {
  if (pathname === "/page.html") {
    const headers = JSON.parse(searchParams.get("headers") ?? "{}");
    response.writeHead(200, { "Content-Type": "text/html", ...headers });
    response.end(`<!doctype html><title>page</title><script type="module">
      globalThis.testing = await import("/dist/browser/testing.js");
      globalThis.blockpt = await import("/dist/browser/index.js");
    </script>`);
    return;
  }
  const path = join(dist, normalize(pathname).replace(/^\/dist\//, ""));
  if (!pathname.startsWith("/dist/") || !existsSync(path) || !statSync(path).isFile()) {
    response.writeHead(404).end();
    return;
  }
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  response.writeHead(200, { "Content-Type": type, ...ISOLATION });
  createReadStream(path).pipe(response);
}
