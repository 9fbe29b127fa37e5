// Discs by their names in the tree: files, block devices, memory, partitions; and what the root complex sees
// them as.

import { execFileSync } from "node:child_process";
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { applyDocument, dumpDocument } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeImage, pattern } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, FUNCTION, makeTree, REMOTE } from "./rig.js";

const SECTOR = 512;
/** Where the partition of `partitioned` is. */
const START = 64 * SECTOR;
const LENGTH = 128 * SECTOR;

/** An image with an MBR whose second slot is taken. */
function partitioned(): Uint8Array {
  const image = pattern(1024 * SECTOR);
  const table = new DataView(image.buffer, 446, 66);
  new Uint8Array(image.buffer, 440, 72).fill(0);
  new DataView(image.buffer).setUint32(440, 0xdecafbad, true);
  table.setUint8(16 + 4, 0x83);
  table.setUint32(16 + 8, START / SECTOR, true);
  table.setUint32(16 + 12, LENGTH / SECTOR, true);
  table.setUint16(64, 0xaa55, true);
  return image;
}

test.each(["2", "DECAFBAD-02"])(
  "partition %s is exported, and no byte outside it",
  async (partition) => {
    const path = makeImage(partitioned());
    const { tree, value } = await makeTree({ discs: { nvme0n1: path } });
    await bringTo(tree, "bound", "/dev/nvme0n1");
    await tree.writeFile(`${DISC}/partition`, `${partition}\n`);
    expect(await value(`${DISC}/partition`)).toBe(partition);
    expect(await value(`${DISC}/size`)).toBe(String(LENGTH / SECTOR));
    await tree.writeFile(`${CONTROLLER}/start`, "1");
    await tree.loadDriver();
    expect(await value(`${REMOTE}/nvme0n1p2/remote_name`)).toBe("/dev/nvme0n1p2");
    await tree.writeFile(`${REMOTE}/nvme0n1p2/attach`, "1");
    const disk = "/dev/pci-rd-nvme0n1p2";
    expect(await tree.readFile(disk)).toEqual(
      Buffer.from(partitioned()).subarray(START, START + LENGTH),
    );
    await tree.writeFile(disk, new Uint8Array(LENGTH).fill(0xff));
    expect(await codeOf(tree.writeFile(disk, new Uint8Array(LENGTH + 1)))).toBe("ENOSPC");
    const after = await readFile(path);
    const expected = partitioned();
    expected.fill(0xff, START, START + LENGTH);
    expect(after.equals(expected)).toBe(true);
  },
);

test("a partition that is not there is refused, and says which are", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", makeImage(partitioned()));
  const message = await tree
    .writeFile(`${DISC}/partition`, "1")
    .catch((error: Error) => error.message);
  expect(message).toMatch(/^EINVAL: .*2/);
  expect(await value(`${DISC}/partition`)).toBe("");
  expect(await value(`${DISC}/size`)).toBe("1024");
});

test.each([
  ["/dev/nvme0n1", "/dev/nvme0n1p2"],
  ["/dev/mmcblk0", "/dev/mmcblk0p2"],
  ["/dev/sda", "/dev/sda2"],
])("the second partition of %s is %s", async (name, seen) => {
  const { tree } = await makeTree();
  await tree.symlink(makeImage(partitioned()), name);
  await tree.mkdir(FUNCTION);
  await tree.mkdir(DISC);
  // Before it has a name, too.
  await tree.writeFile(`${DISC}/partition`, "2");
  await tree.writeFile(`${DISC}/disc_name`, name);
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(tree.endpoint?.exported("disc").discName).toBe(seen);
  await tree.writeFile(`${DISC}/export_name`, "mine");
  expect(tree.endpoint?.exported("disc").discName).toBe("mine");
  await tree.writeFile(`${DISC}/export_name`, "");
  expect(tree.endpoint?.exported("disc").discName).toBe(seen);
});

test("a name that does not fit the register is seen by its last component", async () => {
  const image = makeImage(new Uint8Array(SECTOR));
  const long = join(dirname(image), "x".repeat(63));
  const longer = join(dirname(image), "y".repeat(64));
  renameSync(image, long);
  symlinkSync(long, longer);
  const { tree } = await makeTree();
  await bringTo(tree, "bound", long);
  expect(tree.endpoint?.exported("disc").discName).toBe("x".repeat(63));
  const message = await tree
    .writeFile(`${DISC}/disc_name`, longer)
    .catch((error: Error) => error.message);
  expect(message).toMatch(/^EINVAL: .*export_name/);
  expect(tree.endpoint?.exported("disc").discName).toBe("x".repeat(63));
  await tree.writeFile(`${DISC}/export_name`, "short");
  await tree.writeFile(`${DISC}/disc_name`, longer);
  expect(tree.endpoint?.exported("disc").discName).toBe("short");
});

test("discs in memory are seen by the names of their directories", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  await tree.mkdir(`${FUNCTION}/second`);
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:64K");
  const names = tree.endpoint?.inspect().discs.map(({ discName }) => discName);
  expect(names).toEqual(["/dev/disc", "/dev/second"]);
});

test("the name of another disc is refused, and the disc stays what it was", async () => {
  const image = makeImage(new Uint8Array(SECTOR));
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", image);
  await tree.mkdir(`${FUNCTION}/second`);
  expect(await codeOf(tree.writeFile(`${FUNCTION}/second/disc_name`, image))).toBe("EEXIST");
  expect(await value(`${FUNCTION}/second/disc_name`)).toBe("");
  expect(tree.endpoint?.exports).toEqual(["disc"]);
});

test("a disc that is gone when its function is bound: nothing is bound", async () => {
  const image = makeImage(new Uint8Array(SECTOR));
  const { tree } = await makeTree();
  await bringTo(tree, "made", image);
  renameSync(image, `${image}.away`);
  expect(await codeOf(tree.symlink(FUNCTION, `${CONTROLLER}/func1`))).toBe("ENOENT");
  expect(tree.endpoint).toBeUndefined();
  expect(await tree.readdir(CONTROLLER)).toEqual(["start"]);
  renameSync(`${image}.away`, image);
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
});

test("unbinding keeps the configuration, and what is on files", async () => {
  const image = makeImage(pattern(64 * SECTOR));
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", image);
  await tree.writeFile(`${DISC}/max_number_of_queues`, "3");
  await tree.unlink(`${CONTROLLER}/func1`);
  expect(await value(`${DISC}/disc_name`)).toBe(image);
  expect(await value(`${DISC}/max_number_of_queues`)).toBe("3");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(tree.endpoint?.exported("disc").queues.length).toBe(3);
});

test("a disc without a name is not exported, and one that loses it is exported no more", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  await tree.mkdir(`${FUNCTION}/second`);
  expect(tree.endpoint?.exports).toEqual(["disc"]);
  await tree.writeFile(`${DISC}/disc_name`, "\n");
  expect(tree.endpoint?.exports).toEqual([]);
  expect(await tree.readdir(FUNCTION)).toEqual(expect.arrayContaining(["disc", "second"]));
});

test("a block device", async ({ skip }) => {
  const image = makeImage(pattern(64 * SECTOR));
  let device: string;
  try {
    device = execFileSync("losetup", ["--find", "--show", image], { encoding: "utf8" }).trim();
  } catch (error) {
    return skip(`no loop device can be set up: ${String(error).split("\n")[0]}`);
  }
  afterThisTest(() => {
    execFileSync("losetup", ["--detach", device]);
    rmSync(image, { force: true });
  });
  const { tree, value } = await makeTree();
  await bringTo(tree, "attached", device);
  expect(await value(`${DISC}/size`)).toBe("64");
  const [name] = await tree.readdir("/dev");
  expect(await tree.readFile(`/dev/${name}`)).toEqual(Buffer.from(pattern(64 * SECTOR)));
});

test("a partition's number is what it is, with zeros before it or without", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", makeImage(partitioned()));
  await tree.writeFile(`${DISC}/partition`, "002");
  expect(await value(`${DISC}/partition`)).toBe("2");
  expect(await applyDocument(tree, await dumpDocument(tree))).toEqual([]);
  const disc = { disc_name: await value(`${DISC}/disc_name`), partition: "02" };
  expect(await applyDocument(tree, { functions: { func1: { discs: { disc } } } })).toEqual([]);
});

test("a disc is looked for in /dev by its whole name alone", async () => {
  const { tree } = await makeTree({ discs: { sda: "memory:64K" } });
  await bringTo(tree, "made", "/dev/sda");
  for (const name of ["/srv/sda", "sda", "/dev//sda", "/dev/sdb"]) {
    expect([name, await codeOf(tree.writeFile(`${DISC}/disc_name`, name))]).toEqual([
      name,
      "ENOENT",
    ]);
  }
});
