// What docs/shell.md shows is what is printed.

import { readFile, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Place } from "./command-line.js";
import { statementsOf, stepsOf } from "./shell-rig.js";

let place: Place;
let sessions: string[];

beforeAll(async () => {
  place = await Place.create();
  await writeFile(place.path("disk.img"), "");
  await truncate(place.path("disk.img"), 64 * 1024 * 1024);
  const page = await readFile(new URL("../../docs/shell.md", import.meta.url), "utf8");
  sessions = [...page.matchAll(/^```console\n(.*?)^```$/gms)].map(([, session = ""]) => session);
});

afterAll(() => place.remove());

test("the example", async () => {
  const steps = stepsOf(sessions[0] ?? "");
  expect(steps.length).toBeGreaterThan(10);
  const discs = ["--disc", "nvme0n1=disk.img", "--disc", "ram0=memory:1M"];
  const statements = await statementsOf(
    place,
    steps.map(({ command }) => `${command}\n`).join(""),
    discs,
  );
  const printed = statements.map(({ command, stdout, stderr }) => ({
    command,
    lines: `${stderr}${stdout}`.split("\n").filter((line) => line !== ""),
  }));
  expect(printed).toEqual(steps);
});

test("its JSON", async () => {
  const [{ command, lines } = { command: "", lines: [] }] = stepsOf(sessions[1] ?? "");
  const [, statements = ""] = /^blockpt sh --json -c '(.*)'$/.exec(command) ?? [];
  const { stdout } = await place.run(["sh", "--json", "-c", statements]);
  expect(stdout.trimEnd().split("\n")).toEqual(lines);
});
