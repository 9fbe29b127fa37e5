// `rm` in the shell: files and links of the machine and of the tree.

import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Place } from "./command-line.js";
import { FUNC1, onceAttached, placeWithImage, REMOTE, START, statementsOf } from "./shell-rig.js";

let place: Place;

beforeAll(async () => {
  place = await placeWithImage();
});

afterAll(() => place.remove());

test("removes links, and not what they lead to", async () => {
  await mkdir(place.path("links/directory/inside"), { recursive: true });
  await symlink("directory", place.path("links/there"));
  await symlink("nowhere", place.path("links/dangling"));
  await writeFile(place.path("links/file"), "");
  const [statement] = await statementsOf(place, "rm -v links/there links/dangling links/file\n");
  expect(statement).toMatchObject({
    stdout: "removed 'links/there'\nremoved 'links/dangling'\nremoved 'links/file'\n",
    stderr: "",
    exitCode: 0,
  });
  expect(await readdir(place.path("links"))).toEqual(["directory"]);
  await statementsOf(place, "rm -R links\n");
  expect(await readdir(place.directory)).not.toContain("links");
});

test("unbinds a function", async () => {
  const link = "/sys/kernel/config/pci_ep/controllers/44100000.pcie/func1";
  const statements = await onceAttached(
    place,
    `rm ${link}`,
    "rmmod pci-remote-disk",
    `echo 0 > ${START}`,
    `rm ${link}`,
    `rm -r ${FUNC1}`,
  );
  expect(statements.map(({ exitCode }) => exitCode)).toEqual([1, 0, 0, 0, 0]);
  expect(statements[0]?.stderr).toContain(`cannot remove '${link}': Device or resource busy: `);
});

test("with -f minds nothing that is not there, and all else", async () => {
  await mkdir(place.path("directory"));
  const cases: Record<string, string> = {
    "rm -f": "",
    "rm -rf nope nope/nope": "",
    "rm nope": "rm: cannot remove 'nope': No such file or directory",
    "rm directory": "rm: cannot remove 'directory': Is a directory",
    "cd directory; rm -rf .; cd ..":
      "rm: cannot remove '.': Operation not permitted: it is never removed",
    "rm -f /": "rm: cannot remove '/': Operation not permitted: it is never removed",
    "rm -f /dev/pci-rd-img": "rm: cannot remove '/dev/pci-rd-img': Operation not permitted",
    [`rm -rf ${FUNC1}`]: `rm: cannot remove '${FUNC1}': Device or resource busy`,
    [`rm -rf ${REMOTE}`]: `rm: cannot remove '${REMOTE}': Operation not permitted`,
  };
  const statements = await onceAttached(place, ...Object.keys(cases).map((each) => `{ ${each}; }`));
  for (const [index, [command, says]] of Object.entries(cases).entries()) {
    expect({ command, stderr: statements[index]?.stderr }).toEqual({
      command,
      stderr: says === "" ? "" : expect.stringContaining(says),
    });
  }
  expect(await readdir(place.directory)).toContain("directory");
});
