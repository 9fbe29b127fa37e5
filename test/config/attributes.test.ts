// Every attribute: what is written to it in each state of the user guide, how that is answered, and what is
// read then. A value that is refused leaves everything as it was.

import { describe, expect, test } from "vitest";
import { makeImage } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, FUNCTION, makeTree, REMOTE, STATES } from "./rig.js";

const SECTORS = 2048;

/** What is written, and what is read then; a code of an error in capitals says how it is refused. */
type Cases = readonly (readonly [written: string, result: string])[];

const U16: Cases = [
  ["0x1234", "0x1234"],
  ["4660", "0x1234"],
  ["011064", "0x1234"],
  ["+7\n", "0x0007"],
  ["0", "0x0000"],
  ["0XABCD", "0xabcd"],
  ["0x10000", "ERANGE"],
  ["65536", "ERANGE"],
  ["99999999999999999999", "ERANGE"],
  ["", "EINVAL"],
  ["\n", "EINVAL"],
  [" 1", "EINVAL"],
  ["1 ", "EINVAL"],
  ["1\n\n", "EINVAL"],
  ["-1", "EINVAL"],
  ["0x", "EINVAL"],
  ["08", "EINVAL"],
  ["1.5", "EINVAL"],
  ["0xfg", "EINVAL"],
  ["abc", "EINVAL"],
];
const U8: Cases = [
  ["0xff", "0x00ff"],
  ["255", "0x00ff"],
  ["0", "0x0000"],
  ["256", "ERANGE"],
  ["0x100", "ERANGE"],
  ["-1", "EINVAL"],
  ["x", "EINVAL"],
];
/** Of `func1`: they are what the endpoint is made with. */
const FIELDS: Readonly<Record<string, Cases>> = {
  vendorid: [...U16, ["0xfffe", "0xfffe"], ["0xffff", "ERANGE"]],
  deviceid: [...U16, ["0xffff", "0xffff"]],
  subsys_vendor_id: [...U16, ["0xffff", "0xffff"]],
  subsys_id: [...U16, ["0xffff", "0xffff"]],
  revid: U8,
  progif_code: U8,
  subclass_code: U8,
  baseclass_code: U8,
  cache_line_size: U8,
  interrupt_pin: [
    ["0", "0x0000"],
    ["4", "0x0004"],
    ["5", "ERANGE"],
    ["A", "EINVAL"],
  ],
  msi_interrupts: [
    ["16", "16"],
    ["0x20", "32"],
    ["0", "0"],
    ["33", "ERANGE"],
    ["-1", "EINVAL"],
  ],
  msix_interrupts: [
    ["512", "512"],
    ["1", "1"],
    ["2048", "2048"],
    ["0", "EINVAL"],
    ["2049", "ERANGE"],
    ["many", "EINVAL"],
  ],
};

const BOOL: Cases = [
  ["1", "1"],
  ["0", "0"],
  ["y", "1"],
  ["N\n", "0"],
  ["true", "1"],
  ["false", "0"],
  ["on", "1"],
  ["OFF", "0"],
  ["ON", "1"],
  ["No", "0"],
  ["Yes", "1"],
  ["1 and more, as the kernel does not look there", "1"],
  ["o", "EINVAL"],
  ["2", "EINVAL"],
  ["", "EINVAL"],
  ["\n", "EINVAL"],
  ["maybe", "EINVAL"],
];
/** Of a disc: they change how it is exported. */
const DISC_ATTRIBUTES: Readonly<Record<string, Cases>> = {
  read_only: BOOL,
  max_number_of_queues: [
    ["4", "4"],
    ["0x10", "16"],
    ["255", "255"],
    ["1\n", "1"],
    ["0", "EINVAL"],
    ["256", "ERANGE"],
    ["two", "EINVAL"],
  ],
  export_name: [
    ["/dev/other", "/dev/other"],
    ["é".repeat(31), "é".repeat(31)],
    ["x".repeat(63), "x".repeat(63)],
    ["", ""],
    ["x".repeat(64), "EINVAL"],
    ["é".repeat(32), "EINVAL"],
    ["spaces stay  \n", "spaces stay  "],
    ["a;b", "EINVAL"],
    ["a\nb", "EINVAL"],
    ["a\0b", "EINVAL"],
  ],
  partition: [
    ["", ""],
    ["1", "EINVAL"], // The image has no table.
    ["0", "EINVAL"],
    ["-1", "EINVAL"],
    ["first", "EINVAL"],
    ["00000000-0000-0000-0000-000000000000", "EINVAL"],
  ],
  disc_name: [
    ["memory:1M", "memory:1M"],
    ["memory:", "EINVAL"],
    ["memory:1000", "EINVAL"],
    ["memory:9999G", "ENOSPC"],
    ["/nonexistent/disk.img", "ENOENT"],
    ["/", "EISDIR"],
    ["/dev/null", "EINVAL"],
    ["a\tb", "EINVAL"],
    ["", ""],
  ],
};
const READ_ONLY = ["attached", "size", "irq_stats", "stats"] as const;

const isCode = (result: string): boolean => /^E[A-Z]+$/.test(result);

describe.each(STATES)("in the state %s", (state) => {
  test.each(Object.entries(FIELDS))("%s of a function", async (name, cases) => {
    const { tree, value } = await makeTree();
    await bringTo(tree, state, makeImage(new Uint8Array(SECTORS * 512)));
    const path = `${FUNCTION}/${name}`;
    for (const [written, result] of cases) {
      const before = await value(path);
      // The endpoint is made with it: a value that would change nothing is no success then.
      const expected = isCode(result) ? result : state === "made" ? "ok" : "EBUSY";
      expect([written, await codeOf(tree.writeFile(path, written))]).toEqual([written, expected]);
      expect([written, await value(path)]).toEqual([written, expected === "ok" ? result : before]);
    }
  });

  test.each(Object.entries(DISC_ATTRIBUTES))("%s of a disc", async (name, cases) => {
    const { tree, value } = await makeTree();
    await bringTo(tree, state, makeImage(new Uint8Array(SECTORS * 512)));
    const path = `${DISC}/${name}`;
    for (const [written, result] of cases) {
      const before = await value(path);
      const exportedBefore = tree.endpoint?.exports.map((each) => tree.endpoint?.exported(each));
      const code = await codeOf(tree.writeFile(path, written));
      if (state === "attached") {
        // What does not parse is refused as such, also then.
        expect(["EBUSY", result]).toContain(code);
        expect(code).not.toBe("ok");
      } else {
        expect([written, code]).toEqual([written, isCode(result) ? result : "ok"]);
      }
      expect([written, await value(path)]).toEqual([written, code === "ok" ? result : before]);
      if (code === "ok") continue;
      const exportedNow = tree.endpoint?.exports.map((each) => tree.endpoint?.exported(each));
      expect(exportedNow).toEqual(exportedBefore);
    }
  });

  test("attributes that are only read", async () => {
    const { tree } = await makeTree();
    await bringTo(tree, state, makeImage(new Uint8Array(SECTORS * 512)));
    for (const name of READ_ONLY) {
      expect(await codeOf(tree.writeFile(`${DISC}/${name}`, "1"))).toBe("EACCES");
    }
    const isExported = state !== "made";
    expect(await tree.readFile(`${DISC}/attached`, "utf8")).toBe(
      state === "attached" ? "1\n" : "0\n",
    );
    expect(await tree.readFile(`${DISC}/size`, "utf8")).toBe(`${isExported ? SECTORS : 0}\n`);
    expect(await tree.readFile(`${DISC}/irq_stats`, "utf8")).toBe(isExported ? "cpu0: 0\n" : "");
    expect(await tree.readFile(`${DISC}/stats`, "utf8")).toBe(
      "reads 0\nwrites 0\nflushes 0\ndiscards 0\nbytes_read 0\nbytes_written 0\nerrors 0\ninterrupts 0\n",
    );
  });

  test("start", async () => {
    const { tree, value } = await makeTree();
    await bringTo(tree, state, makeImage(new Uint8Array(SECTORS * 512)));
    const path = `${CONTROLLER}/start`;
    for (const wrong of ["", "2", "up"]) {
      expect(await codeOf(tree.writeFile(path, wrong))).toBe("EINVAL");
    }
    const isUp = state === "started" || state === "attached";
    expect(await value(path)).toBe(isUp ? "1" : "0");
    expect(await codeOf(tree.writeFile(path, isUp ? "1" : "0"))).toBe("EALREADY");
    const other = await codeOf(tree.writeFile(path, isUp ? "off" : "y\n"));
    expect(other).toBe(state === "made" ? "EINVAL" : "ok");
    expect(await value(path)).toBe(state === "bound" ? "1" : "0");
  });
});

describe("of a disc that the root complex sees", () => {
  test("attach, local_name and remote_name", async () => {
    const { tree, value } = await makeTree();
    await bringTo(tree, "started", "memory:1M");
    await tree.loadDriver();
    const path = `${REMOTE}/disc`;
    expect(await value(`${path}/remote_name`)).toBe("/dev/disc");
    expect(await codeOf(tree.writeFile(`${path}/remote_name`, "x"))).toBe("EACCES");
    expect(await value(`${path}/local_name`)).toBe("pci-rd-disc");
    for (const wrong of ["", ".", "..", "a/b", "x".repeat(256), "a\tb"]) {
      expect([wrong, await codeOf(tree.writeFile(`${path}/local_name`, wrong))]).toEqual([
        wrong,
        "EINVAL",
      ]);
    }
    await tree.writeFile(`${path}/local_name`, "mine\n");
    for (const wrong of ["", "2", "attach"]) {
      expect([wrong, await codeOf(tree.writeFile(`${path}/attach`, wrong))]).toEqual([
        wrong,
        "EINVAL",
      ]);
    }
    expect(await codeOf(tree.writeFile(`${path}/attach`, "0"))).toBe("EALREADY");
    expect(await codeOf(tree.writeFile(`${path}/attach`, "1\n"))).toBe("ok");
    expect(await value(`${path}/attach`)).toBe("1");
    expect(await codeOf(tree.writeFile(`${path}/attach`, "y"))).toBe("EALREADY");
    expect(await codeOf(tree.writeFile(`${path}/local_name`, "other"))).toBe("EBUSY");
    expect(await value(`${path}/local_name`)).toBe("mine");
    expect(await tree.readdir("/dev")).toEqual(["mine"]);
    expect(await codeOf(tree.writeFile(`${path}/attach`, "off"))).toBe("ok");
    expect(await tree.readdir("/dev")).toEqual([]);
    expect(await value(`${path}/local_name`)).toBe("mine");
  });

  test("a local name that is taken is refused, and nothing is attached", async () => {
    const { tree } = await makeTree();
    await bringTo(tree, "attached", "memory:1M");
    await tree.mkdir(`${FUNCTION}/second`);
    await tree.writeFile(`${FUNCTION}/second/disc_name`, "memory:1M");
    await tree.writeFile(`${REMOTE}/second/local_name`, "pci-rd-disc");
    expect(await codeOf(tree.writeFile(`${REMOTE}/second/attach`, "1"))).toBe("EEXIST");
    expect(tree.rootComplex?.disks.length).toBe(1);
  });
});

test("a message says what would be accepted", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "made", "memory:1M");
  const refused = async (path: string, text: string): Promise<string> =>
    tree.writeFile(path, text).then(
      () => "",
      (error: Error) => error.message,
    );
  expect(await refused(`${FUNCTION}/vendorid`, "abc")).toBe(
    `EINVAL: invalid argument, write '${FUNCTION}/vendorid': "abc" is no number: ` +
      "a number from 0x0000 to 0xfffe is wanted",
  );
  expect(await refused(`${DISC}/read_only`, "maybe")).toContain("1, y, t, on or 0, n, f, off");
  expect(await refused(`${DISC}/max_number_of_queues`, "300")).toContain("from 1 to 255");
  expect(await refused(`${DISC}/nonsense`, "1")).toContain("disc_name, partition, export_name");
});

test("values of more bytes than a page are refused", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "made", "memory:1M");
  expect(await codeOf(tree.writeFile(`${DISC}/disc_name`, "x".repeat(4097)))).toBe("EINVAL");
  // Half as many letters as bytes.
  const written = (text: string): Promise<string> =>
    tree.writeFile(`${FUNCTION}/disc/read_only`, text).then(
      () => "ok",
      (error: Error) => error.message,
    );
  expect(await written(`1${"é".repeat(2048)}`)).toContain("at most 4096 bytes");
  expect(await written(`1${"é".repeat(2047)}x`)).toBe("ok");
});

test("a disc that is read-only is opened for reading, and for writing again when it is not", async () => {
  const image = makeImage(new Uint8Array(SECTORS * 512));
  const { tree } = await makeTree();
  await bringTo(tree, "bound", image);
  await tree.writeFile(`${DISC}/read_only`, "1");
  expect(tree.endpoint?.exported("disc").readOnly).toBe(true);
  await tree.writeFile(`${CONTROLLER}/start`, "1");
  await tree.loadDriver();
  await tree.writeFile(`${REMOTE}/disk.img/attach`, "1");
  expect(await codeOf(tree.writeFile("/dev/pci-rd-disk.img", new Uint8Array(512)))).toBe("EPERM");
  await tree.writeFile(`${REMOTE}/disk.img/attach`, "0");
  await tree.writeFile(`${DISC}/read_only`, "0");
  await tree.writeFile(`${REMOTE}/disk.img/attach`, "1");
  await tree.writeFile("/dev/pci-rd-disk.img", new Uint8Array(512).fill(7));
  expect((await tree.readFile("/dev/pci-rd-disk.img"))[511]).toBe(7);
});

test("a memory disc keeps what is on it when how it is exported changes", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "attached", "memory:1M");
  await tree.writeFile("/dev/pci-rd-disc", new Uint8Array(512).fill(9));
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  await tree.writeFile(`${DISC}/read_only`, "1");
  await tree.writeFile(`${DISC}/max_number_of_queues`, "2");
  await tree.writeFile(`${DISC}/read_only`, "0");
  await tree.writeFile(`${DISC}/export_name`, "kept");
  await tree.writeFile(`${REMOTE}/kept/attach`, "1");
  expect((await tree.readFile("/dev/pci-rd-kept")).subarray(0, 512)).toEqual(Buffer.alloc(512, 9));
});

test("a memory disc that was read-only from the start can be written later", async () => {
  const { tree } = await makeTree();
  await bringTo(tree, "started", "");
  await tree.writeFile(`${DISC}/read_only`, "1");
  await tree.writeFile(`${DISC}/disc_name`, "memory:64K");
  await tree.loadDriver();
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
  expect((await tree.stat("/dev/pci-rd-disc")).mode.toString(8)).toBe("60440");
  await tree.writeFile(`${REMOTE}/disc/attach`, "0");
  await tree.writeFile(`${DISC}/read_only`, "0");
  await tree.writeFile(`${REMOTE}/disc/attach`, "1");
  await tree.writeFile("/dev/pci-rd-disc", new Uint8Array(512));
  expect((await tree.stat("/dev/pci-rd-disc")).mode.toString(8)).toBe("60660");
});
