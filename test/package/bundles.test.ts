// What the command line is made of in the package: bundles with what they need in them, of which each is loaded
// when it is wanted.

import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const dist = (name: string): string =>
  fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
const textOf = (name: string): string => readFileSync(dist(name), "utf8");

/** What a script imports: what it is linked with, and what it loads when it comes to that. */
function importsOf(name: string): { linked: string[]; loaded: string[] } {
  const text = textOf(name);
  const specifiers = (pattern: RegExp): string[] =>
    [...text.matchAll(pattern)]
      .map(([, specifier = ""]) => specifier)
      // just-bash has parsers, in whose texts the words stand, too.
      .filter((specifier) => /^[\w@./:-]+$/.test(specifier))
      // And echarts has a message that says what to import.
      .filter((specifier) => specifier !== "echarts/features.js");
  return {
    linked: specifiers(/(?:\bfrom|\bimport)\s*"([^"]+)"/g),
    loaded: specifiers(/\bimport\("([^"]+)"\)/g),
  };
}

/** Scripts that are there once a script is: itself, and what it is linked with. */
function closureOf(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const specifier of importsOf(name).linked) {
    if (specifier.startsWith("./")) closureOf(specifier.slice(2), found);
  }
  return found;
}

const scripts = readdirSync(dist("")).filter((name) => /^(bench|cli|demo)\b.*\.js$/.test(name));
const isOfShell = (name: string): boolean => textOf(name).includes("pipefail");

test("the command line imports the library, Node's own modules and itself, and nothing else", () => {
  expect(scripts).toContain("cli.js");
  for (const name of scripts) {
    const { linked, loaded } = importsOf(name);
    for (const specifier of [...linked, ...loaded]) {
      const isThere =
        [
          "blockpt",
          "blockpt/abi",
          "blockpt/nbd",
          "blockpt/testing",
          "blockpt/package.json",
        ].includes(specifier) ||
        builtinModules.includes(specifier.replace(/^node:/, "")) ||
        (specifier.startsWith("./") && scripts.includes(specifier.slice(2)));
      expect(isThere, `${specifier} of ${name}`).toBe(true);
    }
  }
});

test("the shell is loaded when it is wanted", () => {
  expect(scripts.some(isOfShell)).toBe(true);
  expect([...closureOf("cli.js")].filter(isOfShell)).toEqual([]);
});

test("the licences of what is in it are told", () => {
  const licenses = textOf("THIRD-PARTY-LICENSES.txt");
  for (const name of ["just-bash", "re2js", "minimatch", "diff", "sprintf-js", "commander"]) {
    expect(licenses).toMatch(new RegExp(`^${name} [\\d.]+, [\\w.-]+\n\n\\S`, "m"));
  }
});
