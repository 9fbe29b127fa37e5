// Builds ts/engine/wasm/blockpt.wasm from crates/, and records with what.
//
//   node scripts/build-wasm.mjs           build, and write the file and the toolchain's versions
//   node scripts/build-wasm.mjs --check   build, and fail unless the bytes are the committed ones
//
// A shared memory needs a `core` built with atomics, so core is built too, from
// the toolchain's own sources (`-Z build-std`). Where the tools are is said by
// BLOCKPT_CARGO, BLOCKPT_RUSTC and BLOCKPT_WASM_LD; the defaults are Debian's
// rustc-web, cargo-web, rust-web-src and lld. With rustup, `rustup component add
// rust-src` does the same job.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const committed = `${root}ts/engine/wasm/blockpt.wasm`;
const record = `${root}crates/wasm/toolchain.json`;
const built = `${root}target/wasm32-unknown-unknown/release/blockpt_wasm.wasm`;

const tools = {
  cargo: process.env.BLOCKPT_CARGO ?? "/usr/bin/cargo",
  rustc: process.env.BLOCKPT_RUSTC ?? "/usr/bin/rustc",
  wasmLd: process.env.BLOCKPT_WASM_LD ?? "/usr/lib/llvm-22/bin/wasm-ld",
};

const flags = [
  // Threads share the memory; bulk-memory is memory.copy, the DMA engine.
  "-Ctarget-feature=+atomics,+bulk-memory,+simd128",
  // A panic is a trap: no texts, so that the module has no static data in the bus.
  "-Zunstable-options",
  "-Cpanic=immediate-abort",
  "-Clink-arg=--shared-memory",
  "-Clink-arg=--import-memory",
  "-Clink-arg=--max-memory=4294967296",
  // Each thread's instance points it at a stack of its own; the linker's stack is not used.
  "-Clink-arg=--export=__stack_pointer",
  "-Clink-arg=-zstack-size=1024",
  `--remap-path-prefix=${root}=/`,
];

const missing = Object.entries(tools).filter(([, path]) => !existsSync(path));
if (missing.length > 0) {
  const names = missing.map(([name, path]) => `${name} (${path})`).join(", ");
  console.error(`build-wasm: not found: ${names}. See the head of scripts/build-wasm.mjs.`);
  process.exit(2);
}

const version = (tool) =>
  execFileSync(tool, ["--version"], { encoding: "utf8" }).split("\n", 1)[0].trim();
const toolchain = { rustc: version(tools.rustc), linker: version(tools.wasmLd) };

execFileSync(
  tools.cargo,
  [
    "build",
    "--release",
    "--locked",
    "--package",
    "blockpt-wasm",
    "--target",
    "wasm32-unknown-unknown",
    "-Zbuild-std=core",
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: {
      ...process.env,
      RUSTC: tools.rustc,
      RUSTC_BOOTSTRAP: "1",
      RUSTFLAGS: flags.join(" "),
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: tools.wasmLd,
    },
  },
);

const bytes = readFileSync(built);
if (!process.argv.includes("--check")) {
  copyFileSync(built, committed);
  writeFileSync(record, `${JSON.stringify(toolchain, null, 2)}\n`);
  console.log(`wrote ts/engine/wasm/blockpt.wasm, ${bytes.length} bytes`);
} else if (bytes.equals(readFileSync(committed))) {
  console.log(`ts/engine/wasm/blockpt.wasm is what crates/ gives, ${bytes.length} bytes`);
} else {
  const recorded = JSON.parse(readFileSync(record, "utf8"));
  console.error(
    "ts/engine/wasm/blockpt.wasm is not what crates/ gives: run `npm run build:wasm` and commit it.",
  );
  console.error(
    `recorded toolchain: ${JSON.stringify(recorded)}\nthis toolchain:     ${JSON.stringify(toolchain)}`,
  );
  process.exit(1);
}
