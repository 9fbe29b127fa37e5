// The attributes `fault` and `fault_hits` of a disc, at any time; and faults in a document.

import { applyDocument, dumpDocument } from "blockpt";
import { expect, test } from "vitest";
import { makeImage } from "../api/rig.js";
import { bringTo, CONTROLLER, codeOf, DISC, FUNCTION, makeTree, STATES } from "./rig.js";

const DISK = "/dev/pci-rd-disc";
const FAULT = `${DISC}/fault`;

test.each(STATES)(
  "faults are written to a disc that is %s, and befall who attaches it",
  async (state) => {
    const { tree, value } = await makeTree();
    await bringTo(tree, state, "memory:64K");
    expect(await value(FAULT)).toBe("");
    await tree.writeFile(FAULT, "error=EIO:read:sectors=8-15\n delay=1ms:flush\n");
    expect(await value(FAULT)).toBe("error=IOERR:read:sectors=8-15\ndelay=1ms:flush");

    const steps = [
      () => tree.symlink(FUNCTION, `${CONTROLLER}/func1`),
      () => tree.writeFile(`${CONTROLLER}/start`, "1"),
      async () => {
        await tree.loadDriver();
        await tree.writeFile("/sys/kernel/config/pci_remote_disk/disc/attach", "1");
      },
    ];
    for (const step of steps.slice(STATES.indexOf(state))) await step();
    expect(await codeOf(tree.readFile(DISK))).toBe("EIO");
    expect(await value(`${DISC}/fault_hits`)).toMatch(
      /^1 \d+ error=IOERR:read:sectors=8-15\n0 \d+ delay=1ms:flush$/,
    );

    // At once, though it is attached.
    await tree.writeFile(FAULT, "\n");
    expect(await value(FAULT)).toBe("");
    expect(await tree.readFile(`${DISC}/fault_hits`, "utf8")).toBe("");
    expect(await codeOf(tree.readFile(DISK))).toBe("ok");
  },
);

test("what is no fault is refused, and what was there stays", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "attached", "memory:64K");
  await tree.writeFile(FAULT, "error:write");
  await expect(tree.writeFile(FAULT, "delay=5ms eror=EIO")).rejects.toThrow(
    /EINVAL.*"eror".*error, delay/,
  );
  expect(await codeOf(tree.writeFile(FAULT, "error ".repeat(33)))).toBe("EINVAL");
  expect(await value(FAULT)).toBe("error=IOERR:write");
  expect(await codeOf(tree.writeFile(`${DISC}/fault_hits`, "0"))).toBe("EACCES");
});

test("faults are the disc's: an unbound function keeps them, and so does a disc with another file", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  await tree.writeFile(FAULT, "error:read:every=3");
  await tree.writeFile(`${DISC}/disc_name`, makeImage(new Uint8Array(65536)));
  await tree.writeFile(`${DISC}/max_number_of_queues`, "2");
  expect(tree.endpoint?.exported("disc").faults.map(({ text }) => text)).toEqual([
    "error=IOERR:read:every=3",
  ]);
  await tree.writeFile(`${CONTROLLER}/start`, "0");
  await tree.unlink(`${CONTROLLER}/func1`);
  expect(await value(FAULT)).toBe("error=IOERR:read:every=3");
  await tree.symlink(FUNCTION, `${CONTROLLER}/func1`);
  expect(tree.endpoint?.exported("disc").faults).toHaveLength(1);
});

test("faults that the program sets itself show in the tree", async () => {
  const { tree, value } = await makeTree();
  await bringTo(tree, "started", "memory:64K");
  await tree.endpoint?.setFaults("disc", [{ kind: "stall", durationMs: 2000 }]);
  expect(await value(FAULT)).toBe("stall=2s");
});

test("a document has faults, also for a disc that is attached, and a second time changes nothing", async () => {
  const { tree } = await makeTree();
  const documentWith = (fault: string[] | undefined) => ({
    functions: { func1: { discs: { disc: { disc_name: "memory:64K", fault } } } },
    controllers: { "44100000.pcie": { function: "func1", start: true } },
    remote_disks: { disc: { attach: true } },
  });
  const faults = ["error=MEDIUM:read", "delay=5ms:flush"];
  await applyDocument(tree, documentWith(faults));
  expect(await codeOf(tree.readFile(DISK))).toBe("EIO");
  expect(await applyDocument(tree, documentWith(faults))).toEqual([]);
  const dumped = await dumpDocument(tree);
  expect(dumped.functions?.func1?.discs?.disc?.fault).toEqual(faults);
  expect(await applyDocument(tree, dumped)).toEqual([]);
  expect(await applyDocument(tree, documentWith(undefined))).toEqual([]);
  expect(await applyDocument(tree, documentWith([]))).toEqual([DISC]);
  expect(await codeOf(tree.readFile(DISK))).toBe("ok");
  await expect(applyDocument(tree, documentWith(["delay"]))).rejects.toThrow(
    /functions\.func1\.discs\.disc: .*durationMs/,
  );
});
