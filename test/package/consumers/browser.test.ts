// Pages that use the installed package, in a real browser: bundled by what bundles, served by Vite, and as they are.

import { createReadStream, existsSync, statSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { extname, join } from "node:path";
import { build as esbuild } from "esbuild";
import type { Page } from "playwright-core";
import * as vite from "vite";
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import webpack from "webpack";
import { BrowserRig, ISOLATION, needBrowser } from "../../browser/rig.js";
import { type Installed, install, ROUND_TRIP } from "./installed.js";

let installed: Installed;
let rig: BrowserRig | undefined;

beforeAll(async () => {
  installed = await install();
  await write(
    "app.js",
    `import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
     import { roundTrip } from "./round-trip.js";
     globalThis.result = roundTrip({ createBus, Endpoint, MemoryDisc, RootComplex });`,
  );
  await write("index.html", pageOf("./app.js"));
});

afterAll(() => rig?.close());

const write = (name: string, text: string): Promise<void> =>
  writeFile(join(installed.folder, name), text);

const pageOf = (script: string, head = ""): string =>
  `<!doctype html><title>blockpt</title><link rel="icon" href="data:,">${head}
   <script type="module" src="${script}"></script>`;

const TYPES: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** A browser, and a server of the project's files as they are. */
async function open(context: TestContext): Promise<BrowserRig> {
  needBrowser(context);
  rig ??= await BrowserRig.open((path: string, response: ServerResponse): boolean => {
    const file = join(installed.folder, path);
    if (!existsSync(file) || !statSync(file).isFile()) return false;
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "Content-Type": type, ...ISOLATION });
    createReadStream(file).pipe(response);
    return true;
  });
  return rig;
}

/** What a page of ours gives; it fails at nothing by the way. */
async function resultOf({ browser }: BrowserRig, url: string): Promise<string> {
  const page: Page = await browser.newPage();
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") complaints.push(line.text());
  });
  try {
    await page.goto(url);
    await page
      .waitForFunction(() => "result" in globalThis)
      .catch((error: Error) => {
        throw new Error(`${error.message}: ${complaints.join("; ")}`);
      });
    const result = await page.evaluate(() => (globalThis as { result?: unknown }).result);
    expect(complaints).toEqual([]);
    return result as string;
  } finally {
    await page.close();
  }
}

test("a page without a bundler, by an import map", async (context) => {
  const opened = await open(context);
  const map = { imports: { blockpt: "./node_modules/blockpt/dist/browser/index.js" } };
  const head = `<script type="importmap">${JSON.stringify(map)}</script>`;
  await write("plain.html", pageOf("./app.js", head));
  expect(await resultOf(opened, `${opened.origin}/plain.html`)).toBe(ROUND_TRIP);
});

test("esbuild, with the worker and the WebAssembly beside the bundle", async (context) => {
  const opened = await open(context);
  await esbuild({
    absWorkingDir: installed.folder,
    entryPoints: { app: "app.js", "queue-worker": "blockpt/queue-worker" },
    bundle: true,
    format: "esm",
    outdir: "esbuild",
  });
  const wasm = join(installed.directory, "dist/blockpt.wasm");
  await copyFile(wasm, join(installed.folder, "esbuild/blockpt.wasm"));
  await write("esbuild/index.html", pageOf("./app.js"));
  expect(await resultOf(opened, `${opened.origin}/esbuild/index.html`)).toBe(ROUND_TRIP);
});

test("esbuild, told where the worker and the WebAssembly are, with a worker of one's own", async (context) => {
  const opened = await open(context);
  await write("own-worker.js", 'import "blockpt/queue-worker";');
  await write(
    "told.js",
    `import * as blockpt from "blockpt";
     import wasm from "blockpt/blockpt.wasm";
     import { roundTrip } from "./round-trip.js";
     globalThis.result = roundTrip(blockpt, {
       bus: { wasm: new URL(wasm, import.meta.url) },
       endpoint: { queueWorker: new URL("./workers/queue.js", import.meta.url) },
     });`,
  );
  await esbuild({
    absWorkingDir: installed.folder,
    entryPoints: { "app/told": "told.js", "app/workers/queue": "own-worker.js" },
    bundle: true,
    format: "esm",
    outdir: "told",
    loader: { ".wasm": "file" },
    publicPath: "/told",
  });
  await write("told/app/index.html", pageOf("./told.js"));
  expect(await resultOf(opened, `${opened.origin}/told/app/index.html`)).toBe(ROUND_TRIP);
});

test("webpack, without a setting", async (context) => {
  const opened = await open(context);
  const stats = await new Promise<webpack.Stats | undefined>((resolve, reject) => {
    webpack(
      {
        context: installed.folder,
        entry: "./app.js",
        mode: "production",
        output: { path: join(installed.folder, "webpack") },
        // To make it small takes half a minute; and it says of what is large that it is.
        optimization: { minimize: false },
        performance: false,
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
  });
  const { errors, warnings } = stats?.toJson({ all: false, errors: true, warnings: true }) ?? {};
  expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  await write("webpack/index.html", pageOf("./main.js"));
  expect(await resultOf(opened, `${opened.origin}/webpack/index.html`)).toBe(ROUND_TRIP);
});

/** Vite as it is without a setting, but for the headers, and for what would be written to the terminal. */
function viteWith(complaints: string[], options: vite.InlineConfig): vite.InlineConfig {
  const logger = vite.createLogger("silent");
  const complain = (line: string): void => void complaints.push(line);
  const customLogger = { ...logger, warn: complain, error: complain };
  return { root: installed.folder, configFile: false, logLevel: "warn", customLogger, ...options };
}

test("Vite's server for development, without a setting", async (context) => {
  const opened = await open(context);
  const complaints: string[] = [];
  const server = await vite.createServer(viteWith(complaints, { server: { headers: ISOLATION } }));
  try {
    await server.listen();
    const url = server.resolvedUrls?.local[0] ?? "";
    expect(await resultOf(opened, `${url}index.html`)).toBe(ROUND_TRIP);
  } finally {
    await server.close();
  }
  expect(complaints).toEqual([]);
});

test("Vite's build and its preview, without a setting", async (context) => {
  const opened = await open(context);
  const complaints: string[] = [];
  await vite.build(viteWith(complaints, { build: { outDir: "vite" } }));
  const server = await vite.preview(
    viteWith(complaints, { build: { outDir: "vite" }, preview: { headers: ISOLATION } }),
  );
  try {
    const url = server.resolvedUrls?.local[0] ?? "";
    expect(await resultOf(opened, `${url}index.html`)).toBe(ROUND_TRIP);
  } finally {
    await server.close();
  }
  expect(complaints).toEqual([]);
});
