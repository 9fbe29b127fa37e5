// Every example in the documentation is compiled and run: those of the sources' doc comments, of the
// README and of docs/. One that is marked `ts continued` goes on with the program of the example before it; one
// that begins with `// NAME.js` is there for the others by that name.

import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transform, transformSync } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { printedBy } from "./printed.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

interface Example {
  name: string;
  language: string;
  code: string;
}

function examplesOf(file: string): Example[] {
  // In a doc comment each line begins with ` * `.
  const text = readFileSync(join(root, file), "utf8").replace(/^\s*\* ?/gm, "");
  const programs: Omit<Example, "name">[] = [];
  const blocks = text.matchAll(/```(ts|js)( continued)?\n([\s\S]*?)```/g);
  for (const [, language = "", mark, code = ""] of blocks) {
    const last = programs.at(-1);
    if (mark === undefined) programs.push({ language, code });
    else if (last !== undefined) last.code += `\n${code}`;
  }
  return programs.map((program, index) => ({ name: `${file}, example ${index + 1}`, ...program }));
}

const listed = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name))
    // What `npm run docs` made of these.
    .filter((name) => !name.startsWith(join("docs", "api")));

const examples = ["README.md", ...listed("docs", ".md"), ...listed("ts", ".ts")].flatMap(
  examplesOf,
);

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "blockpt-examples-"));
  mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/blockpt"));
  for (const name of ["@types/node", "@sqlite.org"]) {
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  // The guide to SQLite has it copied.
  const vfs = readFileSync(join(root, "test/sqlite/block-vfs.ts"), "utf8");
  writeFileSync(join(folder, "block-vfs.ts"), vfs);
  writeFileSync(join(folder, "block-vfs.js"), transformSync(vfs, { loader: "ts" }).code);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const { name, code } of examples) {
    writeFileSync(fileOf(name), code);
    const file = /^\/\/ ([\w-]+\.js)\n/.exec(code)?.[1];
    if (file !== undefined) writeFileSync(join(folder, file), code);
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

const fileOf = (name: string): string => join(folder, `${name.replace(/\W+/g, "-")}.ts`);

test("there are examples, and all of them compile", async () => {
  expect(examples.length).toBeGreaterThan(5);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags =
    "--noEmit --strict --skipLibCheck --target es2022 --module nodenext --types node --lib es2024,dom";
  const typed = examples.filter(({ language }) => language === "ts");
  const files = typed.map(({ name }) => fileOf(name));
  const output = await run(process.execPath, [tsc, ...flags.split(" "), ...files], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  expect(output.stdout).toBe("");
});

test.each(examples)("$name runs, and prints what it says", async ({ name, code }) => {
  const script = fileOf(name).replace(/\.ts$/, ".mjs");
  writeFileSync(script, (await transform(code, { loader: "ts" })).code);
  const { stdout } = await run(process.execPath, [script], { cwd: folder });
  for (const line of printedBy(code)) expect(stdout).toContain(line);
});
