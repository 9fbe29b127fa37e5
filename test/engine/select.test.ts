// Which engine is chosen, by what, and what is said where WebAssembly does not load.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const index = new URL("../../dist/index.js", import.meta.url).href;
const run = promisify(execFile);

/** Makes a bus in a Node process of its own; gives what it printed. */
async function kindIn(
  options: string,
  env: Record<string, string> = {},
  flags: string[] = [],
): Promise<{ stdout: string; stderr: string }> {
  const code = `
    import { createBus } from ${JSON.stringify(index)};
    try {
      const bus = await createBus(${options});
      console.log(bus.engine.kind);
    } catch (error) {
      console.log(error.code + ": " + error.message);
    }`;
  const { BLOCKPT_ENGINE: _, ...clean } = process.env;
  return run(process.execPath, [...flags, "--input-type=module", "--eval", code], {
    env: { ...clean, ...env },
  });
}

test("wasm is the default, and nothing is announced", async () => {
  expect(await kindIn("")).toEqual({ stdout: "wasm\n", stderr: "" });
});

test("BLOCKPT_ENGINE chooses, and the option goes before it", async () => {
  expect((await kindIn("", { BLOCKPT_ENGINE: "typescript" })).stdout).toBe("typescript\n");
  const both = await kindIn('{ engine: "wasm" }', { BLOCKPT_ENGINE: "typescript" });
  expect(both.stdout).toBe("wasm\n");
  const unknown = await kindIn("", { BLOCKPT_ENGINE: "fast" });
  expect(unknown.stdout).toContain("ERR_BLOCKPT_INVALID_ARGUMENT");
});

test("without WebAssembly the fallback is announced, with the reason", async () => {
  const { stdout, stderr } = await kindIn("", {}, ["--jitless"]);
  expect(stdout).toBe("typescript\n");
  expect(stderr).toContain("BLOCKPT_ENGINE_FALLBACK");
  expect(stderr).toContain("--jitless");
});

test("without WebAssembly, asking for it by name is an error that says why", async () => {
  const { stdout } = await kindIn('{ engine: "wasm" }', {}, ["--jitless"]);
  expect(stdout).toContain("ERR_BLOCKPT_ENGINE: the wasm engine cannot be loaded");
  expect(stdout).toContain("--jitless");
});
