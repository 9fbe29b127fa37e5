// `head` and `tail` in the shell: numbers with a unit, and disks that are larger than what is read as a whole.

import { truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Place } from "./command-line.js";
import { statementsOf } from "./shell-rig.js";

let place: Place;

beforeAll(async () => {
  place = await Place.create();
  await writeFile(place.path("lines"), "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\nlast");
  await writeFile(place.path("short"), "a\nb\n");
  await writeFile(place.path("empty"), "");
  await writeFile(place.path("large"), "first\n");
  await truncate(place.path("large"), 1024 ** 3);
});

afterAll(() => place.remove());

const NAMED = "==> short <==\na\n\n==> empty <==\n";

test("print what is asked for", async () => {
  const cases: Record<string, string> = {
    "head -c 1M /dev/zero | wc -c": "1048576\n",
    "cat /dev/zero | head -c 100K | wc -c": "102400\n",
    "head -c 3kB large | wc -c": "3000\n",
    "head -n 1 large": "first\n",
    "head lines": "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
    "head -2 lines": "1\n2\n",
    "head -n2 < lines": "1\n2\n",
    "head -n 0 lines": "",
    "head -n 99 short": "a\nb\n",
    "head -n 1 short empty": NAMED,
    "head -qn 1 short empty": "a\n",
    "tail -n 2 lines": "11\nlast",
    "tail -1 short": "b\n",
    "tail -n +11 lines": "11\nlast",
    "tail -n 0 lines": "",
    "tail -n 99 short empty -q": "a\nb\n",
    "tail -c 4 lines": "last",
    "tail -c +3 short": "b\n",
    "tail -c 1K /dev/zero | wc -c": "1024\n",
    "seq 3 | tail -n 1": "3\n",
  };
  const statements = await statementsOf(place, `${Object.keys(cases).join("\n")}\n`);
  for (const { command, stdout, stderr, exitCode } of statements) {
    const wanted = { command, stdout: cases[command], stderr: "", exitCode: 0 };
    expect({ command, stdout, stderr, exitCode }).toEqual(wanted);
  }
  expect(statements).toHaveLength(Object.keys(cases).length);
});

test("refuse what is no number, and go on behind a file that is not there", async () => {
  const [number, missing, directory] = await statementsOf(
    place,
    "head -c 1X short\ntail -n 1 nope short\nhead /sys\n",
  );
  expect(number).toMatchObject({ stdout: "", exitCode: 1 });
  expect(number?.stderr).toMatch(/^head: invalid number '1X' for -c: /);
  expect(missing).toMatchObject({
    stdout: "==> short <==\nb\n",
    stderr: "tail: nope: No such file or directory\n",
    exitCode: 1,
  });
  expect(directory).toMatchObject({ stderr: "head: /sys: Is a directory\n", exitCode: 1 });
});
