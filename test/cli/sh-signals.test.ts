// What ends the shell in the middle of something, and what is left then: nothing.

import { truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Place } from "./command-line.js";
import { DISCS, documentsIn, SETUP } from "./shell-rig.js";

const GIB = 1024 ** 3;
/** A copy that has no end worth waiting for. */
const ENDLESS = "echo copying\ndd if=/dev/pci-rd-img of=/dev/null bs=64k\necho never\n";

let place: Place;

beforeEach(async () => {
  place = await Place.create();
  await writeFile(place.path("disk.img"), "");
  // Sparse: it takes no room.
  await truncate(place.path("disk.img"), 1024 * GIB);
  await writeFile(place.path("copy.sh"), SETUP + ENDLESS);
});

afterEach(() => place.remove());

describe("in the middle of a copy", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s detaches, stops, and gives %d", async (signal, exitCode) => {
    const running = place.start(["sh", ...DISCS, "copy.sh"]);
    await running.printed("copying\n");
    running.kill(signal);
    const ended = await running.ended;
    expect(ended).toMatchObject({ exitCode, stdout: "copying\n" });
    // The console's lines, and no complaint.
    expect(ended.stderr).toMatch(/^(pci-remote-disk 0001:01:00\.0: .*\n)+$/);
  });

  test("SIGINT ends the statement's document, too", async () => {
    const running = place.start(["sh", "--json", ...DISCS, "copy.sh"]);
    await running.printed('"echo copying"');
    running.kill("SIGINT");
    const { stdout, exitCode } = await running.ended;
    expect(exitCode).toBe(130);
    const last = documentsIn(stdout).at(-1);
    // It may come before the copy has begun.
    if (last?.command !== "echo copying") {
      expect(last).toMatchObject({ command: expect.stringMatching(/^dd /), exitCode: 130 });
    }
  });

  test.each(["stdout", "stderr"] as const)(
    "a reader of %s that goes away ends it, too",
    async (name) => {
      const script = `${SETUP}echo begun; while :; do cat /sys/class/pci_epc/nope >&${name === "stdout" ? "1 2>&1" : "2"}; done`;
      const running = place.start(["sh", ...DISCS], {}, script);
      await running.printed("begun");
      running.child[name].destroy();
      expect(await running.ended).toMatchObject({ exitCode: 141 });
    },
  );
});

test.each([
  ["a loop that does nothing", "while :; do :; done"],
  ["a loop in a function", "f() { until false; do :; done; }; f"],
  ["a loop that counts", "for ((i = 0; ; i++)); do :; done"],
  ["a sleep", "sleep 600"],
  ["a sleep in a group, in front of ||", "{ sleep 600; echo no; } > out || echo no"],
  ["a substitution", "x=$(sleep 600; echo no); echo $x"],
  ["a pipe", "echo a | while read x; do sleep 600; done"],
  ["a wait for an attribute", 'until [ "$(cat /sys/class/nope 2> /dev/null)" = 1 ]; do :; done'],
])("SIGINT ends %s", async (_what, statement) => {
  const running = place.start(["sh", "-c", `echo here\n${statement}\necho never`]);
  await running.printed("here\n");
  running.kill("SIGINT");
  expect(await running.ended).toEqual({ exitCode: 130, stdout: "here\n", stderr: "" });
});

test("SIGTERM while a statement is waited for ends it at once", async () => {
  const running = place.start(["sh", ...DISCS], {}, null);
  running.child.stdin?.write(`${SETUP}echo ready\n`);
  await running.printed("ready\n");
  running.kill("SIGTERM");
  expect(await running.ended).toMatchObject({ exitCode: 143, stdout: "ready\n" });
});

test("at the end disks are detached, and what was written to them is in the image", async () => {
  const script = `${SETUP}echo written > /dev/pci-rd-img\nexit 3\n`;
  expect(await place.run(["sh", ...DISCS], {}, script)).toMatchObject({ exitCode: 3 });
  const read = "dd if=disk.img bs=8 count=1 status=none";
  expect(await place.run(["sh", "-c", read])).toMatchObject({ stdout: "written\n" });
});
