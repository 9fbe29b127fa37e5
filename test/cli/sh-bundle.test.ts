// What the shell is made of in the package: a bundle that nothing else loads, with what just-bash needs in it.

import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const dist = (name: string): string =>
  fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
const textOf = (name: string): string => readFileSync(dist(name), "utf8");

test("it imports the library and Node's own modules, and nothing else", () => {
  const specifiers = [...textOf("shell.js").matchAll(/\bfrom\s*"([^"]+)"|\bimport\s*\(?"([^"]+)"/g)]
    .map(([, from, imported]) => from ?? imported ?? "")
    // just-bash has parsers, in whose texts the word stands, too.
    .filter((specifier) => /^[\w@./:-]+$/.test(specifier));
  expect(specifiers).toContain("blockpt");
  for (const specifier of new Set(specifiers)) {
    const isThere =
      specifier === "blockpt" || builtinModules.includes(specifier.replace(/^node:/, ""));
    expect(isThere, specifier).toBe(true);
  }
});

test("the command line loads it when it is wanted, and nothing else does", () => {
  const scripts = readdirSync(dist("")).filter((name) => name.endsWith(".js"));
  const loading = scripts.filter((name) => textOf(name).includes('"./shell.js"'));
  expect(loading).toEqual(["cli.js"]);
  expect(textOf("cli.js")).toMatch(/await import\("\.\/shell\.js"\)/);
  expect(textOf("cli.js")).not.toMatch(/from "\.\/shell\.js"/);
});

test("the licences of what is in it are told", () => {
  const licenses = textOf("THIRD-PARTY-LICENSES.txt");
  for (const name of ["just-bash", "re2js", "minimatch", "diff", "sprintf-js"]) {
    expect(licenses).toMatch(new RegExp(`^${name} [\\d.]+, [\\w.-]+\n\n\\S`, "m"));
  }
});
