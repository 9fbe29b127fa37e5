// Every attack on both sides, each engine: the results are those of docs/hostile.md. They are had by the same
// script as `npm run hostile`, in which fewer runs rewrite what is attacked.

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

test.each(["endpoint:", "root complex:"])(
  "the %s attacks end as docs/hostile.md says",
  async (side) => {
    // Another seed each time; a failure's output says which.
    const args = ["scripts/hostile/hostile.mjs", side, "--short", "--markdown"];
    const { stdout } = await run(process.execPath, args, { cwd: root });
    const lines = readFileSync(`${root}docs/hostile.md`, "utf8").split("\n");
    const table = stdout.trim().split("\n");
    expect(table.length).toBeGreaterThan(50);
    expect(table.filter((line) => !lines.includes(line))).toEqual([]);
  },
  300_000,
);
