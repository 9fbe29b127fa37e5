// Builds dist/: the library and its worker, then the command line, then the types.
//
//   dist/index.js abi.js nbd.js testing.js queue-worker.js
//                                          bundles that share chunks; they import nothing from npm:
//                                          what parses partition tables is in a chunk of its own
//   dist/blockpt.wasm                      the committed engine, beside the chunk that loads it
//   dist/cli.js demo-*.js bench*.js        the command line, its demo's two threads, and what measures, with
//                                          what only they need; import `blockpt` as any user does
//   dist/cli-*.js                          what only some of the commands load: the shell's is the most
//   dist/types                             declarations

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
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
  sourcemap: true,
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
    "queue-worker": "ts/endpoint/queue-worker.ts",
  },
  splitting: true,
  chunkNames: "chunk-[hash]",
  plugins: [nodeModulesForCommonJs],
});
copyFileSync(`${root}ts/engine/wasm/blockpt.wasm`, `${root}dist/blockpt.wasm`);

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
writeFileSync(`${root}dist/THIRD-PARTY-LICENSES.txt`, licensesOf(library, commandLine));

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
