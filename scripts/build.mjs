// Builds dist/: the library and its worker, then the command line, then the types; with `--source-maps` for a debugger,
// which the package has not.
//
//   dist/index.js abi.js nbd.js testing.js queue-worker.js testing-tamperer.js
//                                          bundles that share chunks; they import nothing from npm:
//                                          what parses partition tables is in a chunk of its own
//   dist/blockpt.wasm                      the committed engine, beside the chunk that loads it
//   dist/browser/                          the same for browsers: `x.browser.ts` stands for `x.ts` where both are there.
//                                          The worker is one file, as bundlers make of workers what they like
//   dist/cli.js demo-*.js bench*.js        the command line, its demo's two threads, and what measures, with
//                                          what only they need; import `blockpt` as any user does
//   dist/cli-*.js                          what only some of the commands load: the shell's is the most
//   dist/types                             declarations

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const shared = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  outdir: "dist",
  sourcemap: process.argv.includes("--source-maps"),
  logLevel: "warning",
};

rmSync(`${root}dist`, { recursive: true, force: true });

// A parser is CommonJS and asks for one of Node's modules with `require`, which a bundle has not.
const nodeModulesForCommonJs = {
  name: "node-modules-for-commonjs",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === "require-call" && isBuiltin(path) ? { path, namespace: "node" } : undefined,
    );
    onLoad({ filter: /./, namespace: "node" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

const library = await build({
  ...shared,
  metafile: true,
  entryPoints: {
    index: "ts/index.ts",
    abi: "ts/abi/index.ts",
    nbd: "ts/nbd/index.ts",
    testing: "ts/testing/index.ts",
    "testing-tamperer": "ts/testing/tamperer-worker.ts",
  },
  splitting: true,
  chunkNames: "chunk-[hash]",
  plugins: [nodeModulesForCommonJs],
});
// By itself: a thread starts the sooner, the fewer files it loads.
const queueWorker = await build({
  ...shared,
  metafile: true,
  entryPoints: { "queue-worker": "ts/endpoint/queue-worker.ts" },
  splitting: true,
  chunkNames: "chunk-[hash]",
  plugins: [nodeModulesForCommonJs],
});
copyFileSync(`${root}ts/engine/wasm/blockpt.wasm`, `${root}dist/blockpt.wasm`);

// In browsers a module is replaced by its sibling for browsers, and Node's by packages that do the same there.
const forBrowsers = {
  name: "for-browsers",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.{1,2}\/.*\.js$/ }, ({ path, resolveDir }) => {
      const sibling = join(resolveDir, path.replace(/\.js$/, ".browser.ts"));
      return existsSync(sibling) ? { path: sibling } : undefined;
    });
    // A package makes a stream that nobody takes.
    onResolve({ filter: /^stream$/ }, ({ path }) => ({ path, namespace: "no-stream" }));
    onLoad({ filter: /./, namespace: "no-stream" }, () => ({
      contents: "module.exports = { Transform: class {} };",
    }));
  },
};
/** A queue's thread is told where a partition is: what parses tables would be half of it. */
const noTables = {
  name: "no-tables",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/partition-table\.js$/ }, ({ path }) => ({
      path,
      namespace: "no-tables",
    }));
    onLoad({ filter: /./, namespace: "no-tables" }, () => ({ contents: "export {};" }));
  },
};
const browser = {
  ...shared,
  platform: "browser",
  target: "es2022",
  outdir: "dist/browser",
  metafile: true,
  alias: { "node:path": "path-browserify", "node:buffer": "buffer" },
  inject: ["scripts/buffer.mjs"],
  plugins: [forBrowsers],
};
const inBrowsers = [
  await build({
    ...browser,
    entryPoints: { index: "ts/index.ts", testing: "ts/testing/index.ts" },
    splitting: true,
    chunkNames: "chunk-[hash]",
  }),
  await build({
    ...browser,
    inject: [],
    plugins: [noTables, forBrowsers],
    entryPoints: {
      "queue-worker": "ts/endpoint/queue-worker.ts",
      "testing-tamperer": "ts/testing/tamperer-worker.ts",
    },
  }),
];
copyFileSync(`${root}ts/engine/wasm/blockpt.wasm`, `${root}dist/browser/blockpt.wasm`);

// What just-bash loads for commands that the shell does not offer: they need packages of their own, native
// ones among them, and would be two thirds of the bundle. `ts/cli/sh/commands/commands.ts` leaves them out.
const fewerCommands = {
  name: "fewer-commands",
  setup({ onResolve, onLoad }) {
    const left =
      "curl|file|flag-coverage|html-to-markdown|js-exec|python3|sqlite3|tar|undici|xan|yq";
    onResolve({ filter: new RegExp(`^\\./(chunks/)?(${left})-\\w+\\.js$`) }, ({ path }) => ({
      path,
      namespace: "left-out",
    }));
    onLoad({ filter: /./, namespace: "left-out" }, () => ({ contents: "export {};" }));
  },
};
/** just-bash comes as a bundle, and this is in what is used of it. */
const inJustBash = ["node_modules/re2js"];

const commandLine = await build({
  ...shared,
  metafile: true,
  entryPoints: {
    cli: "ts/cli/cli.ts",
    bench: "ts/cli/bench/index.ts",
    "bench-hand-over": "ts/cli/bench/hand-over-worker.ts",
    "bench-load": "ts/cli/bench/load-worker.ts",
    "demo-endpoint": "ts/cli/demo/endpoint-worker.ts",
    "demo-root-complex": "ts/cli/demo/root-complex-worker.ts",
  },
  external: ["blockpt", "blockpt/abi", "blockpt/nbd", "blockpt/testing"],
  // What only one command needs is loaded with it.
  splitting: true,
  chunkNames: "cli-[hash]",
  // Most of it is other people's.
  minify: true,
  plugins: [fewerCommands],
  // Some of what it bundles is CommonJS and asks for Node's own modules with `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});

chmodSync(`${root}dist/cli.js`, 0o755);
writeFileSync(
  `${root}dist/THIRD-PARTY-LICENSES.txt`,
  licensesOf(library, queueWorker, ...inBrowsers, commandLine),
);

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "--project", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});

/** The licence texts of the packages that bundles hold. */
function licensesOf(...builds) {
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const folders = inputs.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  return [...new Set([...folders, ...inJustBash])]
    .filter((folder) => folder !== undefined)
    .map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(`${root}${folder}/package.json`, "utf8"),
      );
      const file = readdirSync(`${root}${folder}`).find((entry) => /^licen[cs]e/i.test(entry));
      const text =
        file === undefined ? "" : `\n${readFileSync(`${root}${folder}/${file}`, "utf8").trim()}\n`;
      return `${name} ${version}, ${license}\n${text}`;
    })
    .sort()
    .join(`\n${"-".repeat(72)}\n\n`);
}
