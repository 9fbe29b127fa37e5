// What the Tab key completes: names of commands, and paths.

import type { FileSystem } from "./files/file-system.js";

export interface CompletionOptions {
  readonly fs: FileSystem;
  readonly cwd: string;
  readonly commands: readonly string[];
}

/** Characters that stand for themselves behind a backslash. */
const SPECIAL = /[\s\\'"`$&|;<>(){}*?![\]#~]/g;

/** What the last word of a line can become, and that word. */
export async function complete(
  line: string,
  options: CompletionOptions,
): Promise<[candidates: string[], word: string]> {
  const [word = ""] = /(?:\\.|[^\s\\'"|&;<>()])*$/.exec(line) ?? [];
  const before = line.slice(0, line.length - word.length).trimEnd();
  const isCommand = /(^|[|&;(]|\b(then|do|else))$/.test(before);
  const candidates =
    isCommand && !word.includes("/")
      ? options.commands.filter((name) => name.startsWith(word)).map((name) => `${name} `)
      : await paths(word, options);
  return [[...new Set(candidates)].sort(), word];
}

async function paths(word: string, { fs, cwd }: CompletionOptions): Promise<string[]> {
  const plain = word.replace(/\\(.)/g, "$1");
  const directory = plain.slice(0, plain.lastIndexOf("/") + 1);
  const beginning = plain.slice(directory.length);
  const entries = await fs.readdirWithFileTypes(fs.resolvePath(cwd, directory)).catch(() => []);
  const found = entries.filter(
    ({ name }) => name.startsWith(beginning) && (beginning !== "" || !name.startsWith(".")),
  );
  return Promise.all(
    found.map(async ({ name }) => {
      const path = `${directory}${name}`;
      const isDirectory = await fs.stat(fs.resolvePath(cwd, path)).then(
        (stats) => stats.isDirectory,
        () => false,
      );
      return `${path.replace(SPECIAL, "\\$&")}${isDirectory ? "/" : " "}`;
    }),
  );
}
