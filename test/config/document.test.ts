// The tree as a document: applied, dumped, and applied again.

import {
  applyDocument,
  type ConfigDocument,
  ConfigTree,
  createBus,
  DocumentError,
  dumpDocument,
} from "blockpt";
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeImage } from "../api/rig.js";
import { bringTo, CONTROLLER, DISC, FUNCTION, makeTree } from "./rig.js";

const DOCUMENT: ConfigDocument = {
  dev: { ram0: "memory:64K" },
  functions: {
    func1: {
      vendorid: 0x1234,
      msix_interrupts: 512,
      discs: {
        first: { disc_name: "/dev/ram0", max_number_of_queues: 2 },
        second: { disc_name: "memory:128K", export_name: "/dev/nvme0n1", read_only: true },
      },
    },
    spare: { discs: { none: { disc_name: "" } } },
  },
  controllers: { "44100000.pcie": { function: "func1", start: true } },
  remote_disks: { ram0: { attach: true, local_name: "mine" }, nvme0n1: { attach: false } },
};

test("a document makes the tree what it says, and a second time changes nothing", async () => {
  const { tree } = await makeTree();
  const changed = await applyDocument(tree, DOCUMENT);
  expect(changed).toEqual([
    "/dev/ram0",
    FUNCTION,
    `${FUNCTION}/vendorid`,
    `${FUNCTION}/msix_interrupts`,
    `${FUNCTION}/first`,
    `${FUNCTION}/first`,
    `${FUNCTION}/second`,
    `${FUNCTION}/second`,
    FUNCTION.replace("func1", "spare"),
    `${FUNCTION.replace("func1", "spare")}/none`,
    `${CONTROLLER}/func1`,
    `${CONTROLLER}/start`,
    "/sys/kernel/config/pci_remote_disk",
    "/sys/kernel/config/pci_remote_disk/ram0/local_name",
    "/sys/kernel/config/pci_remote_disk/ram0/attach",
  ]);
  expect(tree.rootComplex?.disks.map(({ localName }) => localName)).toEqual(["mine"]);
  expect(tree.endpoint?.inspect().discs.map(({ discName }) => discName)).toEqual([
    "/dev/ram0",
    "/dev/nvme0n1",
  ]);
  expect(await applyDocument(tree, DOCUMENT)).toEqual([]);
});

test("what is dumped is what was applied, and makes another tree the same", async () => {
  const one = (await makeTree()).tree;
  await applyDocument(one, DOCUMENT);
  const dumped = await dumpDocument(one);
  expect(dumped).toMatchObject(DOCUMENT);
  expect(await applyDocument(one, dumped)).toEqual([]);
  // As a file would hold it.
  const other = (await makeTree()).tree;
  await applyDocument(other, JSON.parse(JSON.stringify(dumped)));
  expect(await dumpDocument(other)).toEqual(dumped);
});

test("a new tree is dumped as what it is", async () => {
  const { tree } = await makeTree();
  expect(await dumpDocument(tree)).toEqual({
    functions: {},
    controllers: { "44100000.pcie": { start: false } },
  });
  const rc = (await makeTree({ sides: ["root-complex"] })).tree;
  await rc.loadDriver();
  expect(await dumpDocument(rc)).toEqual({ remote_disks: {} });
});

test("an error says where in the document, and what was before stays", async () => {
  const { tree } = await makeTree();
  const failure = async (document: ConfigDocument): Promise<readonly string[]> =>
    applyDocument(tree, document).then(
      () => [],
      (error: unknown) => (error as DocumentError).keys,
    );
  const discs = (disc: object): ConfigDocument => ({
    functions: { func1: { discs: { disc: { disc_name: "memory:64K", ...disc } } } },
  });
  expect(await failure(discs({ disc_name: "/nonexistent" }))).toEqual([
    "functions",
    "func1",
    "discs",
    "disc",
  ]);
  await expect(applyDocument(tree, discs({ max_number_of_queues: 256 }))).rejects.toThrow(
    "max_number_of_queues",
  );
  expect(await failure({ functions: { func1: { vendorid: 0x10000 } } })).toEqual([
    "functions",
    "func1",
    "vendorid",
  ]);
  expect(await failure({ controllers: { nothing: { start: true } } })).toEqual([
    "controllers",
    "nothing",
  ]);
  expect(await failure({ controllers: { "44100000.pcie": { function: "func2" } } })).toEqual([
    "controllers",
    "44100000.pcie",
    "function",
  ]);
  expect(await failure({ controllers: { "44100000.pcie": { start: true } } })).toEqual([
    "controllers",
    "44100000.pcie",
    "start",
  ]);
  expect(await failure({ dev: { "a/b": "disk.img" } })).toEqual(["dev", "a/b"]);
  expect(await failure({ remote_disks: { nothing: { attach: true } } })).toEqual([
    "remote_disks",
    "nothing",
    "attach",
  ]);
  await expect(failure({ remote_disks: { nothing: { attach: true } } })).resolves.not.toEqual([]);
  await expect(applyDocument(tree, { dev: { "a/b": "x" } })).rejects.toBeInstanceOf(DocumentError);
});

test("a disc whose name and partition change together changes as one", async () => {
  const image = makeImage(new Uint8Array(65536));
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  const document = (disc: object): ConfigDocument => ({
    functions: { func1: { discs: { disc: { disc_name: image, ...disc } } } },
  });
  await expect(applyDocument(tree, document({ partition: 1, read_only: true }))).rejects.toThrow();
  expect(await value(`${DISC}/disc_name`)).toBe("memory:64K");
  expect(await value(`${DISC}/read_only`)).toBe("0");
  await applyDocument(tree, document({ read_only: true }));
  expect(await value(`${DISC}/disc_name`)).toBe(image);
  expect(await value(`${DISC}/read_only`)).toBe("1");
});

test("an empty partition and name are those of the whole disc", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "bound", "memory:64K");
  const apply = (disc: object): Promise<string[]> =>
    applyDocument(tree, {
      functions: { func1: { discs: { disc: { disc_name: "memory:64K", ...disc } } } },
    });
  await apply({ export_name: "mine" });
  expect(await value(`${DISC}/export_name`)).toBe("mine");
  expect(await apply({ export_name: "", partition: "" })).toEqual([DISC]);
  expect(await value(`${DISC}/export_name`)).toBe("");
  expect(await apply({ export_name: "", partition: "" })).toEqual([]);
});

test("another function takes the bound one's place", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  await applyDocument(tree, {
    functions: { func2: { discs: { ram0: { disc_name: "memory:64K" } } } },
    controllers: { "44100000.pcie": { function: "func2", start: true } },
  });
  expect(await tree.readdir(CONTROLLER)).toEqual(["start", "func2"]);
  expect(tree.endpoint?.exports).toEqual(["ram0"]);
});

test("any document that can be applied is dumped as it was applied", async () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
  const disc = fc.record({
    disc_name: fc.constantFrom("memory:64K", "memory:128K"),
    read_only: fc.boolean(),
    max_number_of_queues: fc.integer({ min: 1, max: 4 }),
  });
  const discs = fc.dictionary(name, disc, { maxKeys: 3 });
  const fields = fc.record({
    vendorid: fc.integer({ min: 0, max: 0xfffe }),
    deviceid: fc.integer({ min: 0, max: 0xffff }),
    subclass_code: fc.integer({ min: 0, max: 0xff }),
    msi_interrupts: fc.integer({ min: 0, max: 32 }),
    msix_interrupts: fc.integer({ min: 1, max: 64 }),
  });
  const bus = await createBus({ hostMemoryBytes: 1024 * 1024 });
  await fc.assert(
    fc.asyncProperty(fields, discs, fc.boolean(), async (values, wanted, start) => {
      const tree = ConfigTree.create(bus);
      try {
        const document = {
          functions: { func1: { ...values, discs: wanted } },
          controllers: { "44100000.pcie": { function: "func1", start } },
        };
        await applyDocument(tree, document);
        const dumped = await dumpDocument(tree);
        expect(dumped).toMatchObject(document);
        expect(await applyDocument(tree, dumped)).toEqual([]);
      } finally {
        await tree.close();
      }
    }),
    { numRuns: 25 },
  );
});

test.each([true, false])("another function finds the link as it was: up %s", async (isUp) => {
  const { tree, value } = await makeTree();
  await bringTo(tree, isUp ? "started" : "bound", "memory:64K");
  await applyDocument(tree, {
    functions: { func2: {} },
    controllers: { "44100000.pcie": { function: "func2" } },
  });
  expect(await tree.readdir(CONTROLLER)).toEqual(["start", "func2"]);
  expect(await value(`${CONTROLLER}/start`)).toBe(isUp ? "1" : "0");
});

test("names that JavaScript's objects have are names", async () => {
  const { tree } = await makeTree();
  await tree.mkdir(`${FUNCTION}/__proto__`, { recursive: true });
  await tree.mkdir(`${FUNCTION}/constructor`);
  await tree.mkdir(`${FUNCTION.replace("func1", "__proto__")}`);
  const { functions = {} } = await dumpDocument(tree);
  expect(Object.keys(functions)).toEqual(["func1", "__proto__"]);
  expect(Object.keys(functions.func1?.discs ?? {})).toEqual(["__proto__", "constructor"]);
});

test("a name in /dev leads elsewhere when a document says so", async () => {
  const { tree } = await makeTree({ discs: { sda: "memory:1M", sdb: "memory:1M" } });
  expect(await applyDocument(tree, { dev: { sda: "memory:2M", sdb: "memory:1M" } })).toEqual([
    "/dev/sda",
  ]);
  expect(await tree.readlink("/dev/sda")).toBe("memory:2M");
});
