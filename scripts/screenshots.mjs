// Takes the pictures of the bench page that README and docs show: `npm run site:screenshots`. They are of a real run,
// so look at them before they are committed.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "./chromium.mjs";
import { buildSite } from "./site/build.mjs";
import { serveSite } from "./site/server.mjs";

const WIDE = { width: 1440, height: 1000 };
const PHONE = { width: 360, height: 740 };
/** So much of a workload is to be seen. */
const WORKLOAD_MS = 15_000;
const COMPARISON_MS = 120_000;
const WORKLOAD_SCROLL = "[role=tablist]";

/** @typedef {import("playwright-core").Page} Page */

const images = fileURLToPath(new URL("../docs/images/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "blockpt-site-"));
await buildSite(folder);
const site = await serveSite(folder);
const browser = await launchBrowser();
try {
  await take("bench-page.webp", { viewport: WIDE, colorScheme: "light" }, workload);
  await take("bench-page-dark.webp", { viewport: WIDE, colorScheme: "dark" }, comparison);
  const phone = { viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
  await take("bench-page-phone.webp", { ...phone, colorScheme: "light" }, phoneWorkload);
  await take("single-step.webp", { viewport: WIDE, colorScheme: "light" }, singleStep);
} finally {
  await browser.close();
  await site.close();
  rmSync(folder, { recursive: true });
}

/**
 * @param {string} name
 * @param {import("playwright-core").BrowserContextOptions} options
 * @param {(page: Page) => Promise<void>} act
 */
async function take(name, options, act) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(site.url);
  await act(page);
  // Playwright has no WebP, which takes a fifth of the room.
  const session = await context.newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 85 });
  writeFileSync(`${images}${name}`, Buffer.from(data, "base64"));
  await context.close();
  console.log(`docs/images/${name}`);
}

/** @param {Page} page */
async function workload(page) {
  await page.getByLabel("Queues").first().selectOption("2 + the page's");
  await attach(page);
  await page.getByLabel("Sector", { exact: true }).fill("7");
  await page.getByLabel("Text", { exact: true }).fill("seen on the disk");
  await press(page, "Write");
  await page.getByText("|seen on |").waitFor();
  await page.locator(".work").getByLabel("Queues").selectOption("2");
  await press(page, "Start the workload");
  await page.waitForTimeout(WORKLOAD_MS);
}

/** @param {Page} page */
async function phoneWorkload(page) {
  await attach(page);
  await press(page, "Start the workload");
  await page.waitForTimeout(WORKLOAD_MS);
  await page.locator(WORKLOAD_SCROLL).evaluate((element) => {
    window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - 8);
  });
}

/** @param {Page} page */
async function comparison(page) {
  await page.getByRole("tab", { name: "WASM against TypeScript" }).click();
  await press(page, "Compare the engines");
  await page
    .getByRole("button", { name: "Compare the engines" })
    .waitFor({ timeout: COMPARISON_MS });
  await attach(page);
}

/** @param {Page} page */
async function singleStep(page) {
  await press(page, "Export");
  await page.getByRole("tab", { name: "Single step" }).click();
  await press(page, "Begin single steps");
  await press(page, "A write");
  for (const step of ["Fill the descriptor", "Publish it on the driver ring"]) {
    await press(page, step);
  }
  await page.getByText("OK: done").waitFor();
}

/** @param {Page} page */
async function attach(page) {
  await press(page, "Export");
  await press(page, "Attach");
  await page.getByRole("button", { name: "Detach" }).waitFor();
  await page.getByText("queue 0, page").waitFor();
}

/**
 * @param {Page} page
 * @param {string} name
 */
async function press(page, name) {
  await page.getByRole("button", { name, exact: true }).click();
}
