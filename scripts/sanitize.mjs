// Runs the core's tests under AddressSanitizer and ThreadSanitizer, which see what a test cannot: bytes outside of
// what was allocated, and accesses of two threads that nothing orders.
//
//   node scripts/sanitize.mjs
//   node scripts/sanitize.mjs --valgrind     under memcheck instead: slower, and needs no runtime of the toolchain's
//
// The switch is unstable, so RUSTC_BOOTSTRAP; rustup's stable toolchains have the runtimes. The standard library is
// not compiled for them, so ThreadSanitizer gets a program without libtest, crates/core/tests/threads.rs.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const host = "x86_64-unknown-linux-gnu";

/** @param {string} folder @param {Record<string, string>} env @param {string[]} args */
function test(folder, env, args) {
  const target = `target/${folder}`;
  execFileSync(
    "cargo",
    ["test", "--package", "blockpt-core", "--target", host, "--target-dir", target, ...args],
    { cwd: root, stdio: "inherit", env: { ...process.env, ...env } },
  );
}

if (process.argv.includes("--valgrind")) {
  test("plain", {}, ["--lib", "--no-run"]);
  const deps = `${root}target/plain/${host}/debug/deps/`;
  const programs = readdirSync(deps).filter((name) => /^blockpt_core-[0-9a-f]+$/.test(name));
  const newest = programs.sort((a, b) => statSync(deps + b).mtimeMs - statSync(deps + a).mtimeMs);
  const options = ["--quiet", "--error-exitcode=9", `${deps}${newest[0]}`, "--test-threads", "1"];
  execFileSync("valgrind", options, { stdio: "inherit" });
} else {
  // The program's thread is not joined.
  const TSAN_OPTIONS = "report_thread_leaks=0";
  for (const [sanitizer, what] of [
    ["address", "--lib"],
    ["thread", "--test=threads"],
  ]) {
    console.log(`\n${sanitizer} sanitizer`);
    const RUSTFLAGS = `-Zsanitizer=${sanitizer} -Cunsafe-allow-abi-mismatch=sanitizer`;
    test(`sanitizer-${sanitizer}`, { RUSTC_BOOTSTRAP: "1", RUSTFLAGS, TSAN_OPTIONS }, [what]);
  }
}
