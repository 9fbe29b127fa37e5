// The programs of the guides that are for browsers, marked `js browser`: each is a module script of a page with an import map.

import { createReadStream, readdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { printedBy } from "../package/printed.js";
import { BrowserRig, hasBrowser, ISOLATION, needBrowser } from "./rig.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const guides = join(root, "docs/guides");
/** Where an application has the package. */
const PACKAGE = "/node_modules/blockpt/";

const programs = readdirSync(guides).flatMap((name) => {
  const text = readFileSync(join(guides, name), "utf8");
  return [...text.matchAll(/```js browser\n([\s\S]*?)```/g)].map(([, code = ""], index) => ({
    name: `${name}, program ${index + 1}`,
    code,
  }));
});

let rig: BrowserRig;

beforeAll(async () => {
  if (hasBrowser) rig = await BrowserRig.open(respond);
});
beforeEach(needBrowser);
afterAll(() => rig?.close());

const MAP = { imports: { blockpt: `${PACKAGE}dist/browser/index.js` } };

/** The package as an application has it, and a page for each program. */
function respond(path: string, response: ServerResponse): boolean {
  const program = programs[Number(/^\/(\d+)\.html$/.exec(path)?.[1])];
  if (program !== undefined) {
    response.writeHead(200, { "Content-Type": "text/html", ...ISOLATION });
    response.end(`<!doctype html><title>${program.name}</title><link rel="icon" href="data:,">
      <script type="importmap">${JSON.stringify(MAP)}</script>
      <script type="module">${program.code}; globalThis.ended = true;</script>`);
    return true;
  }
  if (!path.startsWith(`${PACKAGE}dist/`)) return false;
  const type = path.endsWith(".wasm") ? "application/wasm" : "text/javascript";
  response.writeHead(200, { "Content-Type": type, ...ISOLATION });
  createReadStream(join(root, path.slice(PACKAGE.length))).pipe(response);
  return true;
}

test("there are such programs", () => expect(programs.length).toBeGreaterThan(1));

test.for(programs.map(({ name, code }, index) => ({ name, code, index })))(
  "$name runs, and prints what it says",
  async ({ code, index }) => {
    const page = await rig.browser.newPage();
    const lines: string[] = [];
    const failed = new Promise<never>((_, reject) => page.on("pageerror", reject));
    page.on("console", (line) => lines.push(line.text()));
    await page.goto(`${rig.origin}/${index}.html`);
    await Promise.race([page.waitForFunction(() => "ended" in globalThis), failed]);
    expect(lines).toEqual(printedBy(code));
  },
);
