// A file system of the kernel on a disc of ours: ext4 is made, filled, mounted again, trimmed, and checked.

import { mkdir, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { Place } from "../cli/command-line.js";
import { makeSparse } from "../cli/copy-images.js";
import type { Extent } from "./extents.js";
import { NbdFile, whyNotMounted } from "./mounted.js";
import { startServer } from "./server-rig.js";
import { json, need, succeed, TOOL_TEST_MS } from "./tools.js";

const MIB = 1024 ** 2;
let place: Place;
let file: NbdFile | undefined;

beforeEach(async () => {
  place = await Place.create();
});

afterEach(async () => {
  await file?.close();
  file = undefined;
  await place.remove();
});

/** A folder with a large file, and many small ones. */
async function makeFolder(): Promise<string> {
  const folder = place.path("files");
  await mkdir(`${folder}/small`, { recursive: true });
  await writeFile(`${folder}/large`, pattern(12 * MIB));
  for (let index = 1; index <= 300; index++) {
    await writeFile(`${folder}/small/${index}`, pattern(index * 64, index));
  }
  return folder;
}

test.for([{ name: "ram0" }, { name: "disk.img" }])(
  "ext4 on $name: made, filled, unmounted, checked",
  {
    timeout: TOOL_TEST_MS,
  },
  async ({ name }, context) => {
    need(context, "nbdfuse", "nbdinfo", "mkfs.ext4", "losetup");
    const reason = whyNotMounted();
    context.skip(reason !== undefined, reason);
    await makeSparse(place.path("disk.img"), 64 * MIB);
    const server = await startServer(place, ["ram0=memory:64M", "disk.img"]);
    const uri = server.uri(name);
    const files = await makeFolder();
    const fsck = (path: string) => succeed("e2fsck", ["-f", "-n", path]);

    file = await NbdFile.open(place, uri);
    await succeed("mkfs.ext4", ["-q", "-F", file.path]);
    await succeed("cp", ["-r", files, await file.mount()]);
    await file.unmount();
    await fsck(file.path);
    await file.close();

    // Another client finds all of it.
    file = await NbdFile.open(place, uri);
    const folder = await file.mount();
    await succeed("diff", ["-r", files, `${folder}/files`]);
    const dataBytes = async (): Promise<number> => {
      const map = await json<Extent[]>("nbdinfo", ["--map", "--json", uri]);
      return map.reduce(
        (sum, { length, description }) => sum + (description === "data" ? length : 0),
        0,
      );
    };
    const before = await dataBytes();
    expect(before).toBeGreaterThan(12 * MIB);
    await succeed("rm", ["-r", `${folder}/files/large`]);
    await succeed("sync", ["-f", folder]);
    if (name === "ram0") {
      await succeed("fstrim", [folder]);
      expect(await dataBytes()).toBeLessThan(before - 11 * MIB);
    }
    await file.unmount();
    await fsck(file.path);
    expect(await file.close()).toMatchObject({ exitCode: 0 });
    expect(await server.close()).toMatchObject({ exitCode: 143 });
    if (name === "disk.img") await fsck(place.path("disk.img"));
  },
);
