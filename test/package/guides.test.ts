// What the guides have typed: each `console` block is run, and prints what stands in it. A line that begins with `$` is a
// command, which goes on behind a `\` at its end; one with `#` is typed into the shell that the command before it is; all else is what
// is printed, stderr too, in which `…` stands for anything. The blocks of a guide share a folder. Their programs are run by examples.test.ts.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { need, type Tool } from "../nbd/tools.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const guides = join(root, "docs/guides");

interface Step {
  readonly command: string;
  input: string;
  printed: string;
}

/** The commands of a guide's blocks, each with what it is given and what it prints. */
function stepsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const [, block = ""] of text.matchAll(/```console\n([\s\S]*?)```/g)) {
    // A `\` at a line's end, and the indentation behind it, are one blank.
    for (const line of block
      .trimEnd()
      .replaceAll(/ \\\n +/g, " ")
      .split("\n")) {
      const last = steps.at(-1);
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), input: "", printed: "" });
      else if (last === undefined) throw new Error(`no command stands before ${line}`);
      else if (line.startsWith("# ")) last.input += `${line.slice(2)}\n`;
      else last.printed += `${line}\n`;
    }
  }
  return steps;
}

/** What is printed as a pattern; a `…` on a line of its own stands for any lines, or none. */
function patternOf(printed: string): RegExp {
  const source = printed
    .replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    .replace(/^…\n/gm, "(?:.*\n)*")
    .replaceAll("…", ".*");
  return new RegExp(`^${source}$`);
}

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "blockpt-guide-"));
  const bin = join(folder, "bin");
  await mkdir(bin);
  await symlink(join(root, "dist/cli.js"), join(bin, "blockpt"));
  // What `npx` does where the package is installed, without its start.
  await writeFile(join(bin, "npx"), '#!/bin/sh\nexec "$@"\n');
  await chmod(join(bin, "npx"), 0o755);
});

afterEach(() => rm(folder, { recursive: true }));

/** Runs a command in a shell, and resolves with what it printed when it has ended well. */
async function run({ command, input }: Step): Promise<string> {
  const { BLOCKPT_SOCKET: _, ...env } = process.env;
  const PATH = `${join(folder, "bin")}${delimiter}${env.PATH}`;
  const child = spawn("bash", ["-o", "pipefail", "-c", `exec 2>&1; ${command}`], {
    cwd: folder,
    env: { ...env, PATH, XDG_RUNTIME_DIR: folder },
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  child.stdin.on("error", () => {}).end(input);
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  expect(code, `${command}\n${printed}`).toBe(0);
  return printed;
}

/** Programs of others that a guide may use. */
const TOOLS: readonly Tool[] = ["nbdinfo", "nbdcopy", "qemu-img"];

const typed = readdirSync(guides)
  .map((name) => ({ name, steps: stepsOf(readFileSync(join(guides, name), "utf8")) }))
  .filter(({ steps }) => steps.length > 0);

test("there are guides with something typed", () => {
  expect(typed.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["bugs.md", "five-minutes.md", "qemu.md"]),
  );
});

test("the guide to SQLite names the version of SQLite that its program was run with", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const version: string = manifest.devDependencies["@sqlite.org/sqlite-wasm"];
  const guide = readFileSync(join(guides, "sqlite.md"), "utf8");
  expect(guide).toContain(`npm install blockpt @sqlite.org/sqlite-wasm@${version}\n`);
});

test.for(typed)("what is typed in $name prints what it says", async ({ steps }, context) => {
  const commands = steps.map(({ command }) => command).join("\n");
  need(context, ...TOOLS.filter((tool) => commands.includes(tool)));
  for (const step of steps) {
    expect(await run(step), step.command).toMatch(patternOf(step.printed));
  }
});
