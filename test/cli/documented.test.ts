// Every option that the help of a command has is in the documents too; the help has defaults as they are typed, and examples.

import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Place } from "./command-line.js";

const docs = new URL("../../docs/", import.meta.url);
let place: Place;
let pages: string;

beforeAll(async () => {
  place = await Place.create();
  const names = (await readdir(docs)).filter((name) => name.endsWith(".md"));
  pages = (await Promise.all(names.map((name) => readFile(new URL(name, docs), "utf8")))).join();
});

afterAll(() => place.remove());

async function helpOf(...command: string[]): Promise<string> {
  return (await place.run([...command, "--help"])).stdout;
}

/** The commands that a help lists. */
function commandsOf(help: string): string[] {
  const [, list = ""] = /^Commands:\n((?: .*\n)+)/m.exec(help) ?? [];
  const names = [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name = ""]) => name);
  return names.filter((name) => name !== "help");
}

test("each code of the command line's own is in its document, and no other", async () => {
  const sources = new URL("../../ts/cli/", import.meta.url);
  const names = await readdir(sources, { recursive: true });
  const files = names.filter((name) => name.endsWith(".ts"));
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, sources), "utf8")));
  const codes = (text: string, pattern: RegExp) =>
    [...new Set([...text.matchAll(pattern)].map(([, code]) => code))].sort();
  const page = await readFile(new URL("command-line.md", docs), "utf8");
  const [, table = ""] = /^## Codes\n(.*?)^## /ms.exec(page) ?? [];
  const thrown = codes(texts.join(), /"(ERR_(?!BLOCKPT_)[A-Z_]+)"/g);
  expect(thrown.length).toBeGreaterThan(20);
  expect(codes(table, /`(ERR_[A-Z_]+)`/g)).toEqual(thrown);
});

test("each option is in a document, no default is written as in a program, and each command has examples", async () => {
  const commands = commandsOf(await helpOf()).map((name) => [name]);
  commands.push(...commandsOf(await helpOf("trace")).map((name) => ["trace", name]));
  expect(commands.length).toBeGreaterThan(12);
  for (const command of commands) {
    const help = await helpOf(...command);
    const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name = ""]) => name);
    const untold = options.filter((option) => !new RegExp(`${option}(?![\\w-])`).test(pages));
    expect(untold, command.join(" ")).toEqual([]);
    expect(help, command.join(" ")).not.toMatch(/default:\s+[[{]/);
    expect(help, command.join(" ")).toContain("\nExamples:\n  $ blockpt ");
  }
});
