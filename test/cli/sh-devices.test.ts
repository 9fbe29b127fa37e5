// What the shell leaves as it is on the machine: the devices in its /dev, and the file that is copied over.

import { link, readFile, writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { ConfigTree, createBus } from "blockpt";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Console } from "../../ts/cli/sh/console.js";
import { FileSystem } from "../../ts/cli/sh/files/file-system.js";
import { machineFiles } from "../../ts/cli/sh/files/machine-files.js";
import { Place } from "./command-line.js";

let place: Place;

beforeAll(async () => {
  place = await Place.create();
});

afterAll(() => place.remove());

test("devices are not removed, moved, written over by mv, or changed", async () => {
  // The machine is out of reach: a shell that did it would take the device from everyone.
  const remove = vi.spyOn(machineFiles, "rm").mockResolvedValue();
  const chmod = vi.spyOn(machineFiles, "chmod").mockResolvedValue();
  const tree = ConfigTree.create(await createBus());
  const fs = new FileSystem(tree, new Console(false), Readable.from([]));
  const refused = { code: "EPERM", reason: "Operation not permitted: it is the machine's" };
  await expect(fs.rm("/dev/null")).rejects.toMatchObject(refused);
  await expect(fs.rm("/dev/fd", { recursive: true })).rejects.toMatchObject(refused);
  await expect(fs.chmod("/dev/zero", 0)).rejects.toMatchObject(refused);
  await expect(fs.mv("/dev/null", place.path("no/such"))).rejects.toMatchObject(refused);
  await expect(fs.mv(place.path("no/such"), "/dev/null")).rejects.toMatchObject(refused);
  expect(remove).not.toHaveBeenCalled();
  expect(chmod).not.toHaveBeenCalled();
  await tree.close();
});

test("a file that is copied over stays the same file, as the image of a disc has to", async () => {
  await writeFile(place.path("image"), "old and long");
  await link(place.path("image"), place.path("other"));
  await writeFile(place.path("new"), "new");
  const { exitCode } = await place.run(["sh", "-c", "cp new image"]);
  expect(exitCode).toBe(0);
  expect(await readFile(place.path("other"), "utf8")).toBe("new");
});
