// The bench page for everybody: keyboards, small screens, dark rooms, and browsers or servers that do not have it all.

import { expect, test } from "vitest";
import { HEADERS } from "../../scripts/site/headers.mjs";
import { rigOfTests, type SitePage } from "./rig.js";

const open = rigOfTests();

/** Goes through all that the page can show. */
async function throughThePage(
  site: SitePage,
  look: (where: string) => Promise<void>,
): Promise<void> {
  await look("empty");
  await site.attach();
  await site.press("Read");
  await site.page.getByText("00000000  00 00").waitFor();
  await site.press("Start the workload");
  await site.page.getByText("requests in").waitFor();
  await site.press("Stop the workload");
  await site.sees("Start the workload");
  await look("workload");
  await site.tab("WASM against TypeScript");
  await site.press("Compare the engines");
  await site.page.locator("table.results tbody tr").first().waitFor();
  await site.press("Stop the comparison");
  await site.sees("Compare the engines");
  await look("comparison");
  await site.tab("Faults");
  await site.press("Bad sectors");
  await site.press("Apply the rules");
  await site.press("Read");
  await site.page.getByRole("alert").filter({ hasText: "ERR_BLOCKPT_IO" }).waitFor();
  await look("faults");
  await site.tab("Single step");
  await site.press("Begin single steps");
  await site.press("Fill the descriptor");
  await site.press("Publish it on the driver ring");
  await site.sees("Take the answer");
  await look("single step");
}

test.for(["light", "dark"] as const)("axe finds nothing in %s", async (colorScheme, context) => {
  const rig = await open(context);
  await rig.use(
    (site) =>
      throughThePage(site, async (where) => {
        // In the dark only the colours are others.
        const rules = colorScheme === "dark" ? ["color-contrast"] : undefined;
        expect(await site.violations(rules), where).toEqual([]);
      }),
    { colorScheme, reducedMotion: "reduce" },
  );
});

test("the switch of colours stands above the system's, and is remembered", async (context) => {
  const rig = await open(context);
  await rig.use(
    async ({ page }) => {
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await ground();
      await page.getByLabel("dark").check();
      const dark = await ground();
      expect(dark).not.toBe(light);
      await page.reload();
      expect(await page.getByLabel("dark").isChecked()).toBe(true);
      expect(await ground()).toBe(dark);
      await page.getByLabel("system").check();
      expect(await ground()).toBe(light);
    },
    { colorScheme: "light" },
  );
});

test("on a phone of 360 pixels nothing is wider than the screen", async (context) => {
  const rig = await open(context);
  await rig.use(
    (site) =>
      throughThePage(site, async (where) => {
        const [wanted, had] = await site.page.evaluate(() => [
          document.documentElement.scrollWidth,
          document.documentElement.clientWidth,
        ]);
        expect(wanted, where).toBeLessThanOrEqual(had as number);
      }),
    { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  );
});

test("all can be done with the keyboard alone", async (context) => {
  const rig = await open(context);
  await rig.use(async (site) => {
    const { page } = site;
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        const { activeElement } = document;
        const label = activeElement?.closest("label")?.textContent ?? "";
        return activeElement?.ariaLabel ?? `${label}${activeElement?.textContent ?? ""}`;
      });
    /** Goes on from one control to the next until it is there. */
    const goTo = async (name: string, key = "Tab"): Promise<void> => {
      for (let presses = 0; presses < 60; presses++) {
        await page.keyboard.press(key);
        if ((await focused()) === name) return;
      }
      throw new Error(`${name} was not reached, but ${await focused()}`);
    };
    const waitForFocus = (name: string): Promise<unknown> =>
      page.waitForFunction((text) => document.activeElement?.textContent === text, name);
    await goTo("Export");
    await page.keyboard.press("Enter");
    await waitForFocus("Stop");
    await goTo("Attach");
    await page.keyboard.press("Enter");
    await waitForFocus("Detach");
    await goTo("Workload");
    await goTo("Start the workload");
    await page.keyboard.press("Space");
    await waitForFocus("Stop the workload");
    await page.getByText("requests in").waitFor();
    await page.keyboard.press("Space");
    await waitForFocus("Start the workload");
    await goTo("Workload", "Shift+Tab");
    await page.keyboard.press("End");
    await waitForFocus("Faults");
    await page.keyboard.press("ArrowLeft");
    await waitForFocus("Single step");
    await goTo("Begin single steps");
    await page.keyboard.press("Enter");
    await waitForFocus("Fill the descriptor");
    await page.keyboard.press("Enter");
    await waitForFocus("Publish it on the driver ring");
    await page.keyboard.press("Enter");
    await waitForFocus("Take the answer");
    await page.getByText("OK: done").waitFor();
  });
});

test("what has the focus is seen", async (context) => {
  const rig = await open(context);
  await rig.use(async ({ page }) => {
    const unseen: string[] = [];
    for (let presses = 0; presses < 14; presses++) {
      await page.keyboard.press("Tab");
      const bare = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return undefined;
        // The radio buttons are drawn by the text beside them.
        const shown = element.matches("[type=radio]") ? element.nextElementSibling : element;
        const { outlineStyle, outlineWidth } = getComputedStyle(shown ?? element);
        return outlineStyle === "none" || outlineWidth === "0px" ? element.outerHTML : undefined;
      });
      if (bare !== undefined) unseen.push(bare);
    }
    expect(unseen).toEqual([]);
  });
});

test("without isolation the page says which headers are missing, and offers nothing that cannot work", async (context) => {
  const rig = await open(context);
  await rig.use(
    async (site) => {
      const alert = site.page.getByRole("alert");
      await alert.waitFor();
      const text = await alert.innerText();
      expect(text).toContain("not cross-origin isolated");
      expect(text).toContain("Cross-Origin-Opener-Policy: same-origin");
      expect(text).toContain("Cross-Origin-Embedder-Policy: require-corp");
      expect(await site.page.getByRole("button", { name: "Export" }).count()).toBe(0);
      expect(await site.violations()).toEqual([]);
    },
    { headers: {} },
  );
});

test("where WebAssembly is forbidden the page says so, and works with the other engine", async (context) => {
  const rig = await open(context);
  const policy = (HEADERS["Content-Security-Policy"] ?? "").replace(" 'wasm-unsafe-eval'", "");
  await rig.use(
    async (site) => {
      const { page } = site;
      await page.getByRole("heading", { name: "No WebAssembly" }).waitFor();
      await site.attach();
      await page.getByText("engine typescript", { exact: true }).waitFor();
      await site.press("Write");
      await page.getByText("|hello...|").waitFor();
      await site.tab("WASM against TypeScript");
      const compare = page.getByRole("button", { name: "Compare the engines" });
      expect(await compare.isDisabled()).toBe(true);
      // What the browser itself says of it.
      const own = rig.complaints.splice(0);
      expect(own.filter((each) => !/Content Security Policy|wasm-eval/.test(each))).toEqual([]);
    },
    { headers: { ...HEADERS, "Content-Security-Policy": policy } },
  );
});
