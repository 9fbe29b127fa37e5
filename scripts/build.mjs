// Builds dist/: the library and its worker, then the command line, then the types.
//
//   dist/index.js abi.js queue-worker.js   bundles that share chunks; they import nothing from npm
//   dist/blockpt.wasm                      the committed engine, beside the chunk that loads it
//   dist/cli.js                            with what only it needs; imports `blockpt` as any user does
//   dist/types                             declarations

import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
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

await build({
  ...shared,
  entryPoints: {
    index: "ts/index.ts",
    abi: "ts/abi/index.ts",
    "queue-worker": "ts/endpoint/queue-worker.ts",
  },
  splitting: true,
  chunkNames: "chunk-[hash]",
});
copyFileSync(`${root}ts/engine/wasm/blockpt.wasm`, `${root}dist/blockpt.wasm`);

await build({
  ...shared,
  entryPoints: { cli: "ts/cli/cli.ts", "demo-endpoint": "ts/cli/demo/endpoint-worker.ts", "demo-root-complex": "ts/cli/demo/root-complex-worker.ts" },
  external: ["blockpt", "blockpt/abi"],
  // Some of what it bundles is CommonJS and asks for Node's own modules with `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
});

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "--project", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
