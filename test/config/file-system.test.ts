// The tree as a file system: what is where, in the shape and with the errors of `node:fs/promises`.

import { mkdtempSync, rmSync } from "node:fs";
import * as host from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, ConfigTree, createBus } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeImage, pattern } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, FUNCTION, FUNCTIONS, makeTree, REMOTE } from "./rig.js";

/** What both have. */
type FileSystem = Pick<
  typeof host,
  "mkdir" | "rmdir" | "readlink" | "unlink" | "lstat" | "stat" | "symlink"
> & {
  readdir(path: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
};

/** Code that takes a file system takes the tree. */
async function everyPath(
  fs: Pick<ConfigTree, "readdir" | "lstat">,
  path: string,
): Promise<string[]> {
  if (!(await fs.lstat(path)).isDirectory()) return [path];
  const paths = (await fs.readdir(path)).map((name) => everyPath(fs, `${path}/${name}`));
  return [path, ...(await Promise.all(paths)).flat()];
}

test("before anything is made there is what the kernel has", async () => {
  const { tree } = await makeTree();
  expect(await everyPath(tree, "/sys")).toEqual([
    "/sys",
    "/sys/class",
    "/sys/class/pci_epc",
    "/sys/class/pci_epc/44100000.pcie",
    "/sys/bus",
    "/sys/bus/pci-epf",
    "/sys/bus/pci-epf/drivers",
    "/sys/bus/pci-epf/drivers/pci_epf_blockpt",
    "/sys/bus/pci",
    "/sys/bus/pci/devices",
    "/sys/kernel",
    "/sys/kernel/config",
    "/sys/kernel/config/pci_ep",
    "/sys/kernel/config/pci_ep/controllers",
    "/sys/kernel/config/pci_ep/controllers/44100000.pcie",
    "/sys/kernel/config/pci_ep/controllers/44100000.pcie/start",
    "/sys/kernel/config/pci_ep/functions",
    "/sys/kernel/config/pci_ep/functions/pci_epf_blockpt",
  ]);
});

test("a tree of one side has that side alone", async () => {
  const ep = (await makeTree({ sides: ["endpoint"] })).tree;
  expect(await ep.readdir("/sys/kernel/config")).toEqual(["pci_ep"]);
  expect(await ep.readdir("/sys/bus")).toEqual(["pci-epf"]);
  expect(await codeOf(ep.loadDriver())).toBe("ENODEV");
  const rc = (await makeTree({ sides: ["root-complex"] })).tree;
  expect(await rc.readdir("/sys")).toEqual(["bus", "kernel"]);
  expect(await rc.readdir("/sys/bus")).toEqual(["pci"]);
  await rc.loadDriver();
  expect(await rc.readdir("/sys/kernel/config")).toEqual(["pci_remote_disk"]);
});

test("a function, its disc and its link show as what they are", async () => {
  const { tree } = await makeTree({ discs: { ram0: "memory:1M" } });
  await bringTo(tree, "attached", "/dev/ram0");
  const kinds = async (path: string): Promise<string[]> =>
    (await tree.readdir(path, { withFileTypes: true })).map((entry) => {
      const is = {
        isDirectory: "d",
        isFile: "-",
        isSymbolicLink: "l",
        isBlockDevice: "b",
      } as const;
      const [kind] = Object.entries(is).filter(([method]) => entry[method as keyof typeof is]());
      return `${kind?.[1]} ${entry.name}`;
    });
  expect(await kinds(CONTROLLER)).toEqual(["- start", "l func1"]);
  expect((await kinds(FUNCTION)).filter((line) => !line.startsWith("-"))).toEqual(["d disc"]);
  expect(await kinds("/dev")).toEqual(["l ram0", "b pci-rd-ram0"]);
  expect(await tree.readlink(`${CONTROLLER}/func1`)).toBe("../../functions/pci_epf_blockpt/func1");
  expect(await tree.readlink("/dev/ram0")).toBe("memory:1M");
  // Through the link, and not.
  expect(await tree.readFile(`${CONTROLLER}/func1/disc/disc_name`, "utf8")).toBe("/dev/ram0\n");
  expect((await tree.stat(`${CONTROLLER}/func1`)).isDirectory()).toBe(true);
  expect((await tree.lstat(`${CONTROLLER}/func1`)).isSymbolicLink()).toBe(true);
  const modes = async (path: string): Promise<string> => (await tree.stat(path)).mode.toString(8);
  expect(await modes(FUNCTION)).toBe("40755");
  expect(await modes(`${DISC}/disc_name`)).toBe("100644");
  expect(await modes(`${DISC}/stats`)).toBe("100444");
  expect(await modes("/dev/pci-rd-ram0")).toBe("60660");
  expect((await tree.stat("/dev/pci-rd-ram0")).size).toBe(1024 * 1024);
  expect(await tree.readFile(`${DISC}/disc_name`)).toEqual(Buffer.from("/dev/ram0\n"));
  expect(await tree.readFile(`${DISC}/disc_name`, { encoding: "hex" })).toBe(
    Buffer.from("/dev/ram0\n").toString("hex"),
  );
});

test("an error is that of node:fs, with a word about what would be accepted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-test-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  await host.mkdir(join(folder, "directory"));
  await host.writeFile(join(folder, "directory/file"), "");
  const { tree } = await makeTree();
  await bringTo(tree, "made", "memory:1M");
  const calls: readonly ((fs: FileSystem, root: string, file: string) => Promise<unknown>)[] = [
    (fs, root) => fs.readdir(`${root}/nothing`),
    (fs, _, file) => fs.readdir(file),
    (fs, _, file) => fs.rmdir(file),
    (fs, root) => fs.rmdir(`${root}/nothing`),
    (fs, root) => fs.mkdir(root),
    (fs, _, file) => fs.mkdir(`${file}/below`),
    (fs, root) => fs.mkdir(`${root}/nothing/below`),
    (fs, _, file) => fs.readlink(file),
    (fs, root) => fs.readlink(`${root}/nothing`),
    (fs, root) => fs.unlink(`${root}/nothing`),
    (fs, root) => fs.lstat(`${root}/nothing`),
    (fs, root) => fs.stat(`${root}/nothing`),
    (fs, _, file) => fs.stat(`${file}/below`),
  ];
  for (const call of calls) {
    const failure = (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> =>
      promise.then(
        () => ({ code: "ok" }) as NodeJS.ErrnoException,
        (error: NodeJS.ErrnoException) => error,
      );
    const theirs = await failure(
      call(host as FileSystem, join(folder, "directory"), join(folder, "directory/file")),
    );
    const ours = await failure(call(tree as unknown as FileSystem, DISC, `${DISC}/disc_name`));
    const shape = ({ code, errno, syscall }: NodeJS.ErrnoException) => ({ code, errno, syscall });
    expect([call.toString(), shape(ours)]).toEqual([call.toString(), shape(theirs)]);
    expect(ours).toBeInstanceOf(ConfigError);
    expect(ours.message.startsWith(theirs.message.split(" '")[0] as string)).toBe(true);
    expect(ours.path).toContain(DISC);
  }
});

test("what has no place in the tree is refused", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:1M");
  const refusals: readonly (readonly [() => Promise<unknown>, string])[] = [
    [() => tree.mkdir("/sys/new"), "EPERM"],
    [() => tree.mkdir("/dev/new"), "EPERM"],
    [() => tree.mkdir("/sys/kernel/config/pci_ep/functions/pci_epf_test"), "EPERM"],
    [() => tree.mkdir(`${DISC}/below`), "EPERM"],
    [() => tree.mkdir(`${REMOTE}/new`), "EPERM"],
    [() => tree.mkdir(`${FUNCTION}/vendorid`), "EEXIST"],
    [() => tree.mkdir(FUNCTION), "EEXIST"],
    [() => tree.mkdir(`${FUNCTION}/a\tb`), "EINVAL"],
    [() => tree.mkdir(`${FUNCTION}/${"x".repeat(256)}`), "EINVAL"],
    [() => tree.mkdir("/"), "EBUSY"],
    [() => tree.rmdir("/sys/kernel"), "EPERM"],
    [() => tree.rmdir(FUNCTIONS), "EPERM"],
    [() => tree.rmdir(`${REMOTE}/disc`), "EPERM"],
    [() => tree.unlink(`${DISC}/disc_name`), "EPERM"],
    [() => tree.unlink(`${CONTROLLER}/start`), "EPERM"],
    [() => tree.unlink(DISC), "EISDIR"],
    [() => tree.unlink("/dev/pci-rd-disc"), "EPERM"],
    [() => tree.symlink("disk.img", "/sys/link"), "EPERM"],
    [() => tree.symlink("", "/dev/empty"), "ENOENT"],
    [() => tree.symlink("disk.img", "/dev/pci-rd-disc"), "EEXIST"],
    [() => tree.writeFile(`${DISC}/new`, "1"), "ENOENT"],
    [() => tree.writeFile(DISC, "1"), "EISDIR"],
    [() => tree.readFile(DISC), "EISDIR"],
    [() => tree.open(`${DISC}/disc_name`), "EINVAL"],
    [() => tree.open(DISC), "EISDIR"],
  ];
  for (const [call, code] of refusals) {
    expect([call.toString(), await codeOf(call())]).toEqual([call.toString(), code]);
  }
});

test("a link binds a function, from wherever its target is looked for", async () => {
  for (const target of [
    "functions/pci_epf_blockpt/func1",
    "../../functions/pci_epf_blockpt/func1",
    FUNCTION,
    `${FUNCTION}/`,
  ]) {
    const { tree } = await makeTree();
    await tree.mkdir(FUNCTION);
    await tree.symlink(target, `${CONTROLLER}/func1`);
    expect(tree.endpoint?.controller.name).toBe("44100000.pcie");
    await tree.unlink(`${CONTROLLER}/func1`);
    expect(tree.endpoint).toBeUndefined();
  }
});

test("a link that binds nothing is refused", async () => {
  const { tree } = await makeTree();
  await tree.mkdir(FUNCTION);
  await tree.mkdir(`${FUNCTIONS}/func2`);
  expect(await codeOf(tree.symlink("functions/func1", `${CONTROLLER}/func1`))).toBe("ENOENT");
  expect(await codeOf(tree.symlink("/etc", `${CONTROLLER}/etc`))).toBe("ENOENT");
  expect(await codeOf(tree.symlink(FUNCTION, `${CONTROLLER}/other`))).toBe("EINVAL");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(await codeOf(tree.symlink(FUNCTION, `${CONTROLLER}/func1`))).toBe("EEXIST");
  expect(await codeOf(tree.symlink(`${FUNCTIONS}/func2`, `${CONTROLLER}/func2`))).toBe("EBUSY");
  expect(await codeOf(tree.rmdir(FUNCTION))).toBe("EBUSY");
  await tree.unlink(`${CONTROLLER}/func1`);
  await tree.rmdir(FUNCTION);
  await tree.symlink(`${FUNCTIONS}/func2`, `${CONTROLLER}/func2`);
});

test("a function whose MSI-X table does not fit the BAR is not bound", async () => {
  const bus = await createBus({ barBytes: 32768 });
  const tree = ConfigTree.create(bus);
  await tree.mkdir(FUNCTION);
  await tree.writeFile(`${FUNCTION}/msix_interrupts`, "2048");
  expect(await codeOf(tree.symlink(FUNCTION, `${CONTROLLER}/func1`))).toBe("ENOSPC");
  expect(await tree.readdir(CONTROLLER)).toEqual(["start"]);
  await tree.writeFile(`${FUNCTION}/msix_interrupts`, "32");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  await tree.close();
});

test("mkdir makes all that is missing when it is asked to", async () => {
  const { tree } = await makeTree();
  await tree.mkdir(`${FUNCTION}/nvme`, { recursive: true });
  await tree.mkdir(`${FUNCTION}/nvme`, { recursive: true });
  expect(await tree.readdir(FUNCTIONS)).toEqual(["func1"]);
  expect(await codeOf(tree.mkdir(`${FUNCTIONS}/func2/nvme`))).toBe("ENOENT");
});

test("what is refused to be removed is there, until it can be", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:1M");
  expect(await codeOf(tree.rmdir(DISC))).toBe("EBUSY");
  expect(await codeOf(tree.unlink(`${CONTROLLER}/func1`))).toBe("EBUSY");
  expect(await codeOf(tree.rmdir(FUNCTION))).toBe("EBUSY");
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  await tree.unlink(`${CONTROLLER}/func1`);
  expect(await codeOf(tree.rmdir(FUNCTION))).toBe("ENOTEMPTY");
  await tree.rmdir(DISC);
  await tree.rmdir(FUNCTION);
  expect(await tree.readdir(FUNCTIONS)).toEqual([]);
});

test("sixteen discs have room, the seventeenth has none", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  for (let index = 1; index < 16; index++) {
    await tree.mkdir(`${FUNCTION}/disc${index}`);
    await tree.writeFile(`${FUNCTION}/disc${index}/disc_name`, "memory:64K");
  }
  expect(await codeOf(tree.mkdir(`${FUNCTION}/disc16`))).toBe("ENOSPC");
  expect(tree.endpoint?.exports.length).toBe(16);
});

test("the device shows on the PCI bus while the link is up", async () => {
  const { tree, value } = await makeTree();
  const devices = "/sys/bus/pci/devices";
  await tree.mkdir(FUNCTION);
  await tree.writeFile(`${FUNCTION}/vendorid`, "0x1af4");
  await tree.writeFile(`${FUNCTION}/deviceid`, "0x1042");
  await tree.writeFile(`${FUNCTION}/subclass_code`, "0x80");
  await tree.writeFile(`${FUNCTION}/progif_code`, "2");
  await tree.writeFile(`${FUNCTION}/baseclass_code`, "1");
  await tree.writeFile(`${FUNCTION}/revid`, "3");
  await tree.writeFile(`${FUNCTION}/cache_line_size`, "0x10");
  await tree.writeFile(`${FUNCTION}/subsys_vendor_id`, "0x1234");
  await tree.writeFile(`${FUNCTION}/subsys_id`, "0x5678");
  await tree.writeFile(`${FUNCTION}/interrupt_pin`, "1");
  await tree.writeFile(`${FUNCTION}/msi_interrupts`, "16");
  await tree.writeFile(`${FUNCTION}/msix_interrupts`, "8");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(await tree.readdir(devices)).toEqual([]);
  await tree.writeFile(`${CONTROLLER}/start`, "1");
  const [address] = await tree.readdir(devices);
  expect(address).toBe("0001:01:00.0");
  const device = `${devices}/${address}`;
  expect(await value(`${device}/vendor`)).toBe("0x1af4");
  expect(await value(`${device}/device`)).toBe("0x1042");
  expect(await value(`${device}/class`)).toBe("0x018002");
  const { bar } = tree.bus;
  const [first] = (await value(`${device}/resource`)).split("\n");
  expect(first?.split(" ").map(Number)).toEqual([bar.offset, bar.offset + bar.length - 1, 0x40200]);
  const config = await tree.readFile(`${device}/config`);
  expect(config.length).toBe(4096);
  const view = new DataView(config.buffer, config.byteOffset);
  expect(view.getUint16(0, true)).toBe(0x1af4);
  expect([view.getUint8(8), view.getUint8(0x0c), view.getUint8(0x3d)]).toEqual([3, 0x10, 1]);
  expect([view.getUint16(0x2c, true), view.getUint16(0x2e, true)]).toEqual([0x1234, 0x5678]);
  expect(tree.bus.configSpace.read()?.msi).toEqual({ messages: 16 });
  expect(tree.bus.configSpace.read()?.msix?.vectors).toBe(8);
  expect(await tree.readdir(`${device}/msi_irqs`)).toEqual([]);
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  expect(await tree.readdir(devices)).toEqual([]);
  expect(await codeOf(tree.readFile(`${device}/vendor`))).toBe("ENOENT");
});

test("vectors that the driver has set show in msi_irqs", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:1M");
  const irqs = "/sys/bus/pci/devices/0001:01:00.0/msi_irqs";
  expect(await tree.readdir(irqs)).toEqual(["1"]);
  expect(await tree.readFile(`${irqs}/1`, "utf8")).toBe("msix\n");
});

test("a name in /dev leads to the file of a disc", async () => {
  const image = makeImage(pattern(65536));
  const { tree } = await makeTree({ discs: { sda: image } });
  expect(await tree.readdir("/dev")).toEqual(["sda"]);
  expect((await tree.stat("/dev/sda")).size).toBe(65536);
  expect((await tree.lstat("/dev/sda")).isSymbolicLink()).toBe(true);
  expect(await tree.readFile("/dev/sda")).toEqual(Buffer.from(pattern(65536)));
  await tree.unlink("/dev/sda");
  expect(await codeOf(tree.stat("/dev/sda"))).toBe("ENOENT");
  await tree.symlink("memory:1M", "/dev/sda");
  expect(await codeOf(tree.readFile("/dev/sda"))).toBe("ENOENT");
  await host.access(image);
});

test("paths are taken as everywhere: with dots, and slashes at the end", async () => {
  const { tree } = await makeTree();
  await tree.mkdir(`${FUNCTIONS}/./x/../func1/`);
  expect(await tree.readdir("sys/kernel/config/pci_ep//functions/pci_epf_blockpt/")).toEqual([
    "func1",
  ]);
});

test("what is done at the same time is done one after the other", async () => {
  const { tree } = await makeTree();
  const codes = await Promise.all(Array.from({ length: 8 }, () => codeOf(tree.mkdir(FUNCTION))));
  expect(codes.sort()).toEqual([...Array(7).fill("EEXIST"), "ok"]);
});

test("a name of a disc and of a controller is checked when the tree is made", async () => {
  const { bus } = await makeTree();
  for (const options of [
    { discs: { "a/b": "memory:1M" } },
    { discs: { sda: "" } },
    { controller: "" },
    { controller: "a/b" },
    { controller: ".." },
  ]) {
    expect(() => ConfigTree.create(bus, options)).toThrow(ConfigError);
  }
});

test("mkdir -p goes along links, and is content with what is there", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "bound", "memory:1M");
  for (const there of ["/", CONTROLLER, `${CONTROLLER}/func1`, `${CONTROLLER}/func1/disc`]) {
    await tree.mkdir(there, { recursive: true });
  }
  await tree.mkdir(`${CONTROLLER}/func1/second`, { recursive: true });
  expect(await tree.readdir(FUNCTION)).toContain("second");
  expect(await codeOf(tree.mkdir(`${DISC}/disc_name`, { recursive: true }))).toBe("EEXIST");
});

test("nothing is at an empty path", async () => {
  const { tree } = await makeTree();
  const calls = [
    tree.stat(""),
    tree.readdir(""),
    tree.readFile(""),
    tree.mkdir(""),
    tree.rmdir(""),
  ];
  for (const call of [...calls, tree.unlink(""), tree.open(""), tree.symlink("x", "")]) {
    expect(await codeOf(call)).toBe("ENOENT");
  }
});

test("a tree is closed once, with what was asked of it before", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:1M");
  const { endpoint } = tree;
  await Promise.all([tree.close(), tree.close()]);
  expect(endpoint?.closed).toBe(true);
  const loaded = tree.loadDriver();
  await tree.close();
  await loaded;
  expect(tree.driverLoaded).toBe(false);
});

test("what is behind a disc's link is that file, and no directory", async () => {
  const image = makeImage(pattern(65536));
  const { tree } = await makeTree({ discs: { sda: image, ram0: "memory:1M" } });
  expect(await codeOf(tree.readFile("/dev/sda/x"))).toBe("ENOTDIR");
  expect(await codeOf(tree.readdir("/dev/sda"))).toBe("ENOTDIR");
  // As a block device would: the rest of it stays.
  await tree.writeFile("/dev/sda", "from its start");
  const expected = Buffer.from(pattern(65536));
  expected.write("from its start");
  expect(await host.readFile(image)).toEqual(expected);
});

test("names of 255 bytes are names, and those of JavaScript's objects are not there", async () => {
  const { tree } = await makeTree();
  await tree.mkdir(FUNCTION);
  await tree.mkdir(`${FUNCTION}/${"é".repeat(127)}x`);
  expect(await codeOf(tree.mkdir(`${FUNCTION}/${"é".repeat(128)}`))).toBe("EINVAL");
  for (const name of ["constructor", "__proto__", "toString"]) {
    expect(await codeOf(tree.stat(`/sys/${name}`))).toBe("ENOENT");
    expect(await codeOf(tree.stat(`${FUNCTION}/${name}`))).toBe("ENOENT");
  }
});

test("a function that cannot be bound gives back what its discs took", async () => {
  const bus = await createBus({ endpointMemoryBytes: 1024 * 1024 });
  const tree = ConfigTree.create(bus);
  afterThisTest(() => tree.close());
  await tree.mkdir(FUNCTION);
  for (const name of ["first", "second"]) {
    await tree.mkdir(`${FUNCTION}/${name}`);
    await tree.writeFile(`${FUNCTION}/${name}/export_name`, "/dev/same");
    await tree.writeFile(`${FUNCTION}/${name}/disc_name`, "memory:448K");
  }
  const bind = (): Promise<void> => tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  for (let time = 0; time < 3; time++) expect(await codeOf(bind())).toBe("EEXIST");
  expect(tree.endpoint).toBeUndefined();
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "");
  // A disc of nothing is no reason not to.
  await bind();
  expect(tree.endpoint?.exports).toEqual(["first"]);
  for (let time = 0; time < 3; time++) {
    expect(await codeOf(tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:448K"))).toBe(
      "EEXIST",
    );
  }
  await tree.writeFile(`${FUNCTION}/second/export_name`, "");
  await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:448K");
});

test("a link that another endpoint has does not come up", async () => {
  const { bus, tree } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  const other = ConfigTree.create(bus);
  afterThisTest(() => other.close());
  await bringTo(other, "bound", "memory:64K");
  const error = await other.writeFile(`${CONTROLLER}/start`, "1").catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: "EBUSY", cause: { code: "ERR_BLOCKPT_STATE" } });
  expect(await other.readFile(`${CONTROLLER}/start`, "utf8")).toBe("0\n");
});

test("only the device's own address is on the PCI bus", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  expect(await codeOf(tree.stat("/sys/bus/pci/devices/0000:00:00.0"))).toBe("ENOENT");
});

test("a disk of more than a GiB is read in parts", async () => {
  const image = makeImage(new Uint8Array(512));
  await host.truncate(image, 1024 ** 3 + 512);
  const { tree } = await makeTree();
  await bringTo(tree, "attached", image);
  expect(await codeOf(tree.readFile("/dev/pci-rd-disk.img"))).toBe("EFBIG");
});

test("an entry is that of node:fs", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  const folder = mkdtempSync(join(tmpdir(), "blockpt-test-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  await host.writeFile(join(folder, "file"), "");
  const [theirs] = await host.readdir(folder, { withFileTypes: true });
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(theirs));
  const [ours] = await tree.readdir(DISC, { withFileTypes: true });
  expect(ours).toMatchObject({ name: "disc_name", parentPath: DISC });
  const entry = ours as unknown as Record<string, () => boolean>;
  for (const method of methods.filter((name) => name.startsWith("is"))) {
    expect([method, entry[method]?.()]).toEqual([method, method === "isFile"]);
  }
  expect(methods).toContain("isFIFO");
});
