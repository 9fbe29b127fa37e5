// The browser of tests and of the pictures: Debian's Chromium, where it is on the path.

import { spawnSync } from "node:child_process";
import { chromium } from "playwright-core";

/** Where it is; empty where it is not. */
export const executablePath = spawnSync("sh", ["-c", "command -v chromium"], {
  encoding: "utf8",
}).stdout.trim();

/** A user may start it with a sandbox; root, as in containers, may not. */
export const browserArguments = process.getuid?.() === 0 ? ["--no-sandbox"] : [];

export function launchBrowser(more = []) {
  if (executablePath === "") throw new Error("no chromium here: Debian's package is chromium");
  return chromium.launch({ executablePath, args: [...browserArguments, ...more] });
}
