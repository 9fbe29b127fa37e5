// `blockpt conformance`: our endpoint, and one of a module.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";
import { Place } from "./command-line.js";

const LIBRARY = fileURLToPath(new URL("../../dist/index.js", import.meta.url));

async function makePlace(): Promise<Place> {
  const place = await Place.create();
  afterThisTest(() => place.remove());
  return place;
}

test("says of each clause of our endpoint that it is kept", async () => {
  const place = await makePlace();
  const { exitCode, stdout, stderr } = await place.run([
    "conformance",
    "--section",
    "2",
    "--engine",
    "typescript",
  ]);
  expect([exitCode, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^\nSection 2\n {2}ok {6}Descriptor space/);
  expect(stdout).not.toMatch(/Section 3|FAILED|skipped {2}/);
  expect(stdout).toMatch(/\n(\d+) clauses kept, 0 not, 0 skipped\n$/);
});

test("an endpoint of a module is checked, and what it breaks is the exit code", async () => {
  const place = await makePlace();
  // Its only disc may be written, and has the null disc's contents: nothing that is written is read.
  const module = `
    import { Endpoint, NullDisc } from ${JSON.stringify(LIBRARY)};
    export async function startEndpoint(bus) {
      const endpoint = await Endpoint.create(bus, { controller: "x" });
      await endpoint.exportDisc("null0", NullDisc.create(1024 * 1024));
      await endpoint.start();
      return endpoint;
    }`;
  await writeFile(place.path("mine.mjs"), module);
  const args = ["conformance", "--endpoint", "mine.mjs", "--section", "3", "--json"];
  const { exitCode, stdout, stderr } = await place.run(args);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^blockpt: ERR_CONFORMANCE: \d+ of \d+ clauses are not kept\n$/);
  const { clauses } = JSON.parse(stdout) as { clauses: { clause: string; outcome: string }[] };
  const outcomeOf = (text: string) =>
    clauses.find(({ clause }) => clause.startsWith(text))?.outcome;
  expect(outcomeOf("What was written is read")).toBe("failed");
  expect(outcomeOf("A descriptor that is not in use")).toBe("passed");
  expect(outcomeOf("On a disc that may only be read")).toBe("skipped");
});

test.each([
  ["that is not there", undefined, /--endpoint mine.mjs cannot be loaded: /],
  [
    "that exports something else",
    "export const x = 1;",
    /has to export a function startEndpoint\(bus\)/,
  ],
])("a module %s is refused", async (_, text, message) => {
  const place = await makePlace();
  if (text !== undefined) await writeFile(place.path("mine.mjs"), text);
  const { exitCode, stderr } = await place.run(["conformance", "--endpoint", "mine.mjs"]);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^blockpt: ERR_ENDPOINT_MODULE: /);
  expect(stderr).toMatch(message);
});

test("lists what is checked, as JSON too; a section without clauses is refused", async () => {
  const place = await makePlace();
  const listed = await place.run(["conformance", "--list", "--json"]);
  const { vectors } = JSON.parse(listed.stdout) as {
    vectors: { section: string; steps: unknown[] }[];
  };
  expect(new Set(vectors.map(({ section }) => section))).toEqual(
    new Set(["1", "2", "3", "4", "5"]),
  );
  expect(vectors.every(({ steps }) => steps.length > 0)).toBe(true);
  const refused = await place.run(["conformance", "--section", "9"]);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toMatch(/The sections with clauses are 1, 2, 3, 4, 5/);
});

test("a trace is one clause more; one that is no trace is refused", async () => {
  const place = await makePlace();
  const disc = ["--disc", "ram0=memory:64K", "--trace", "run.trace"];
  expect(await place.run(["run", ...disc, "--", "true"])).toMatchObject({ exitCode: 0 });
  const args = ["conformance", "--section", "recorded", "--trace"];
  const kept = await place.run([...args, "run.trace"]);
  expect(kept).toMatchObject({ exitCode: 0, stderr: "" });
  expect(kept.stdout).toMatch(/^\nRecorded\n {2}ok {6}run\.trace: \d+ commands and \d+ requests/);
  const without = await place.run(["conformance", "--section", "recorded"]);
  expect(without).toMatchObject({ exitCode: 1, stdout: "" });
  expect(without.stderr).toMatch(/^blockpt: ERR_CONFORMANCE: --section recorded is about/);
  await writeFile(place.path("no.trace"), "x");
  const refused = await place.run([...args, "no.trace"]);
  expect(refused).toMatchObject({ exitCode: 1, stdout: "" });
  expect(refused.stderr).toMatch(
    /ERR_BLOCKPT_TRACE_FILE: no\.trace cannot be read: it is no trace/,
  );
});
