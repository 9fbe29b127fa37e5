// The installed package's types and its package.json, as compilers and bundlers of others read them.

import { execFile } from "node:child_process";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { beforeAll, expect, test } from "vitest";
import { type Installed, install, root } from "./installed.js";

const run = promisify(execFile);
let installed: Installed;

const PROGRAM = `
import { createBus, type RemoteDisk } from "blockpt";
import { decodeDescriptor, type Descriptor } from "blockpt/abi";
import { NbdServer } from "blockpt/nbd";
import { RawDriver } from "blockpt/testing";
export const bus = createBus({ hostMemoryBytes: 4096 });
export const read = (disk: RemoteDisk): Promise<void> => disk.read(new Uint8Array(512), 0n);
export const descriptor: Descriptor = decodeDescriptor(new Uint8Array(24), 0);
export const values = [NbdServer, RawDriver];
// @ts-expect-error sizes are numbers
createBus({ hostMemoryBytes: "4096" });
`;

beforeAll(async () => {
  installed = await install();
  for (const name of ["use.ts", "use.cts"]) await writeFile(join(installed.folder, name), PROGRAM);
});

/** What the compiler says of programs, with the package's declarations checked, too. */
async function complaintsOf(files: string, options: string): Promise<string> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = `--noEmit --strict --target es2022 --noUncheckedIndexedAccess ${options}`.split(
    " ",
  );
  const { stdout } = await run(process.execPath, [tsc, ...flags, ...files.split(" ")], {
    cwd: installed.folder,
  }).catch((error: { stdout: string }) => error);
  return stdout;
}

test.each([
  ["use.ts", "node16", "node16"],
  ["use.ts use.cts", "nodenext", "nodenext"],
  ["use.ts", "esnext", "bundler"],
])(
  "%s: no complaint by --module %s --moduleResolution %s, without Node's types",
  async (files, module, resolution) => {
    const options = `--module ${module} --moduleResolution ${resolution} --lib es2024,dom`;
    expect(await complaintsOf(files, options)).toBe("");
  },
);

test("they compile with Node's types and without a browser's", async () => {
  for (const name of ["@types/node", "undici-types"]) {
    const from = join(root, "node_modules", name);
    await cp(from, join(installed.folder, "node_modules", name), { recursive: true });
  }
  const options = "--module nodenext --lib es2024 --types node";
  expect(await complaintsOf("use.ts", options)).toBe("");
});

test("publint has nothing to say", async () => {
  const { messages, pkg } = await publint({
    pkgDir: installed.directory,
    pack: false,
    strict: true,
    level: "suggestion",
  });
  expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
});

test("Are the types wrong? They are not", async () => {
  // There are modules alone: since 20.19 Node's require() takes them, which the tool does not know. One entry is data.
  const attw = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
  const options = [
    "--profile",
    "esm-only",
    "--exclude-entrypoints",
    "blockpt.wasm",
    "--format",
    "ascii",
    "--no-color",
  ];
  const { stdout } = await run(process.execPath, [attw, installed.tarball, ...options]).catch(
    (error: { stdout: string }) => error,
  );
  const verdicts = [...stdout.matchAll(/^(?:node16 \(from ESM\)|bundler): (.*)$/gm)];
  expect(verdicts.length).toBeGreaterThanOrEqual(10);
  for (const [line, verdict] of verdicts) expect(verdict, `${line}\n${stdout}`).toMatch(/^🟢/u);
});
