// What the figures of the repository's benchmark were measured on: the machine, and which sources.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeEnvironment } from "../dist/bench.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

export function environment() {
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
  return {
    ...describeEnvironment(version),
    revision: git("rev-parse", "--short", "HEAD"),
    modified: git("status", "--porcelain", "--", "ts", "crates", "bench") !== "",
  };
}

/** @param {string[]} args - gives undefined outside of a repository */
function git(...args) {
  try {
    const options = { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    return execFileSync("git", args, /** @type {const} */ (options)).trim();
  } catch {
    return undefined;
  }
}
