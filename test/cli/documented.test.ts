// Every option that the help of a command has is in the documents too, and its default stands there as it is typed.

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

test("each option is in a document, and no default is written as in a program", async () => {
  const commands = commandsOf(await helpOf()).map((name) => [name]);
  commands.push(...commandsOf(await helpOf("trace")).map((name) => ["trace", name]));
  expect(commands.length).toBeGreaterThan(12);
  for (const command of commands) {
    const help = await helpOf(...command);
    const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, name = ""]) => name);
    const untold = options.filter((option) => !new RegExp(`${option}(?![\\w-])`).test(pages));
    expect(untold, command.join(" ")).toEqual([]);
    expect(help, command.join(" ")).not.toMatch(/default:\s+[[{]/);
  }
});
