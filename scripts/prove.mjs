// That no arithmetic of the core's checks overflows, whatever it is given: crates/proof links only if the optimiser
// has shown it, and a control that can overflow must not link; what cannot be shown so is enumerated at every edge
// (crates/core/tests/arithmetic.rs). Both where a usize has 64 bits, and where it has 32, as in WebAssembly:
// no-panic needs unwinding, which WebAssembly's targets do not have, so 32 bits are those of an i686.
//
//   node scripts/prove.mjs
//   node scripts/prove.mjs --native     64 bits alone, where rustup is not there

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const proof = `${root}crates/proof`;
const narrow = "i686-unknown-linux-musl";
/** Its own libc and linker come with the target: no 32-bit libraries are needed. */
const narrowFlags = "-Clinker=rust-lld -Clink-self-contained=yes -Ctarget-feature=+crt-static";

/** @param {string} cwd @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
function cargo(cwd, args, env = process.env) {
  execFileSync("cargo", args, { cwd, stdio: "inherit", env });
}

/** @param {NodeJS.ProcessEnv} env */
function prove(env) {
  cargo(proof, ["run", "--release", "--locked"], env);
  const args = ["build", "--release", "--locked", "--features", "control"];
  const control = spawnSync("cargo", args, { cwd: proof, encoding: "utf8", env });
  const isFound = control.stderr.includes("detected panic in function `control`");
  if (control.status === 0 || !isFound) {
    console.error(control.stderr);
    console.error("prove: the control, which can overflow, was to be found out");
    process.exit(1);
  }
  console.log("and the control, which can overflow, does not link");
  cargo(root, ["test", "--package", "blockpt-core", "--test", "arithmetic"], env);
}

cargo(proof, ["fmt", "--check"]);
cargo(proof, ["clippy", "--locked", "--", "--deny", "warnings"]);
prove(process.env);
if (!process.argv.includes("--native")) {
  const sysroot = execFileSync("rustc", ["--print", "sysroot"], { encoding: "utf8" }).trim();
  if (!existsSync(`${sysroot}/lib/rustlib/${narrow}/lib`)) {
    console.error(`prove: a usize of 32 bits wants: rustup target add ${narrow}`);
    process.exit(2);
  }
  prove({ ...process.env, CARGO_BUILD_TARGET: narrow, RUSTFLAGS: narrowFlags });
}
