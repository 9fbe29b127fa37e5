// The server of the bench page: what it answers to requests that no browser makes.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serveSite } from "../../scripts/site/server.mjs";
import { afterThisTest } from "../api/rig.js";

test.each([
  ["/?a=/b", 200],
  ["//", 200],
  ["/%", 400],
  ["/../package.json", 403],
  ["http://[", 404],
])("%s is answered by %i, and the server goes on", async (path, status) => {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-server-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "index.html"), "the page");
  const { url, close } = await serveSite(folder);
  afterThisTest(close);
  const { port } = new URL(url);
  const answered = await new Promise((resolve, reject) => {
    const asking = request({ host: "127.0.0.1", port, path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asking.on("error", reject).end();
  });
  expect(answered).toBe(status);
  expect(await (await fetch(url)).text()).toBe("the page");
});
