// Serves the bench page.

import { createServer } from "node:http";
import send from "send";
import { HEADERS } from "./headers.mjs";

/**
 * Serves a folder on the loopback interface.
 *
 * @param {string} folder
 * @param {{ port?: number, headers?: Record<string, string> }} [options] - `port`: 0, as by default, for any that is free
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serveSite(folder, { port = 0, headers = HEADERS } = {}) {
  const server = createServer((request, response) => {
    const [path = "/"] = (request.url ?? "/").split("?", 1);
    // Nothing is kept by the browser: the page may be built anew.
    send(request, path, { root: folder, cacheControl: false })
      .on("headers", (served) => {
        for (const [name, value] of Object.entries(headers)) served.setHeader(name, value);
        served.setHeader("Cache-Control", "no-store");
      })
      .pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://localhost:${address.port}/`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
