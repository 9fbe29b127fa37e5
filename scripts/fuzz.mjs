// Coverage-guided fuzzing of crates/core by libFuzzer, under AddressSanitizer.
//
//   node scripts/fuzz.mjs                       each target for 30 seconds, from the committed corpus on
//   node scripts/fuzz.mjs device --seconds 600  one target, longer
//   node scripts/fuzz.mjs --merge               adds what was found to the committed corpus, minimised
//   node scripts/fuzz.mjs --coverage            lines of crates/core that the committed corpus reaches; takes
//                                               `rustup component add llvm-tools`
//
// What is found goes to crates/fuzz/found/TARGET, what breaks to crates/fuzz/artifacts/TARGET: the file goes into
// the corpus, where `cargo test` in crates/fuzz replays it for ever. Takes cargo and a C++ compiler; the
// toolchain's unstable switch `-Z sanitizer` by RUSTC_BOOTSTRAP, so any stable one does that has its runtime, as
// rustup's have. cargo-fuzz would do the same, and takes longer to install than this to run.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const TARGETS = ["device", "driver", "check"];
const crate = fileURLToPath(new URL("../crates/fuzz/", import.meta.url));
const host = "x86_64-unknown-linux-gnu";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: "string", default: "30" },
    merge: { type: "boolean" },
    coverage: { type: "boolean" },
  },
});
const targets = positionals.length > 0 ? positionals : TARGETS;
const unknown = targets.filter((target) => !TARGETS.includes(target));
if (unknown.length > 0 || !(Number(values.seconds) > 0)) {
  console.error(`fuzz: wanted: [${TARGETS.join("|")}]… [--seconds N] [--merge] [--coverage]`);
  process.exit(2);
}

if (values.coverage) {
  reportCoverage();
  process.exit();
}

const flags = [
  "-Zsanitizer=address",
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Ccodegen-units=1",
];
execFileSync(
  "cargo",
  ["build", "--release", "--locked", "--features", "engine", "--bins", "--target", host],
  {
    cwd: crate,
    stdio: "inherit",
    env: { ...process.env, RUSTC_BOOTSTRAP: "1", RUSTFLAGS: flags.join(" ") },
  },
);

for (const target of targets) {
  const corpus = `${crate}corpus/${target}`;
  const found = `${crate}found/${target}`;
  const artifacts = `${crate}artifacts/${target}/`;
  for (const folder of [corpus, found, artifacts]) mkdirSync(folder, { recursive: true });
  const run = (/** @type {string[]} */ args) =>
    execFileSync(`${crate}target/${host}/release/${target}`, args, { stdio: "inherit" });
  if (values.merge) {
    const merged = `${crate}found/${target}-merged`;
    mkdirSync(merged, { recursive: true });
    run(["-set_cover_merge=1", merged, corpus, found]);
    rmSync(corpus, { recursive: true });
    renameSync(merged, corpus);
  } else {
    // Long inputs from the start: what is to be found takes several steps.
    const most = ["-max_len=2048", "-len_control=0", `-max_total_time=${values.seconds}`];
    run([found, corpus, ...most, "-print_final_stats=1", `-artifact_prefix=${artifacts}`]);
  }
}

/** Of the replay, which has some random input besides the corpus. */
function reportCoverage() {
  const sysroot = execFileSync("rustc", ["--print", "sysroot"], { encoding: "utf8" }).trim();
  const tools = `${sysroot}/lib/rustlib/${host}/bin/`;
  if (!existsSync(`${tools}llvm-cov`)) {
    console.error("fuzz: --coverage wants: rustup component add llvm-tools");
    process.exit(2);
  }
  const folder = `${crate}target/coverage`;
  rmSync(`${folder}/raw`, { recursive: true, force: true });
  const replay = ["test", "--locked", "--test", "replay", "--target-dir", folder];
  const env = {
    ...process.env,
    RUSTFLAGS: "-Cinstrument-coverage",
    LLVM_PROFILE_FILE: `${folder}/raw/%p.profraw`,
  };
  const built = execFileSync("cargo", [...replay, "--no-run", "--message-format=json"], {
    cwd: crate,
    encoding: "utf8",
    env,
  });
  const program = /"executable":"([^"]+\/replay-[^"]+)"/.exec(built)?.[1] ?? "";
  execFileSync(program, ["--quiet"], { cwd: crate, stdio: "inherit", env });
  const profile = `${folder}/profdata`;
  const raw = readdirSync(`${folder}/raw`).map((name) => `${folder}/raw/${name}`);
  execFileSync(`${tools}llvm-profdata`, ["merge", "--sparse", "--output", profile, ...raw]);
  const what = [
    "report",
    program,
    `--instr-profile=${profile}`,
    "--sources",
    `${crate}../core/src`,
  ];
  execFileSync(`${tools}llvm-cov`, what, { stdio: "inherit" });
}
