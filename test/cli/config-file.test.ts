// Config files: what is understood, and how errors are told by file, line, column and key.

import { writeFile } from "node:fs/promises";
import { type ConfigDocument, ConfigTree, createBus, type FunctionField } from "blockpt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConfigFile, readConfigFile } from "../../ts/cli/config-file/config-file.js";
import { printConfigFile } from "../../ts/cli/config-file/print.js";
import { FIELDS } from "../../ts/cli/config-file/schema.js";
import { Place } from "./command-line.js";

let place: Place;

beforeAll(async () => {
  place = await Place.create();
});

afterAll(() => place.remove());

async function read(text: string): Promise<ConfigFile> {
  await writeFile(place.path("disks.yaml"), text);
  return readConfigFile(place.path("disks.yaml"));
}

/** The complaints about a file, without the directory that it is in. */
async function complaintsAbout(text: string): Promise<string[]> {
  const error = await read(text).catch((cause: unknown) => cause);
  const errors: Error[] = error instanceof AggregateError ? error.errors : [error as Error];
  return errors.map(({ message }) => message.replaceAll(`${place.directory}/`, ""));
}

describe("what is understood", () => {
  test("sizes, hexadecimal numbers, aliases and comments", async () => {
    const { document } = await read(`
      bus: { host_memory_bytes: 16M, bar_bytes: 65536, iommu: true, engine: auto } # the bus
      functions:
        func1: &f { vendorid: 0x1b36, deviceid: "0x10", msix_interrupts: 8 }
        func2: *f`);
    const fields = { vendorid: 0x1b36, deviceid: 16, msix_interrupts: 8 };
    expect(document).toEqual({
      bus: { host_memory_bytes: 16 * 1024 ** 2, bar_bytes: 65536, iommu: true, engine: "auto" },
      functions: { func1: fields, func2: fields },
    });
  });

  test("JSON, indented by tabs", async () => {
    const { document } = await read('{\n\t"remote_disks": {\n\t\t"a": { "attach": true }\n\t}\n}');
    expect(document).toEqual({ remote_disks: { a: { attach: true } } });
  });

  test.each(["", "# nothing\n", "{}"])("%j, which is nothing", async (text) => {
    expect((await read(text)).document).toEqual({});
  });

  test("an empty map is one, as remote_disks says something by being there", async () => {
    expect((await read("remote_disks:\n")).document).toEqual({ remote_disks: {} });
  });

  test("paths from the file's directory; memory and what has a / before it stay", async () => {
    const { document } = await read(
      `dev: { x: sub/x.img, m: "memory:1M" }\nfunctions:\n  f:\n    discs:\n` +
        `      a: { disc_name: a.img }\n      b: { disc_name: /dev/b }\n` +
        `      c: { disc_name: "Memory:1M" }\n      d: { disc_name: "./memory:1M" }\n`,
    );
    expect(document.dev).toEqual({ x: place.path("sub/x.img"), m: "memory:1M" });
    expect(Object.values(document.functions?.f?.discs ?? {})).toEqual([
      { disc_name: place.path("a.img") },
      { disc_name: "/dev/b" },
      { disc_name: "Memory:1M" },
      { disc_name: place.path("memory:1M") },
    ]);
  });
});

describe("what is not", () => {
  const BOOLEAN = `
functions:
  func1:
    discs:
      nvme:
        disc_name: x
        read_only: maybe`;

  test.each([
    [
      BOOLEAN,
      'disks.yaml:7:20: functions.func1.discs.nvme.read_only: true or false is wanted, not "maybe"',
    ],
    [
      "bus: { bar_bytes: 64Q }",
      'disks.yaml:1:19: bus.bar_bytes: a size in bytes, or as 64K, 64M, 1G or 1T, is wanted, not "64Q"',
    ],
    ["bus: { iommu: 1 }", "disks.yaml:1:15: bus.iommu: true or false is wanted, not 1"],
    ["bus: []", "disks.yaml:1:1: bus: a map of keys and values is wanted, not a list"],
    ["- a", "disks.yaml:1:1: a map of keys and values is wanted, not a list"],
    [
      "functions: { f: { vendorid: 0x10000 } }",
      "disks.yaml:1:29: functions.f.vendorid: a whole number from 0x0000 to 0xfffe is wanted, not 65536",
    ],
    [
      "functions: { f: { msix_interrupts: 1.5 } }",
      "disks.yaml:1:36: functions.f.msix_interrupts: a whole number from 1 to 2048 is wanted, not 1.5",
    ],
    [
      "functions:\n  f:\n    discs:\n      a:\n",
      "disks.yaml:4:7: functions.f.discs.a.disc_name: missing: the path of a file or a block device, memory:SIZE, an NBD URI or the URL of an image is wanted",
    ],
    [
      "functions:\n  f: { discs: { a: { disc_name: 5 } } }",
      "disks.yaml:2:33: functions.f.discs.a.disc_name: the path of a file or a block device, memory:SIZE, an NBD URI or the URL of an image is wanted, not 5",
    ],
    [
      "functions: { f: { discs: { a: { disc_name: x, raed_only: true } } } }",
      "disks.yaml:1:47: functions.f.discs.a.raed_only: no such key; is read_only meant?",
    ],
    [
      "functions: { f: { discs: { a: { disc_name: x, queues: 2 } } } }",
      "disks.yaml:1:47: functions.f.discs.a.queues: no such key; is max_number_of_queues meant?",
    ],
    [
      "xyz: 1",
      "disks.yaml:1:1: xyz: no such key; here may be bus, dev, functions, controllers or remote_disks",
    ],
    [
      "functions: { a/b: {} }",
      "disks.yaml:1:14: functions.a/b: a name is 1 to 255 bytes without / and controls",
    ],
    [
      "functions:\n  __proto__: {}",
      "disks.yaml:2:3: functions.__proto__: nothing can be called so",
    ],
    [
      'functions: { f: { discs: { a: { disc_name: x, export_name: "a\\eb" } } } }',
      'disks.yaml:1:60: functions.f.discs.a.export_name: a text of at most 63 bytes is wanted, not "a\\u001bb"',
    ],
    ["bus: {}\nbus: {}", "disks.yaml:2:1: bus is there twice: once in a map"],
    ["bus: {}\n---\ndev: {}", "disks.yaml:2:1: a second document begins: one a file"],
    ["bus:\n\tiommu: true", "disks.yaml:2:1: Tabs are not allowed as indentation"],
    ["bus: *b", "disks.yaml:1:6: *b is no alias: no &b stands before it"],
    [
      "bus: &b { x: *b }",
      "disks.yaml:1:11: bus.x: no such key; here may be host_memory_bytes, bar_bytes, endpoint_memory_bytes, iommu or engine",
    ],
  ])("%j", async (text, complaint) => {
    expect(await complaintsAbout(text)).toEqual([complaint]);
  });

  test("several problems are all listed, in the order of the file", async () => {
    const text = "remote_disk: {}\nbus:\n  iommu: 3\n  engine: rust\n";
    expect(await complaintsAbout(text)).toEqual([
      "disks.yaml:1:1: remote_disk: no such key; is remote_disks meant?",
      "disks.yaml:3:10: bus.iommu: true or false is wanted, not 3",
      'disks.yaml:4:11: bus.engine: wasm, typescript or auto is wanted, not "rust"',
    ]);
  });

  test("aliases that make too much of a little are refused, not expanded", async () => {
    const levels = ["a: &l0 [x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 20; level++) {
      levels.push(`b${level}: &l${level} [${`*l${level - 1}, `.repeat(9)}]`);
    }
    expect(await complaintsAbout(levels.join("\n"))).toEqual([
      expect.stringContaining("Excessive alias count"),
    ]);
  });

  test("a file that is not there, or too large", async () => {
    const missing = readConfigFile(place.path("missing.yaml"));
    await expect(missing).rejects.toMatchObject({ code: "ENOENT" });
    expect(await complaintsAbout(`# ${"x".repeat(600 * 1024)}`)).toEqual([
      "disks.yaml: a config file has at most 524288 bytes",
    ]);
  });

  test("no more of a file is read than a config file has", async () => {
    await expect(readConfigFile("/dev/zero")).rejects.toMatchObject({
      message: "/dev/zero: a config file has at most 524288 bytes",
    });
    const { stderr } = await place.run(["apply", "-"], {}, "x".repeat(600 * 1024));
    expect(stderr).toContain("(stdin): a config file has at most 524288 bytes");
  });

  test("blockpt prints a line for each, and exits 1", async () => {
    await writeFile(place.path("two.yaml"), "xyz: 1\nbus: { iommu: 2 }\n");
    const { exitCode, stdout, stderr } = await place.run(["run", "--config", "two.yaml"]);
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^blockpt: ERR_CONFIG: two\.yaml:1:1: xyz: /),
      expect.stringMatching(/^blockpt: ERR_CONFIG: two\.yaml:2:15: bus\.iommu: /),
      "",
    ]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  });
});

describe("what is only found when it is applied is told by its place, too", () => {
  test.each([
    ["bus: { bar_bytes: 100 }", "f.yaml:1:19: bus.bar_bytes: bar_bytes is 100: a BAR is a power"],
    ["bus: { endpoint_memory_bytes: 16G }", "f.yaml:1:31: bus.endpoint_memory_bytes: "],
    ["functions: { a: {}, b: {} }", "f.yaml:1:1: functions: controllers has to say which of a, b"],
    ["controllers: { a: {}, b: {} }", "f.yaml:1:23: controllers.b: a bus has one controller"],
    ["controllers:\n  a: { function: f }", "f.yaml:2:18: controllers.a.function: "],
    ["remote_disks:\n  x: { attach: true }", "f.yaml:2:16: remote_disks.x.attach: "],
  ])("%s", async (text, complaint) => {
    await writeFile(place.path("f.yaml"), text);
    const ended = await place.run(["run", "--config", "f.yaml", "--", "true"]);
    expect(ended.stderr).toContain(complaint);
    expect(ended.exitCode).toBe(1);
  });

  test("or by its option, where an option contradicts the file", async () => {
    const text =
      "controllers: { x: {} }\nfunctions: { f: { discs: { r: { disc_name: memory:1M } } } }";
    await writeFile(place.path("f.yaml"), text);
    const args = ["run", "--config", "f.yaml"];
    expect((await place.run([...args, "--disc", "r=memory:2M"])).stderr).toMatch(
      /^blockpt: ERR_CONFIG: --disc r: the config file has a disc of that name\n$/,
    );
    expect((await place.run([...args, "--controller", "y"])).stderr).toMatch(
      /^blockpt: ERR_CONFIG: f\.yaml:1:16: controllers\.x: --controller says y\n$/,
    );
  });
});

test("the ranges of a function's fields are those that the config tree accepts", async () => {
  const tree = ConfigTree.create(await createBus());
  const path = "/sys/kernel/config/pci_ep/functions/pci_epf_blockpt/f";
  await tree.mkdir(path);
  const write = (field: string, value: number): Promise<void> =>
    tree.writeFile(`${path}/${field}`, String(value));
  for (const [field, { least, most }] of Object.entries(FIELDS)) {
    await write(field, least);
    await write(field, most);
    await expect(write(field, most + 1), field).rejects.toThrow("ERANGE");
    if (least > 0) await expect(write(field, least - 1), field).rejects.toThrow("EINVAL");
  }
});

test("what is printed is read as the same, whatever things are called", async () => {
  const discs = Object.fromEntries(
    ["null", "12", "# x", "a: b", "true", "0x10", "é", "'", "- a", "~"].map((name) => [
      name,
      { disc_name: `/${name}`, partition: "1e3", export_name: name, read_only: true },
    ]),
  );
  const fields = Object.fromEntries(
    Object.entries(FIELDS).map(([field, { most }]) => [field, most]),
  );
  const document: ConfigDocument & { bus: { bar_bytes: number; host_memory_bytes: number } } = {
    bus: { bar_bytes: 65536, host_memory_bytes: 4097 },
    dev: { "a b": "/x" },
    functions: { func1: { ...(fields as Record<FunctionField, number>), discs } },
    controllers: { "44100000.pcie": { function: "func1", start: false } },
    remote_disks: {},
  };
  const text = printConfigFile(document);
  expect(text).toContain("vendorid: 0xfffe");
  expect(text).toContain("bar_bytes: 64K");
  expect((await read(text)).document).toEqual(document);
});
