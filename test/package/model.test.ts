// crates/model has in Rust what is model-checked and written in TypeScript. It quotes what it was written from,
// so that nobody changes the one without a look at the other.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const model = `${root}crates/model/`;

interface Quote {
  /** Where it is quoted. */
  by: string;
  /** What is quoted. */
  file: string;
  lines: string;
}

/** Without what a formatter may change. */
const bare = (text: string): string =>
  text
    .split("\n")
    .map((line) => line.trim())
    .join("\n");

/** The fences of a file's comments that begin with a file's name. */
function quotesOf(by: string): Quote[] {
  const text = readFileSync(model + by, "utf8").replace(/^ *\/\/\/ ?/gm, "");
  const fences = text.matchAll(/^```ts\n\/\/ (ts\/\S+)\n(.*?)\n```$/gms);
  return [...fences].map(([, file = "", lines = ""]) => ({ by, file, lines: bare(lines) }));
}

const quotes = ["src", "tests"].flatMap((folder) =>
  readdirSync(model + folder).flatMap((name) => quotesOf(`${folder}/${name}`)),
);

test.each(quotes)("$file is as crates/model/$by quotes it: $lines", ({ by, file, lines }) => {
  const isQuoted = bare(readFileSync(root + file, "utf8")).includes(lines);
  expect(isQuoted, `${file} has changed: do the same in crates/model/${by}, then quote it`).toBe(
    true,
  );
});

test("every access of the doorbell to its words is quoted, and of the interrupt all but its set-up", () => {
  const accesses = (text: string): string[] => text.match(/Atomics\.\w+\([^)]*\)/g) ?? [];
  const quoted = (file: string): string[] =>
    accesses(
      quotes
        .filter((it) => it.file === file)
        .map((it) => it.lines)
        .join("\n"),
    );
  const inCode = (file: string): string[] =>
    accesses(readFileSync(root + file, "utf8").replace(/^\s*(\/\/|\*).*$/gm, ""));
  expect(inCode("ts/bus/doorbell.ts").length).toBeGreaterThan(5);
  expect(quoted("ts/bus/doorbell.ts").sort()).toEqual(inCode("ts/bus/doorbell.ts").sort());
  const left = inCode("ts/bus/msix.ts");
  for (const access of quoted("ts/bus/msix.ts")) left.splice(left.indexOf(access), 1);
  // `reset`, before anybody else knows of the vectors, and what an inspection reads.
  expect(left).toEqual([
    "Atomics.store(this.#words, this.#control(vector)",
    "Atomics.load(this.#words, this.#pending + (vector >>> 5)",
    "Atomics.load(this.#words, entry + index)",
  ]);
});
