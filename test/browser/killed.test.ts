// Whatever was acknowledged after a flush is in the file, whoever dies: the tab, or the whole browser, in mid-write.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type * as Blockpt from "blockpt";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { browserArguments, executablePath } from "../../scripts/chromium.mjs";
import { afterThisTest } from "../api/rig.js";
import { BrowserRig, hasBrowser, needBrowser } from "./rig.js";

declare const blockpt: typeof Blockpt;
declare function flushed(round: number): Promise<void>;

const SECTORS = 512;
/** Rounds that are flushed before it is killed. */
const ROUNDS = 5;
let rig: BrowserRig;

beforeAll(async () => {
  if (hasBrowser) rig = await BrowserRig.open();
});
beforeEach(needBrowser);
afterAll(() => rig?.close());

/** A browser that keeps what its pages store, and that can be killed. */
class StoringBrowser {
  readonly process: ChildProcess;
  readonly browser: Browser;

  private constructor(process: ChildProcess, browser: Browser) {
    this.process = process;
    this.browser = browser;
  }

  static async open(folder: string): Promise<StoringBrowser> {
    const args = ["--headless=new", "--remote-debugging-port=0", `--user-data-dir=${folder}`];
    const all = [...browserArguments, ...args, "about:blank"];
    // A group of its own, so that all its processes can be killed.
    const child = spawn(executablePath, all, {
      detached: true,
      stdio: ["ignore", "ignore", "pipe"],
    });
    for await (const line of createInterface({ input: child.stderr })) {
      const [, url] = /^DevTools listening on (ws:.*)$/.exec(line) ?? [];
      if (url === undefined) continue;
      child.stderr.resume();
      return new StoringBrowser(child, await chromium.connectOverCDP(url));
    }
    throw new Error(`chromium ended with ${child.exitCode}`);
  }

  page(): Promise<Page> {
    return rig.page({ context: this.browser.contexts()[0] });
  }

  async kill(): Promise<void> {
    const ended = once(this.process, "exit");
    process.kill(-(this.process.pid as number), "SIGKILL");
    await ended;
  }
}

/** Writes all sectors again and again, each with the number of the round, and tells which round is flushed. */
async function writeForEver(sectors: number): Promise<void> {
  const { createBus, Endpoint, OpfsDisc, RootComplex } = blockpt;
  const bus = await createBus();
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  const disc = await OpfsDisc.open("disk.img", { create: true, sizeBytes: sectors * 512 });
  await endpoint.exportDisc("disc", disc);
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("disc", { numDescriptors: 64 });
  for (let round = 1; ; round++) {
    const order = Array.from({ length: sectors }, (_, index) => (index * 77 + round) % sectors);
    const bytes = new Uint8Array(new Uint32Array(128).fill(round).buffer);
    await Promise.all(order.map((sector) => disk.write(bytes, sector * 512)));
    await disk.flush();
    await flushed(round);
  }
}

/** The round of each sector; −1 for one that has parts of several. */
async function readRounds(sectors: number): Promise<number[]> {
  const { createBus, Endpoint, OpfsDisc, RootComplex } = blockpt;
  const bus = await createBus();
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("disc", await OpfsDisc.open("disk.img"));
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("disc");
  const bytes = new Uint8Array(sectors * 512);
  await disk.read(bytes, 0);
  await rc.close();
  await endpoint.close();
  const words = new Uint32Array(bytes.buffer);
  return Array.from({ length: sectors }, (_, sector) => {
    const [first = 0, ...rest] = words.subarray(sector * 128, sector * 128 + 128);
    return rest.every((word) => word === first) ? first : -1;
  });
}

test.each(["tab", "browser"] as const)(
  "a %s that is killed in mid-write takes nothing with it that was flushed",
  async (victim) => {
    const folder = mkdtempSync(join(tmpdir(), "blockpt-browser-"));
    afterThisTest(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    let storing = await StoringBrowser.open(folder);
    afterThisTest(() => storing.kill());
    let last = 0;
    const page = await storing.page();
    const enough = new Promise<void>((resolve) => {
      void page.exposeFunction("flushed", (round: number) => {
        last = round;
        if (round >= ROUNDS) resolve();
      });
    });
    void page.evaluate(writeForEver, SECTORS).catch(() => {});
    await enough;
    if (victim === "tab") {
      const crashed = page.waitForEvent("crash");
      const session = await page.context().newCDPSession(page);
      void session.send("Page.crash").catch(() => {});
      await crashed;
    } else {
      await storing.kill();
      storing = await StoringBrowser.open(folder);
    }
    const known = last;
    const rounds = await (await storing.page()).evaluate(readRounds, SECTORS);
    expect(rounds).toHaveLength(SECTORS);
    expect(Math.min(...rounds)).toBeGreaterThanOrEqual(known);
    expect(known).toBeGreaterThanOrEqual(ROUNDS);
  },
);
