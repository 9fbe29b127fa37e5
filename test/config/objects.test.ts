// The tree and the API are two ways to the same endpoint and root complex: what one changes the other shows.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  ConfigTree,
  createBus,
  dumpDocument,
  type Endpoint,
  FileDisc,
  MemoryDisc,
  RootComplex,
} from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, FUNCTION, FUNCTIONS, makeTree, REMOTE } from "./rig.js";

test("a tree shows an endpoint and a root complex that were there before", async () => {
  const { bus, endpoint } = await makeEndpoint({}, { deviceId: 0x1234, msixInterrupts: 8 });
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536), { queues: 2, readOnly: true });
  await endpoint.start();
  const rootComplex = await RootComplex.probe(bus);
  await rootComplex.attach("ram0", { numDescriptors: 64, localName: "mine" });
  const tree = ConfigTree.create(bus, { endpoint, rootComplex });
  expect(tree.driverLoaded).toBe(true);
  expect(await tree.readdir(FUNCTIONS)).toEqual(["func1"]);
  expect(await tree.readdir(CONTROLLER)).toEqual(["start", "func1"]);
  const value = async (path: string): Promise<string> =>
    (await tree.readFile(path, "utf8")).trimEnd();
  expect(await value(`${CONTROLLER}/start`)).toBe("1");
  expect(await value(`${FUNCTION}/deviceid`)).toBe("0x1234");
  expect(await value(`${FUNCTION}/baseclass_code`)).toBe("0x00ff");
  expect(await value(`${FUNCTION}/msix_interrupts`)).toBe("8");
  expect(await value(`${FUNCTION}/ram0/disc_name`)).toBe("/dev/ram0");
  expect(await value(`${FUNCTION}/ram0/read_only`)).toBe("1");
  expect(await value(`${FUNCTION}/ram0/max_number_of_queues`)).toBe("2");
  expect(await value(`${FUNCTION}/ram0/attached`)).toBe("1");
  expect(await value(`${FUNCTION}/ram0/irq_stats`)).toBe("cpu0: 0\ncpu1: 0");
  expect(await value(`${REMOTE}/ram0/attach`)).toBe("1");
  expect(await value(`${REMOTE}/ram0/local_name`)).toBe("mine");
  await tree.close();
  expect(endpoint.closed).toBe(true);
  expect(rootComplex.closed).toBe(true);
});

test("what the API does with the endpoint shows in the tree", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  const endpoint = tree.endpoint as Endpoint;
  await endpoint.exportDisc("ram1", MemoryDisc.create(tree.bus, 131072));
  expect(await tree.readdir(FUNCTION)).toContain("ram1");
  expect(await value(`${FUNCTION}/ram1/size`)).toBe("256");
  await endpoint.changeExport("ram1", { readOnly: true, queues: 3, discName: "/dev/other" });
  expect(await value(`${FUNCTION}/ram1/read_only`)).toBe("1");
  expect(await value(`${FUNCTION}/ram1/max_number_of_queues`)).toBe("3");
  await endpoint.start();
  expect(await value(`${CONTROLLER}/start`)).toBe("1");
  await tree.loadDriver();
  expect(await tree.readdir(REMOTE)).toEqual(["disc", "other"]);
  const rc = tree.rootComplex as RootComplex;
  await rc.attach("other", { numDescriptors: 64 });
  expect(await value(`${FUNCTION}/ram1/attached`)).toBe("1");
  expect(await value(`${REMOTE}/other/attach`)).toBe("1");
  expect(await tree.readdir("/dev")).toEqual(["pci-rd-other"]);
  await rc.detach("other");
  expect(await value(`${REMOTE}/other/attach`)).toBe("0");
  await endpoint.unexportDisc("disc");
  expect(await codeOf(tree.readFile(`${DISC}/disc_name`))).toBe("ENOENT");
  expect(await tree.readdir(REMOTE)).toEqual(["other"]);
  await endpoint.stop();
  expect(await value(`${CONTROLLER}/start`)).toBe("0");
  await endpoint.close();
  expect(await tree.readdir(CONTROLLER)).toEqual(["start"]);
  // Its configuration stays, and can be bound again: the disc of the API was the API's.
  await tree.writeFile(`${FUNCTION}/vendorid`, "1");
  await tree.rmdir(`${FUNCTION}/ram1`);
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(tree.endpoint?.identity.vendorId).toBe(1);
});

test("what the tree does shows in the API", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", makeImage(pattern(65536)));
  const { endpoint, rootComplex } = tree;
  expect(endpoint?.started).toBe(true);
  expect(endpoint?.exports).toEqual(["disc"]);
  expect(rootComplex?.disks.map(({ localName }) => localName)).toEqual(["pci-rd-disk.img"]);
  const sector = new Uint8Array(512);
  await rootComplex?.disks[0]?.read(sector, 512);
  expect(sector).toEqual(pattern(65536).subarray(512, 1024));
  expect(await tree.readFile(`${DISC}/stats`, "utf8")).toMatch(/^reads 1\n/);
  await until("the interrupt is counted", () => {
    const [queue] = endpoint?.exported("disc").queues ?? [];
    return (queue?.statistics.bytesRead ?? 0) === 512;
  });
  await tree.unloadDriver();
  expect(rootComplex?.closed).toBe(true);
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  expect(endpoint?.started).toBe(false);
});

test("two trees of one bus are the two sides", async () => {
  const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
  const ep = ConfigTree.create(bus, { sides: ["endpoint"] });
  const rc = ConfigTree.create(bus, { sides: ["root-complex"] });
  afterThisTest(async () => {
    await rc.close();
    await ep.close();
  });
  await rc.loadDriver();
  expect(await rc.readdir(REMOTE)).toEqual([]);
  await bringTo(ep, "started", "memory:64K");
  expect(await rc.readdir("/sys/bus/pci/devices")).toEqual(["0001:01:00.0"]);
  expect(await rc.readdir(REMOTE)).toEqual(["disc"]);
  await rc.writeFile(`${REMOTE}/disc/attach`, "1");
  expect(await ep.readFile(`${DISC}/attached`, "utf8")).toBe("1\n");
  expect(await ep.readdir("/dev")).toEqual([]);
  expect(await rc.readdir("/dev")).toEqual(["pci-rd-disc"]);
});

test("the root complex's tree may be in another thread", async () => {
  const { tree } = await makeTree({ sides: ["endpoint"] });
  await bringTo(tree, "started", makeImage(pattern(65536)));
  const driver = `
    import { parentPort, workerData } from "node:worker_threads";
    const { ConfigTree, openBus } = await import(workerData.blockpt);
    const tree = ConfigTree.create(openBus(workerData.bus), { sides: ["root-complex"] });
    await tree.loadDriver();
    await tree.writeFile("${REMOTE}/disk.img/attach", "1");
    parentPort.postMessage(await tree.readFile("/dev/pci-rd-disk.img"));
    await tree.close();`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(driver)}`), {
    workerData: { bus: tree.bus.handle, blockpt: import.meta.resolve("blockpt") },
  });
  const [bytes] = await once(worker, "message");
  expect(bytes).toEqual(pattern(65536));
  await once(worker, "exit");
});

test("changeExport leaves everything as it was if it fails", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536), { queues: 2 });
  await endpoint.exportDisc("ram1", MemoryDisc.create(bus, 65536));
  const before = endpoint.inspect().discs;
  for (const changes of [
    { queues: 0 },
    { discName: "/dev/ram1" },
    { discName: "" },
    { disc: await FileDisc.open(makeImage(new Uint8Array(512))), discName: "/dev/ram1" },
  ]) {
    expect(await codeOf(endpoint.changeExport("ram0", changes))).toMatch(/^ERR_BLOCKPT_/);
    expect(endpoint.inspect().discs).toEqual(before);
    changes.disc?.close();
  }
  expect(await codeOf(endpoint.changeExport("ram9", {}))).toBe("ERR_BLOCKPT_NO_SUCH_DISC");
  await endpoint.changeExport("ram0", { discName: "/dev/first", disc: undefined });
  expect(endpoint.inspect().discs.map(({ discName }) => discName)).toEqual([
    "/dev/first",
    "/dev/ram1",
  ]);
  expect(endpoint.exported("ram0").queues.length).toBe(2);
});

test("changeExport is refused while a root complex is attached", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  await rc.attach("ram0", { numDescriptors: 64 });
  expect(await codeOf(endpoint.changeExport("ram0", { readOnly: true }))).toBe("ERR_BLOCKPT_BUSY");
  await rc.close();
  await endpoint.changeExport("ram0", { readOnly: true });
  expect(endpoint.exported("ram0").readOnly).toBe(true);
});

test("an endpoint of the tree logs to the kernel's log, and so does the driver", async () => {
  const { tree, log } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  expect(log).toEqual([
    "pci-remote-disk 0001:01:00.0: Found /dev/disc",
    "pci-remote-disk 0001:01:00.0: Found 1 devices",
    "pci-remote-disk 0001:01:00.0: disc: Setting queue addr. #Descriptors 1024 (28688 Bytes)",
    "pci-remote-disk 0001:01:00.0: /dev/disc capacity 0x80",
  ]);
  expect(tree.kernelLog.map(({ text }) => text)).toEqual(log);
  const seconds = tree.kernelLog.map((line) => line.seconds);
  expect(seconds).toEqual([...seconds].sort((one, other) => one - other));
});

test("a disc of the API stays a disc of the function when that is unbound", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  await tree.endpoint?.exportDisc("ram1", MemoryDisc.create(tree.bus, 65536));
  await tree.unlink(`${CONTROLLER}/func1`);
  expect(await tree.readFile(`${FUNCTION}/ram1/disc_name`, "utf8")).toBe("/dev/ram1\n");
});

test("the header of an endpoint that was there before shows field by field", async () => {
  const identity = { revisionId: 3, classCode: 0x010802, cacheLineSize: 16, interruptPin: 1 };
  const { bus, endpoint } = await makeEndpoint(
    {},
    { identity: { ...identity, subsystemVendorId: 0x1af4, subsystemId: 7 }, msiInterrupts: 4 },
  );
  const tree = ConfigTree.create(bus, { endpoint });
  const { functions } = await dumpDocument(tree);
  expect(functions?.func1).toMatchObject({
    revid: 3,
    baseclass_code: 1,
    subclass_code: 8,
    progif_code: 2,
    cache_line_size: 16,
    interrupt_pin: 1,
    subsys_vendor_id: 0x1af4,
    subsys_id: 7,
    msi_interrupts: 4,
  });
});

test("a name that the API gave an export is kept when the tree changes something else", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  const endpoint = tree.endpoint as Endpoint;
  await endpoint.exportDisc("ram1", MemoryDisc.create(tree.bus, 65536));
  await tree.readdir(FUNCTION);
  for (const name of ["disc", "ram1"]) {
    await endpoint.changeExport(name, { discName: `/dev/other-${name}` });
    expect(await value(`${FUNCTION}/${name}/export_name`)).toBe(`/dev/other-${name}`);
    await tree.writeFile(`${FUNCTION}/${name}/max_number_of_queues`, "2");
    expect(endpoint.exported(name).discName).toBe(`/dev/other-${name}`);
  }
  await tree.writeFile(`${DISC}/export_name`, "");
  expect(endpoint.exported("disc").discName).toBe("/dev/disc");
});

test("a disc that the API exported under some name is not looked for under it on this machine", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  const endpoint = tree.endpoint as Endpoint;
  // The API calls it as a file is called that is there.
  const image = makeImage(pattern(4096));
  const disc = MemoryDisc.create(tree.bus, 65536);
  await endpoint.exportDisc("ram1", disc, { readOnly: true, discName: image });
  const readOnly = `${FUNCTION}/ram1/read_only`;
  expect(await codeOf(tree.writeFile(readOnly, "0"))).toBe("EPERM");
  expect(await codeOf(tree.writeFile(`${FUNCTION}/ram1/partition`, "1"))).toBe("EPERM");
  expect([await value(readOnly), endpoint.exported("ram1").sectors]).toEqual(["1", 128]);
  await tree.writeFile(`${FUNCTION}/ram1/export_name`, "mine");
  expect(endpoint.exported("ram1").discName).toBe("mine");
  // Said by name it is meant.
  await tree.writeFile(`${FUNCTION}/ram1/disc_name`, image);
  expect(endpoint.exported("ram1").sectors).toBe(8);
  await tree.writeFile(readOnly, "0");
  expect(await value(readOnly)).toBe("0");
});

test("a function with a disc that the API exported is not bound again before that has a name", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  const endpoint = tree.endpoint as Endpoint;
  const image = makeImage(pattern(4096));
  await endpoint.exportDisc("ram1", MemoryDisc.create(tree.bus, 65536), { discName: image });
  await tree.unlink(`${CONTROLLER}/func1`);
  expect(await codeOf(tree.symlink(FUNCTION, `${CONTROLLER}/func1`))).toBe("EPERM");
  await tree.writeFile(`${FUNCTION}/ram1/disc_name`, image);
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(tree.endpoint?.exported("ram1").sectors).toBe(8);
});
