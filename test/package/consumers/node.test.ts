// Programs in Node that use the installed package: as modules and as CommonJS, bundled, with few permissions, from a path
// that is no plain word.

import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { type Installed, install, ROUND_TRIP, root } from "./installed.js";
import { LOWEST, NEWEST, NODES, type NodeProgram, needNode, THIS_NODE } from "./nodes.js";

const run = promisify(execFile);
let installed: Installed;

/** What the package exports that no program imports. */
const NO_LIBRARY = ["./queue-worker", "./blockpt.wasm", "./package.json"];

beforeAll(async () => {
  installed = await install();
  await write(
    "use.js",
    `import * as blockpt from "blockpt";
     import { roundTrip } from "./round-trip.js";
     console.log(await roundTrip(blockpt));`,
  );
});

const write = (name: string, text: string): Promise<void> =>
  writeFile(join(installed.folder, name), text);

/** What it prints; it prints no warning. */
async function outputOf(
  node: NodeProgram,
  args: readonly string[],
  cwd = installed.folder,
): Promise<string> {
  const { stdout, stderr } = await run(node.path, args, { cwd });
  expect(stderr).toBe("");
  return stdout.trim();
}

describe.each(NODES)("$name", (node) => {
  test("imports it", async (context) => {
    needNode(context, node);
    expect(await outputOf(node, ["use.js"])).toBe(ROUND_TRIP);
  });

  test("has it in CommonJS, by import() and by require", async (context) => {
    needNode(context, node);
    for (const [name, load] of [
      ["import.cjs", 'await import("blockpt")'],
      ["require.cjs", 'require("blockpt")'],
    ] as const) {
      await write(
        name,
        `const use = async () => {
           const { roundTrip } = await import("./round-trip.js");
           console.log(await roundTrip(${load}));
         };
         use();`,
      );
      expect(await outputOf(node, [name]), name).toBe(ROUND_TRIP);
    }
  });

  test("has all its entry points", async (context) => {
    needNode(context, node);
    const { exports } = JSON.parse(
      await readFile(join(installed.directory, "package.json"), "utf8"),
    ) as { exports: Record<string, unknown> };
    const names = Object.keys(exports).filter((name) => !NO_LIBRARY.includes(name));
    await write(
      "entries.js",
      `for (const name of ${JSON.stringify(names)}) {
         const entry = await import(name.replace(".", "blockpt"));
         if (Object.keys(entry).length > 0) console.log(name);
       }`,
    );
    expect((await outputOf(node, ["entries.js"])).split("\n")).toEqual(names);
  });
});

test("the versions of Node are those that it says it runs on", async (context) => {
  needNode(context, LOWEST);
  needNode(context, NEWEST);
  const { engines } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  const [lowest, newest] = await Promise.all(
    [LOWEST, NEWEST].map((node) => outputOf(node, ["-p", "process.versions.node"])),
  );
  expect(`>=${lowest}`).toMatch(new RegExp(`^${engines.node}(\\.0)?$`));
  expect(Number.parseInt(newest as string, 10)).toBeGreaterThan(
    Number.parseInt(lowest as string, 10),
  );
});

describe.each([
  { ...THIS_NODE, permission: "--experimental-permission" },
  { ...NEWEST, permission: "--permission" },
])("$name with $permission", ({ permission, ...node }) => {
  test("runs it with its files and with threads, and not without threads", async (context) => {
    needNode(context, node);
    // Node warns of the permission for threads.
    const allowed = [permission, `--allow-fs-read=${installed.folder}/*`, "--no-warnings"];
    expect(await outputOf(node, [...allowed, "--allow-worker", "use.js"])).toBe(ROUND_TRIP);
    await expect(outputOf(node, [...allowed, "use.js"])).rejects.toThrow("ERR_BLOCKPT_COMMAND");
  });
});

/** The output of a bundle's program where no package is to be found. */
async function outputElsewhere(bundle: string, program: string): Promise<string> {
  const elsewhere = await realpath(await mkdtemp(join(tmpdir(), "blockpt-bundled-")));
  try {
    await cp(join(installed.folder, bundle), elsewhere, { recursive: true });
    return await outputOf(THIS_NODE, [program], elsewhere);
  } finally {
    await rm(elsewhere, { recursive: true });
  }
}

const copyWasm = (to: string): Promise<void> =>
  copyFile(join(installed.directory, "dist/blockpt.wasm"), join(installed.folder, to));

test("esbuild bundles it, with its worker and its WebAssembly beside the bundle", async () => {
  await build({
    absWorkingDir: installed.folder,
    entryPoints: { app: "use.js", "queue-worker": "blockpt/queue-worker" },
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    outdir: "bundled",
  });
  await copyWasm("bundled/blockpt.wasm");
  await write("bundled/package.json", '{ "type": "module" }');
  expect(await outputElsewhere("bundled", "app.js")).toBe(ROUND_TRIP);
});

test("esbuild bundles it as CommonJS, told where its worker and its WebAssembly are", async () => {
  await write(
    "told.js",
    `import { readFileSync } from "node:fs";
     import { pathToFileURL } from "node:url";
     import * as blockpt from "blockpt";
     import { roundTrip } from "./round-trip.js";
     roundTrip(blockpt, {
       bus: { wasm: readFileSync(__dirname + "/engine.wasm") },
       endpoint: { queueWorker: pathToFileURL(__dirname + "/thread.mjs") },
     }).then(console.log);`,
  );
  const shared = { absWorkingDir: installed.folder, bundle: true, platform: "node" } as const;
  // In CommonJS there is no import.meta, of which esbuild would warn.
  const silent = { logOverride: { "empty-import-meta": "silent" } } as const;
  await build({
    ...shared,
    ...silent,
    entryPoints: ["told.js"],
    format: "cjs",
    outfile: "told/told.cjs",
  });
  await build({
    ...shared,
    entryPoints: ["blockpt/queue-worker"],
    format: "esm",
    outfile: "told/thread.mjs",
  });
  await copyWasm("told/engine.wasm");
  expect(await outputElsewhere("told", "told.cjs")).toBe(ROUND_TRIP);
});

test("npx runs its command", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    version: string;
  };
  const { stdout } = await run("npx", ["--no", "--", "blockpt", "--version"], {
    cwd: installed.folder,
  });
  expect(stdout.trim()).toBe(version);
});

test("it works in a folder whose path wants escaping", async () => {
  const base = await realpath(await mkdtemp(join(tmpdir(), "blockpt-")));
  try {
    const folder = join(base, 'a päth, 100% #1 & "two" ?\'ß+;=[x]');
    await mkdir(folder);
    await cp(installed.folder, folder, { recursive: true });
    expect(await outputOf(THIS_NODE, ["use.js"], folder)).toBe(ROUND_TRIP);
  } finally {
    await rm(base, { recursive: true });
  }
});
