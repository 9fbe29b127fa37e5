// The root complex's side of the tree: the driver, the discs that it finds, and what becomes of attached disks
// when the other side changes.

import { ConfigTree, createBus, type RootComplex } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeImage, pattern, until } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, FUNCTION, makeTree, REMOTE } from "./rig.js";

test("the driver is loaded once, and unloaded once", async () => {
  const { tree } = await makeTree();
  expect(await codeOf(tree.readdir(REMOTE))).toBe("ENOENT");
  expect(await codeOf(tree.unloadDriver())).toBe("ENOENT");
  await tree.loadDriver();
  expect(await codeOf(tree.loadDriver())).toBe("EEXIST");
  expect(await tree.readdir(REMOTE)).toEqual([]);
  await tree.unloadDriver();
  expect(tree.driverLoaded).toBe(false);
});

test("a driver that was loaded before the link finds the endpoint when it comes up", async () => {
  const { tree, log } = await makeTree();
  await tree.loadDriver();
  expect(log).toEqual([]);
  await bringTo(tree, "started", "memory:64K");
  expect(log).toContain("pci-remote-disk 0001:01:00.0: Found /dev/disc");
  expect(await tree.readdir(REMOTE)).toEqual(["disc"]);
});

test("a disc that is exported later is seen, and one that is gone is not", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.mkdir(`${FUNCTION}/second`);
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:64K");
  expect(await tree.readdir(REMOTE)).toEqual(["disc", "second"]);
  await tree.rmdir(`${FUNCTION}/second`);
  expect(await tree.readdir(REMOTE)).toEqual(["disc"]);
});

test("discs with one last component are told apart by their whole names", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  await tree.writeFile(`${DISC}/export_name`, "/srv/a/disk");
  await tree.mkdir(`${FUNCTION}/second`);
  await tree.writeFile(`${FUNCTION}/second/export_name`, "/srv/b/disk");
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:64K");
  await tree.loadDriver();
  expect(await tree.readdir(REMOTE)).toEqual(["!srv!a!disk", "!srv!b!disk"]);
  await tree.writeFile(`${REMOTE}/!srv!b!disk/attach`, "1");
  expect(await codeOf(tree.writeFile(`${REMOTE}/!srv!a!disk/attach`, "1"))).toBe("EEXIST");
  await tree.writeFile(`${REMOTE}/!srv!a!disk/local_name`, "a");
  await tree.writeFile(`${REMOTE}/!srv!a!disk/attach`, "1");
  expect(await tree.readdir("/dev")).toEqual(["pci-rd-disk", "a"]);
});

test("a disk is offline while the link is down, and goes on when it is up again", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "attached", makeImage(pattern(65536)));
  const disk = tree.rootComplex?.disks[0];
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  // Attached as it was, and nobody answers.
  expect(await tree.readdir(REMOTE)).toEqual(["disk.img"]);
  expect(await value(`${REMOTE}/disk.img/attach`)).toBe("1");
  expect(await value(`${DISC}/attached`)).toBe("0");
  await until("the disk knows", () => disk?.online === false);
  expect(await codeOf(tree.readFile("/dev/pci-rd-disk.img"))).toBe("ENODEV");
  await tree.writeFile(`${CONTROLLER}/start`, "1");
  await disk?.whenOnline();
  expect(await tree.readFile("/dev/pci-rd-disk.img")).toEqual(Buffer.from(pattern(65536)));
  expect(await value(`${DISC}/attached`)).toBe("1");
});

test("a disk whose endpoint is unbound can be detached", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  await tree.unlink(`${CONTROLLER}/func1`);
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  expect(tree.rootComplex?.disks).toEqual([]);
});

test("an endpoint that comes back with other vectors is probed anew", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  const before = tree.rootComplex;
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  await tree.unlink(`${CONTROLLER}/func1`);
  await tree.writeFile(`${FUNCTION}/msix_interrupts`, "512");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  await tree.writeFile(`${CONTROLLER}/start`, "1");
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
  expect(before?.closed).toBe(true);
  expect(tree.rootComplex?.disks.length).toBe(1);
});

test("unloading the driver detaches its disks", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.unloadDriver();
  expect(await value(`${DISC}/attached`)).toBe("0");
  expect(await tree.readdir("/dev")).toEqual([]);
  await tree.loadDriver();
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
});

test("a driver without an endpoint that answers says so in the log, once", async () => {
  const { tree, bus, log } = await makeTree({ sides: ["root-complex"] });
  // A device that is no such endpoint.
  bus.configSpace.linkUp(
    {
      vendorId: 0x1234,
      deviceId: 1,
      revisionId: 0,
      classCode: 0xff0000,
      subsystemVendorId: 0,
      subsystemId: 0,
      cacheLineSize: 0,
      interruptPin: 0,
    },
    bus.bar.offset,
    { vectors: 1, tableOffset: 2048, pendingOffset: 2064 },
    0,
  );
  await tree.loadDriver();
  await tree.readdir(REMOTE);
  expect(log.filter((line) => line.includes("probe failed"))).toHaveLength(1);
  bus.configSpace.linkDown();
});

test("an endpoint that comes is probed once, however many look", async () => {
  const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
  const log: string[] = [];
  const ep = ConfigTree.create(bus, { sides: ["endpoint"] });
  const rc = ConfigTree.create(bus, { sides: ["root-complex"], log: (line) => log.push(line) });
  afterThisTest(async () => {
    await rc.close();
    await ep.close();
  });
  await rc.loadDriver();
  await bringTo(ep, "started", "memory:64K");
  const looks = await Promise.all(Array.from({ length: 4 }, () => rc.readdir(REMOTE)));
  expect(looks).toEqual(Array(4).fill(["disc"]));
  expect(log.filter((line) => line.includes("probe failed"))).toEqual([]);
});

test("a driver that is unloaded while somebody looks lets go of the endpoint", async () => {
  const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
  const ep = ConfigTree.create(bus, { sides: ["endpoint"] });
  const rc = ConfigTree.create(bus, { sides: ["root-complex"] });
  afterThisTest(() => ep.close());
  await bringTo(ep, "bound", "memory:64K");
  // Wherever the look has come to.
  for (let turns = 0; turns < 20; turns++) {
    await rc.loadDriver();
    await ep.writeFile(`${CONTROLLER}/start`, "1");
    const look = codeOf(rc.readdir(REMOTE));
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await rc.unloadDriver();
    await look;
    expect([turns, rc.rootComplex]).toEqual([turns, undefined]);
    await ep.writeFile(`${CONTROLLER}/start`, "0");
  }
});

test("a driver that cannot be unloaded has all of its disks", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.mkdir(`${FUNCTION}/second`);
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:64K");
  const rc = tree.rootComplex as RootComplex;
  const disk = await rc.attach("second", { queues: 1, numDescriptors: 64 });
  const reads = Array.from({ length: 64 }, () => disk.read(new Uint8Array(512), 0));
  expect(await codeOf(tree.unloadDriver())).toBe("EBUSY");
  expect(await tree.readdir("/dev")).toEqual(["pci-rd-disc", "pci-rd-second"]);
  await Promise.all(reads);
  await tree.unloadDriver();
});

test.each([".", "..", "/srv/..", "/"])(
  "a disc that is seen as %j has a directory",
  async (name) => {
    const { tree } = await makeTree();
    await bringTo(tree, "started", "memory:64K");
    await tree.writeFile(`${DISC}/export_name`, name);
    await tree.loadDriver();
    const [directory] = await tree.readdir(REMOTE);
    expect(await tree.readFile(`${REMOTE}/${directory}/remote_name`, "utf8")).toBe(`${name}\n`);
    await tree.writeFile(`${REMOTE}/${directory}/attach`, "1");
    expect(tree.rootComplex?.disks.map((disk) => disk.name)).toEqual([name]);
  },
);

test("a disk is not called as a disc is that has a name in /dev", async () => {
  const { tree } = await makeTree({ discs: { root: "memory:64K" } });
  await bringTo(tree, "started", "/dev/root");
  await tree.loadDriver();
  await tree.writeFile(`${REMOTE}/root/local_name`, "root");
  expect(await codeOf(tree.writeFile(`${REMOTE}/root/attach`, "1"))).toBe("EEXIST");
  expect(await tree.readdir("/dev")).toEqual(["root"]);
  await tree.unlink("/dev/root");
  await tree.writeFile(`${REMOTE}/root/attach`, "1");
  expect((await tree.stat("/dev/root")).isBlockDevice()).toBe(true);
});

test("a disc that was removed while the link was down can be detached", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.mkdir(`${FUNCTION}/second`);
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:64K");
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  await tree.rmdir(DISC);
  await tree.writeFile(`${CONTROLLER}/start`, "1");
  expect([...(await tree.readdir(REMOTE))].sort()).toEqual(["disc", "second"]);
  expect(await value(`${REMOTE}/disc/attach`)).toBe("1");
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  expect(await tree.readdir(REMOTE)).toEqual(["second"]);
});

test("an endpoint that comes back with other vectors takes no disk away that is attached", async () => {
  const { tree, value, log } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  await tree.unlink(`${CONTROLLER}/func1`);
  await tree.writeFile(`${FUNCTION}/msix_interrupts`, "512");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  await tree.writeFile(`${CONTROLLER}/start`, "1");
  expect(await value(`${REMOTE}/disc/attach`)).toBe("1");
  expect(log.some((line) => line.includes("the endpoint has changed"))).toBe(true);
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
  expect(await value(`${DISC}/attached`)).toBe("1");
});

test("a root complex that somebody closed is probed anew", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.rootComplex?.close();
  expect(tree.rootComplex).toBeUndefined();
  expect(await tree.readdir("/dev")).toEqual([]);
  expect(await tree.readdir(REMOTE)).toEqual(["disc"]);
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
});
