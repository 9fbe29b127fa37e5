// Runs the core's tests in Miri, which interprets them and stops at undefined behaviour: an access outside of what
// was allocated, one that is misaligned, two of different threads that nothing orders, an alias that is broken.
//
//   node scripts/miri.mjs               two to three minutes
//   node scripts/miri.mjs --seeds 500   the two threads in more than 32 orders
//
// Miri is a component of Rust's nightly toolchains. It cannot have atomics of several sizes on the same bytes and
// weak memory at the same time (rust-lang/miri#5185), and a status is a byte of a word; so memory is
// sequentially consistent here, and what loads may see is left to crates/model. Races are looked for all the same.

import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({ options: { seeds: { type: "string", default: "32" } } });
if (!(Number(values.seeds) > 0)) {
  console.error("miri: wanted: [--seeds N]");
  process.exit(2);
}
if (spawnSync("cargo", ["+nightly", "miri", "--version"]).status !== 0) {
  console.error("miri: not there. With rustup: rustup toolchain install nightly --profile minimal");
  console.error(
    "                              rustup component add miri rust-src --toolchain nightly",
  );
  process.exit(2);
}

/** @param {string[]} flags @param {string[]} what */
function test(flags, what) {
  const MIRIFLAGS = ["-Zmiri-disable-weak-memory-emulation", ...flags].join(" ");
  execFileSync(
    "cargo",
    [
      "+nightly",
      "miri",
      "test",
      "--package",
      "blockpt-core",
      "--target-dir",
      "target/miri",
      ...what,
    ],
    { cwd: root, stdio: "inherit", env: { ...process.env, MIRIFLAGS } },
  );
}

test([], ["--lib"]);
console.log(`\ntwo threads in ${values.seeds} orders`);
// Their memory is leaked on purpose.
test([`-Zmiri-many-seeds=0..${values.seeds}`, "-Zmiri-ignore-leaks"], ["--test=threads"]);
