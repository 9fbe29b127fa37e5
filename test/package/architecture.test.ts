// The rooms of ts/ import one way, as docs/architecture.md draws them, and a library bundle imports nothing.

import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Each room may import itself and those before it. Sides that never meet share a line. */
const LAYERS: readonly (readonly string[])[] = [
  ["errors.ts"],
  ["platform"],
  ["abi"],
  ["engine"],
  ["bus"],
  ["trace"],
  ["block"],
  ["nbd"],
  ["discs"],
  ["endpoint", "root-complex"],
  ["config"],
  ["index.ts"],
  ["testing"],
  ["cli"],
];

/** What is bundled into the library from npm, each where it is wrapped and nowhere else. */
const PACKAGES: Readonly<Record<string, string>> = {
  "cyclic-32": "discs/gpt-table.ts",
  gpt: "discs/gpt-table.ts",
  mbr: "discs/mbr-table.ts",
};

const layerOf = (room: string): number => LAYERS.findIndex((layer) => layer.includes(room));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8").replace(/^\s*(\*|\/\/|\/\*\*).*$/gm, "");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(
    (match) => match[1] as string,
  );
}

const files = sources("ts").map((file) => relative("ts", file));

test("every room has its place", () => {
  const rooms = new Set(files.map((file) => file.split("/")[0] as string));
  expect([...rooms].filter((room) => layerOf(room) < 0)).toEqual([]);
});

test.each(files)("ts/%s imports only rooms below its own", (file) => {
  const room = file.split("/")[0] as string;
  for (const specifier of importsOf(join("ts", file))) {
    if (specifier.startsWith(".")) {
      const target = normalize(join(dirname(file), specifier)).split("/")[0] as string;
      const other = target.replace(/\.js$/, ".ts");
      if (other === room) continue;
      expect(layerOf(other), `${file} imports ${specifier}`).toBeLessThan(layerOf(room));
    } else if (room !== "cli" && PACKAGES[specifier] !== file) {
      expect(specifier, `${file} imports ${specifier}`).toMatch(/^node:/);
    }
  }
});

describe("the built library", () => {
  const bundles = readdirSync(join(root, "dist")).filter((name) =>
    /^(index|abi|nbd|testing.*|queue-worker|chunk-.*)\.js$/.test(name),
  );

  test.each(bundles)("dist/%s imports Node's own modules and its chunks only", (name) => {
    for (const specifier of importsOf(join("dist", name))) {
      const allowed =
        specifier.startsWith("./") || builtinModules.includes(specifier.replace(/^node:/, ""));
      expect(allowed, `${name} imports ${specifier}`).toBe(true);
    }
  });

  const npmPackagesIn = (name: string): string[] => {
    const text = readFileSync(join(root, "dist", name), "utf8");
    return [...text.matchAll(/^\s*\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)/gm)].map(
      (match) => match[1] as string,
    );
  };

  test("a chunk has the parsers of partition tables, and importing the library does not load it", () => {
    const found = new Set(bundles.flatMap(npmPackagesIn));
    expect([...found].sort()).toEqual(["bloodline", "chs", "cyclic-32", "gpt", "mbr"]);
    // Static imports only: those in parentheses are made when they are wanted.
    const loaded = new Set(["index.js", "abi.js", "nbd.js", "testing.js", "queue-worker.js"]);
    for (const name of loaded) {
      const text = readFileSync(join(root, "dist", name), "utf8");
      for (const match of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) {
        loaded.add(match[1] as string);
      }
    }
    expect(loaded.size).toBeGreaterThan(3);
    expect([...loaded].flatMap(npmPackagesIn)).toEqual([]);
  });

  test("the licences of all that is bundled are told", () => {
    const text = readFileSync(join(root, "dist/THIRD-PARTY-LICENSES.txt"), "utf8");
    for (const name of new Set([...bundles, "cli.js"].flatMap(npmPackagesIn))) {
      expect(text).toMatch(new RegExp(`^${name} [0-9.]+, \\w+$`, "m"));
    }
  });
});
