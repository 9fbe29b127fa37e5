// The bench page, used as a person does: that it does what it says. How fast anything is, no test says.

import { expect, test } from "vitest";
import { rigOfTests, type SitePage } from "./rig.js";

const open = rigOfTests();

test("a memory disc is exported, attached, written, read and detached, and the log tells it as the user guide does", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await site.attach();
    expect(await site.register("magic")).toEqual(["0x636f6e74", "ok"]);
    expect(await site.register("num_sectors")).toEqual([
      "0x0000000000020000",
      "131072 sectors, 64M",
    ]);
    expect(await site.register("num_desc")).toEqual(["0x00000040", "64 descriptors"]);
    await page.getByLabel("Sector", { exact: true }).fill("7");
    await page.getByLabel("Text", { exact: true }).fill("seen on the disk");
    await site.press("Write");
    await page.getByText("|seen on |").waitFor();
    await page.getByLabel("Sector", { exact: true }).fill("8");
    await site.press("Read");
    await page.getByText("00001000  00 00").waitFor();
    await page.getByLabel("Sector", { exact: true }).fill("7");
    await site.press("Read");
    await page.getByText("00000e00  73 65 65 6e").waitFor();
    await site.press("Detach");
    await site.press("Stop");
    await site.sees("Export");
    const log = await site.log();
    const told = [
      "# mkdir functions/pci_epf_blockpt/func1",
      "# echo /dev/ram0 > functions/pci_epf_blockpt/func1/ram0/disc_name",
      "# echo 1 > controllers/44100000.pcie/start",
      "# insmod pci-remote-disk.ko",
      "pci-remote-disk 0001:01:00.0: Found /dev/ram0",
      "pci-remote-disk 0001:01:00.0: ram0: Setting queue addr. #Descriptors 64 (1808 Bytes)",
      "pci-remote-disk 0001:01:00.0: /dev/ram0 capacity 0x20000",
      "# echo 0 > /sys/kernel/config/pci_remote_disk/ram0/attach",
      "# echo 0 > controllers/44100000.pcie/start",
    ];
    expect(told.filter((line) => !log.includes(line))).toEqual([]);
  });
});

test.for([
  ["wasm", "Promises, in a worker", "8"],
  ["wasm", "Promises, in this page", "8"],
  ["wasm", "Synchronous, in a worker", "1"],
  ["typescript", "Promises, in a worker", "8"],
  ["typescript", "Synchronous, in a worker", "8"],
] as const)("a workload on engine %s: %s, depth %s", async ([engine, mode, depth], context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await page.getByLabel("Engine").selectOption(engine);
    await site.attach();
    await page.getByText(`engine ${engine}`, { exact: true }).waitFor();
    await page.getByLabel("How").selectOption(mode);
    await page.getByLabel("Depth").selectOption(depth);
    await site.press("Start the workload");
    await page.getByText("The last samples in numbers").click();
    const rows = page.locator("details.numbers table").last().locator("tbody tr");
    await rows.nth(2).waitFor();
    await site.press("Stop the workload");
    await site.sees("Start the workload");
    for (const row of await rows.all()) {
      const [iops = "", throughput = "", median = ""] = await row.getByRole("cell").allInnerTexts();
      expect(Number.parseFloat(iops)).toBeGreaterThan(0);
      expect(Number.parseFloat(throughput)).toBeGreaterThan(0);
      expect(median).toMatch(/^[\d.]+ [µm]s$/);
      expect(await row.getByRole("cell").last().innerText()).toBe("0");
    }
    await site.press("Detach");
    await site.sees("Attach");
  });
});

test("the comparison measures both engines, one job after the other, and can be stopped", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await site.tab("WASM against TypeScript");
    await site.press("Compare the engines");
    const rows = page.locator("table.results tbody tr");
    await rows.nth(1).waitFor();
    await site.press("Stop the comparison");
    await site.sees("Compare the engines");
    const cells = await rows.first().getByRole("cell").allInnerTexts();
    expect(await rows.first().getByRole("rowheader").innerText()).toBe("512B, depth 1, promises");
    expect(cells).toHaveLength(3);
    for (const cell of cells) expect(Number.parseFloat(cell)).toBeGreaterThan(0);
    expect(await site.log()).toContain("The comparison was stopped.");
  });
});

test("single steps show a descriptor's bytes and fields, from free to answered, and what is wrong is answered, too", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    const field = (name: string): Promise<string[]> =>
      page
        .locator("table.descriptor tbody tr")
        .filter({ hasText: new RegExp(`${name}`) })
        .first()
        .getByRole("cell")
        .allInnerTexts();
    await site.press("Export");
    await site.tab("Single step");
    await site.press("Begin single steps");
    await site.press("A write");
    await site.press("Fill the descriptor");
    await site.sees("Publish it on the driver ring");
    expect(await field("opf")).toEqual([
      "0x14",
      "01",
      "1",
      "WRITE: from the driver's memory to the disc",
    ]);
    expect(await field("len")).toEqual(["0x10", "00 02 00 00", "512", "512B, 1 sector"]);
    expect(await field("flags")).toEqual(["0x16", "02", "0x02", "IN_USE"]);
    expect((await field("status")).at(-1)).toBe("the endpoint writes the result here");
    await site.press("Publish it on the driver ring");
    await page.getByText("OK: done").waitFor();
    await site.press("Take the answer");
    await site.press("Clear the descriptor");
    await site.press("A read");
    await site.press("Fill the descriptor");
    expect(await field("opf")).toEqual([
      "0x14",
      "00",
      "0",
      "READ: from the disc to the driver's memory",
    ]);
    await site.press("Publish it on the driver ring");
    await page.getByText("hello from one d", { exact: false }).first().waitFor();
    await site.press("Take the answer");
    await site.press("Clear the descriptor");
    for (const [example, answer] of [
      ["100 bytes", "INVAL: the request makes no sense"],
      ["Past the end", "INVAL: the request makes no sense"],
      ["No such operation", "NOTSUPP: no such operation here, or not enabled"],
    ] as const) {
      await site.press(example);
      await site.press("Fill the descriptor");
      await site.press("Publish it on the driver ring");
      await page.getByText(answer).waitFor();
      await site.press("Take the answer");
      await site.press("Clear the descriptor");
    }
    await site.press("End single steps");
    // The root complex finds everything as it was.
    await site.press("Attach");
    await site.press("Read");
    await page.getByText("|hello fr|").waitFor();
  });
});

test("faults of the disc are seen: an error with its status, and how often each rule struck", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await site.attach();
    await site.tab("Faults");
    await page.getByLabel("Rules").fill("eror=MEDIUM");
    await page.getByText('a fault\'s kind is "eror"').waitFor();
    expect(await page.getByRole("button", { name: "Apply the rules" }).isDisabled()).toBe(true);
    await page.getByLabel("Rules").fill("error=MEDIUM:read:sectors=0-7");
    await site.press("Apply the rules");
    await page.getByRole("rowheader", { name: "error=MEDIUM:read:sectors=0-7" }).waitFor();
    await site.press("Read");
    const alert = page.getByRole("alert").filter({ hasText: "ERR_BLOCKPT_IO" });
    await alert.waitFor();
    expect(await alert.innerText()).toContain("MEDIUM");
    await page.getByRole("row", { name: "error=MEDIUM:read:sectors=0-7 1 1" }).waitFor();
    await site.press("No faults");
    await page.getByRole("rowheader", { name: "error=MEDIUM" }).waitFor({ state: "detached" });
    await site.press("Read");
    await page.getByText("00000000  00 00").waitFor();
    expect(await alert.isVisible()).toBe(false);
  });
});

test("faults of the link: interrupts get lost, and all is answered all the same", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await site.attach();
    await site.tab("Faults");
    await page.getByLabel("Interrupts for nothing").check();
    await page.getByText(/Interrupts lost 0, for nothing [1-9]/).waitFor();
    await site.press("Read");
    await page.getByText("00000000  00 00").waitFor();
    await page.getByLabel("Interrupts for nothing").uncheck();
    await page.getByText("The link works as it should.").waitFor();
    const lost = page.getByLabel("Every third interrupt gets lost");
    await lost.check();
    const counted = page.getByText(/Interrupts lost [1-9]/);
    // An answer that is found before the driver sleeps needs no interrupt.
    while (!(await counted.isVisible())) await site.press("Read");
    // The switch says what is in force: from one tab to the other, and of the next endpoint.
    await site.tab("Workload");
    await site.tab("Faults");
    expect(await lost.isChecked()).toBe(true);
    await site.press("Stop");
    await site.press("Export");
    await site.sees("Attach");
    expect(await lost.isChecked()).toBe(false);
  });
});

test("an endpoint that is killed is noticed, and another one takes over with the same disc", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await site.attach();
    await site.press("Write");
    await site.tab("Faults");
    await site.press("Kill the endpoint");
    await page.getByText("/dev/ram0: the endpoint is gone").waitFor();
    await site.press("Read");
    await page.getByRole("alert").filter({ hasText: "ERR_BLOCKPT_OFFLINE" }).waitFor();
    await site.press("Bring another endpoint up");
    await page.getByText("/dev/ram0: attached again").waitFor();
    await site.sees("Kill the endpoint");
    await site.press("Read");
    await page.getByText("|hello...|").waitFor();
    await site.press("Stop");
    await site.sees("Export");
  });
});

test.for([
  ["Promises, in a worker", "8"],
  ["Promises, in this page", "8"],
  ["Synchronous, in a worker", "1"],
  ["Synchronous, in a worker", "8"],
] as const)(
  "an endpoint that is killed under a workload, %s, depth %s: it fails, goes on with the next one, and stops",
  async ([mode, depth], context) => {
    const rig = await open(context);
    await rig.use(async (site) => {
      const { page } = site;
      await site.attach();
      await page.getByLabel("How").selectOption(mode);
      await page.getByLabel("Depth").selectOption(depth);
      await site.press("Start the workload");
      await site.tab("Faults");
      await site.press("Kill the endpoint");
      await page.getByText("/dev/ram0: the endpoint is gone").waitFor();
      await site.tab("Workload");
      await page
        .locator(".totals")
        .getByText(/, \d+ failed/)
        .waitFor();
      // What failed at once is no rate.
      await page.getByRole("img", { name: "Requests a second over time: IOPS 0" }).waitFor();
      await site.tab("Faults");
      await site.press("Bring another endpoint up");
      await page.getByText("/dev/ram0: attached again").waitFor();
      await site.tab("Workload");
      await page.getByRole("img", { name: /Requests a second over time: IOPS [1-9]/ }).waitFor();
      await site.tab("Faults");
      await site.press("Kill the endpoint");
      await page.getByText("/dev/ram0: the endpoint is gone").nth(1).waitFor();
      await site.press("Stop");
      await site.sees("Export");
      expect(await page.locator("[role=alert]").textContent()).toBe("");
    });
  },
);

test("a disc that does not answer is stopped all the same", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await site.attach();
    await site.tab("Faults");
    await page.getByLabel("Rules").fill("stall=600s");
    await site.press("Apply the rules");
    await page.getByRole("rowheader", { name: "stall=600s" }).waitFor();
    await site.press("Read");
    await page.getByRole("row", { name: "stall=600s 1 1" }).waitFor();
    await site.press("Stop");
    await site.sees("Export");
  });
});

test("numbers stay as they are typed, and those that cannot be are refused with a reason", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    const warnings: string[] = [];
    page.on("console", (message) => warnings.push(message.text()));
    const size = page.getByLabel("Size, MiB");
    await size.fill("");
    await size.pressSequentially("1.5");
    expect(await size.inputValue()).toBe("1.5");
    await page.getByText("The size is a whole number of MiB").waitFor();
    await size.fill("1");
    await site.press("Export");
    await site.tab("Single step");
    await site.press("Begin single steps");
    const fill = page.getByRole("button", { name: "Fill the descriptor" });
    for (const [label, wrong, right] of [
      ["First sector", ["", "-1", "abc", "18446744073709551616"], "18446744073709551615"],
      ["Length, bytes", ["", "-1", "1.5", "4294967296"], "512"],
    ] as const) {
      for (const value of wrong) {
        await page.getByLabel(label).fill(value);
        await page.getByText("is a whole number from 0 to").waitFor();
        expect(await page.getByLabel(label).inputValue()).toBe(value);
        expect(await fill.isDisabled()).toBe(true);
      }
      await page.getByLabel(label).fill(right);
      expect(await fill.isDisabled()).toBe(false);
    }
    expect(warnings).toEqual([]);
  });
});

/** Chooses what the disc is made of. */
async function choose({ page }: SitePage, kind: string): Promise<void> {
  await page.getByRole("combobox", { name: "Disc", exact: true }).selectOption(kind);
}

test("a file that is picked is exported read-only, in place", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    const buffer = Buffer.alloc(1024 * 1024, "this is a file of mine. ");
    await choose(site, "A file of yours");
    expect(await page.getByRole("button", { name: "Export" }).isDisabled()).toBe(true);
    const file = { name: "mine.img", mimeType: "application/octet-stream", buffer };
    await page.getByLabel("Image file").setInputFiles(file);
    await site.attach();
    await page.getByText("/dev/pci-rd-mine.img").waitFor();
    await site.press("Read");
    await page.getByText("|this is |").waitFor();
    expect(await page.getByRole("button", { name: "Write" }).isDisabled()).toBe(true);
    await page.getByText("The disk is read-only: set reads to 100 %.").waitFor();
  });
});

test("a file that is dropped on the page is the image", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    const two = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      for (const name of ["a.img", "b.img"]) transfer.items.add(new File(["it"], name));
      return transfer;
    });
    await page.dispatchEvent("main", "drop", { dataTransfer: two });
    await page.getByRole("alert").filter({ hasText: "2 files were dropped" }).waitFor();
    const dropped = await page.evaluateHandle(() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["it was dropped. ".repeat(64)], "dropped.img"));
      return transfer;
    });
    await page.dispatchEvent("main", "drop", { dataTransfer: dropped });
    await page.getByText("dropped.img, 1K").waitFor();
    await site.attach();
    await site.press("Read");
    await page.getByText("|it was d|").waitFor();
  });
});

test("a disc that is kept in the browser is there again when the page was loaded anew", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    const attach = async (): Promise<void> => {
      await choose(site, "Kept in this browser");
      await page.getByLabel("Name of the file").fill("kept.img");
      await page.getByLabel("Size, MiB").fill("1");
      await site.attach();
    };
    await attach();
    await page.getByLabel("Text", { exact: true }).fill("it was kept");
    await site.press("Write");
    await page.getByText("|it was k|").waitFor();
    await page.reload();
    await attach();
    await site.press("Read");
    await page.getByText("|it was k|").waitFor();
  });
});

test("an image on the web is read by ranges, and one that is not there is refused with its address", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    await choose(site, "An image on the web");
    await site.attach();
    await page.getByLabel("Sector", { exact: true }).fill("1999");
    await site.press("Read");
    await page.getByText("|ctor 199|").waitFor();
    await site.press("Stop");
    await page.getByLabel("Address").fill("nothing-there.img");
    await site.press("Export");
    const alert = page.getByRole("alert").filter({ hasText: "ERR_BLOCKPT_DISC_OPEN" });
    await alert.waitFor();
    expect(await alert.innerText()).toContain("nothing-there.img");
  });
});
