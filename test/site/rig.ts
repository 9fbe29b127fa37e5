// The bench page in a real browser: built anew, served, and used as a person does.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, expect, type TestContext } from "vitest";
import { launchBrowser } from "../../scripts/chromium.mjs";
import { buildSite } from "../../scripts/site/build.mjs";
import { HEADERS } from "../../scripts/site/headers.mjs";
import { serveSite } from "../../scripts/site/server.mjs";
import { needBrowser } from "../browser/rig.js";

/** Something of the page takes longer than this only if it hangs. */
const HANGS_MS = 30_000;

/** How a page is opened. */
export interface SitePageOptions extends BrowserContextOptions {
  /** Default: those that `npm run site` sends. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export class SiteRig {
  readonly #browser: Browser;
  readonly #folder: string;
  /** What went wrong in pages: exceptions, and what the browser complains of. */
  readonly complaints: string[] = [];

  private constructor(browser: Browser, folder: string) {
    this.#browser = browser;
    this.#folder = folder;
  }

  static async open(): Promise<SiteRig> {
    const folder = await mkdtemp(join(tmpdir(), "blockpt-site-"));
    await buildSite(folder);
    return new SiteRig(await launchBrowser(), folder);
  }

  /** Opens the page in a context of its own, and closes both behind the task. */
  async use(task: (page: SitePage) => Promise<void>, options: SitePageOptions = {}): Promise<void> {
    const { headers = HEADERS, ...rest } = options;
    const site = await serveSite(this.#folder, { headers });
    const context = await this.#browser.newContext({
      viewport: { width: 1440, height: 1000 },
      ...rest,
    });
    context.setDefaultTimeout(HANGS_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
    try {
      await page.goto(site.url);
      await task(new SitePage(page));
    } finally {
      await context.close();
      await site.close();
    }
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await rm(this.#folder, { recursive: true });
  }
}

/** One rig for a file's tests, opened by the first, in which no page may complain; skips them where there is no browser. */
export function rigOfTests(): (context: TestContext) => Promise<SiteRig> {
  let opened: Promise<SiteRig> | undefined;
  afterEach(async () => {
    expect((await opened)?.complaints.splice(0) ?? []).toEqual([]);
  });
  afterAll(async () => (await opened)?.close());
  return (context) => {
    needBrowser(context);
    opened ??= SiteRig.open();
    return opened;
  };
}

/** The page, and what is done on it again and again. */
export class SitePage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async press(name: string | RegExp): Promise<void> {
    await this.page.getByRole("button", { name, exact: true }).click();
  }

  /** Waits until there is such a button. */
  async sees(name: string): Promise<void> {
    await this.page.getByRole("button", { name, exact: true }).waitFor();
  }

  async tab(name: string): Promise<void> {
    await this.page.getByRole("tab", { name }).click();
  }

  /** Exports what the form says, and attaches it. */
  async attach(): Promise<void> {
    await this.press("Export");
    await this.press("Attach");
    await this.sees("Detach");
  }

  log(): Promise<string> {
    return this.page.getByRole("log").innerText();
  }

  /** The value of a register, and what it means. */
  async register(name: string): Promise<string[]> {
    const row = this.page.getByRole("row").filter({
      has: this.page.getByRole("rowheader", { name, exact: true }),
    });
    return (await row.getByRole("cell").allInnerTexts()).slice(1);
  }

  /**
   * What axe finds wrong, with where.
   *
   * @param rules - of its rules only these
   */
  async violations(rules?: string[]): Promise<string[]> {
    const axe = new AxeBuilder({ page: this.page });
    const { violations } = await (rules === undefined ? axe : axe.withRules(rules)).analyze();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  }
}
