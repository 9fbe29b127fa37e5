// The discs that a browser has: files of the page's own, files that somebody picked, images on servers, and one's own.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Blockpt from "blockpt";
import { BlkStatus } from "blockpt/abi";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { browserArguments, executablePath } from "../../scripts/chromium.mjs";
import { afterThisTest, makeImage, pattern } from "../api/rig.js";
import { ImageServer } from "../discs/image-server.js";
import { AT_ONCE_TEXT } from "../discs/modules.js";
import { BrowserRig, hasBrowser, ISOLATION, needBrowser } from "./rig.js";

declare const blockpt: typeof Blockpt;
/** What pages here have besides. */
declare function attach(
  disc: Blockpt.Disc,
  engine?: Blockpt.EngineChoice,
  queues?: number,
): Promise<{ disk: Blockpt.RemoteDisk; endpoint: Blockpt.Endpoint; close(): Promise<void> }>;
declare function sectors(first: number, count: number): Uint8Array;
declare function outcome(call: Promise<unknown>): Promise<string>;

const ENGINES = ["wasm", "typescript"] as const;
let rig: BrowserRig;

beforeAll(async () => {
  if (!hasBrowser) return;
  rig = await BrowserRig.open((path, response) => {
    if (path !== "/disc.js") return false;
    response.writeHead(200, { "Content-Type": "text/javascript", ...ISOLATION }).end(AT_ONCE_TEXT);
    return true;
  });
});
beforeEach(needBrowser);
afterAll(() => rig?.close());

/** A page with what the tests here call. */
async function openPage(context?: BrowserContext): Promise<Page> {
  const page = await rig.page({ context });
  await page.evaluate(() => {
    Object.assign(globalThis, {
      async attach(disc: Blockpt.Disc, engine: Blockpt.EngineChoice = "wasm", queues = 1) {
        const bus = await blockpt.createBus({ engine });
        const endpoint = await blockpt.Endpoint.create(bus, { controller: "44100000.pcie" });
        await endpoint.exportDisc("disc", disc, { queues });
        await endpoint.start();
        const rc = await blockpt.RootComplex.probe(bus);
        const disk = await rc.attach("disc", { queues, numDescriptors: 64 });
        const close = async (): Promise<void> => {
          await rc.close();
          await endpoint.close();
        };
        return { disk, endpoint, close };
      },
      /** Sectors that say where they are. */
      sectors(first: number, count: number): Uint8Array {
        const words = new Uint32Array(count * 128);
        return new Uint8Array(words.map((_, index) => first * 128 + index + 1).buffer);
      },
      outcome: (call: Promise<unknown>): Promise<string> =>
        call.then(
          () => "OK",
          ({ code, blkStatus, message }) => `${code} ${blkStatus ?? message}`,
        ),
    });
  });
  return page;
}

describe.each(ENGINES)("a file of the origin private file system, engine %s", (engine) => {
  test("is written by two queues, and is there when the page is loaded again", async () => {
    const context = await rig.browser.newContext();
    const first = await openPage(context);
    const written = await first.evaluate(async (engine) => {
      const options = { create: true, sizeBytes: 4 * 1024 * 1024 };
      const disc = await blockpt.OpfsDisc.open("images/disk.img", options);
      const { disk, close } = await attach(disc, engine, 2);
      const pieces = Array.from({ length: 64 }, (_, index) => index);
      await Promise.all(
        pieces.map((index) => disk.write(sectors(index * 128, 128), index * 65536)),
      );
      await disk.flush();
      const back = new Uint8Array(disk.sizeBytes);
      await disk.read(back, 0);
      const expected = sectors(0, 8192);
      const isSame = back.every((byte, index) => byte === expected[index]);
      await disk.writeZeroes(8192, 4096);
      await disk.write(sectors(5, 1), 0, { fua: true });
      await close();
      return isSame;
    }, engine);
    expect(written).toBe(true);
    await first.close();

    const second = await openPage(context);
    const found = await second.evaluate(async (engine) => {
      const disc = await blockpt.OpfsDisc.open("images/disk.img", { readOnly: true });
      const { disk, close } = await attach(disc, engine);
      const back = new Uint8Array(disk.sizeBytes);
      await disk.read(back, 0);
      const expected = sectors(0, 8192);
      expected.fill(0, 8192, 12288);
      expected.set(sectors(5, 1));
      const refused = await outcome(disk.write(new Uint8Array(512), 0));
      await close();
      return { isSame: back.every((byte, index) => byte === expected[index]), refused };
    }, engine);
    expect(found).toEqual({
      isSame: true,
      refused: expect.stringMatching(/^ERR_BLOCKPT_READ_ONLY/),
    });
  });

  test("keeps what was flushed when its tab is closed in the middle of writes", async () => {
    const context = await rig.browser.newContext();
    const first = await openPage(context);
    const isWriting = first.waitForEvent("console", (line) => line.text() === "writing");
    await first.evaluate(async (engine) => {
      const options = { create: true, sizeBytes: 1024 * 1024 };
      const { disk } = await attach(await blockpt.OpfsDisc.open("torn.img", options), engine);
      await disk.write(sectors(0, 1024), 0);
      await disk.flush();
      void (async () => {
        for (let round = 0; ; round++) {
          await disk.write(sectors(round, 1024), 512 * 1024);
          if (round === 5) console.log("writing");
        }
      })();
    }, engine);
    await isWriting;
    await first.close();
    const second = await openPage(context);
    const isSame = await second.evaluate(async (engine) => {
      const { disk, close } = await attach(await blockpt.OpfsDisc.open("torn.img"), engine);
      const back = new Uint8Array(512 * 1024);
      await disk.read(back, 0);
      await disk.write(new Uint8Array(512), 0);
      await close();
      const expected = sectors(0, 1024);
      return back.every((byte, index) => byte === expected[index]);
    }, engine);
    expect(isSame).toBe(true);
  });
});

test("a file is one disc's, in all tabs, until that is closed", async () => {
  const context = await rig.browser.newContext();
  const [one, other] = [await openPage(context), await openPage(context)];
  const open = (page: Page, readOnly = false): Promise<string> =>
    page.evaluate(
      (readOnly) =>
        outcome(
          blockpt.OpfsDisc.open("a.img", { create: !readOnly, sizeBytes: 4096, readOnly }).then(
            (disc) => Object.assign(globalThis, { disc }),
          ),
        ),
      readOnly,
    );
  const close = (page: Page): Promise<void> => page.evaluate("disc.close()");
  expect(await open(one)).toBe("OK");
  expect(await open(one)).toMatch(/^ERR_BLOCKPT_BUSY a\.img is open elsewhere/);
  expect(await open(other)).toMatch(/^ERR_BLOCKPT_BUSY/);
  expect(await open(other, true)).toMatch(/^ERR_BLOCKPT_BUSY/);
  await close(one);
  expect(await open(other, true)).toBe("OK");
  expect(await open(one, true)).toBe("OK");
  await close(other);
  await close(one);

  // Somebody who knows nothing of blockpt, and wants it alone.
  const foreign = await one.evaluateHandle(async () => {
    const text = `(async () => {
      const root = await navigator.storage.getDirectory();
      globalThis.access = await (await root.getFileHandle("a.img")).createSyncAccessHandle();
      postMessage(0);
    })()`;
    const worker = new Worker(URL.createObjectURL(new Blob([text])));
    await new Promise((resolve) => worker.addEventListener("message", resolve));
    return worker;
  });
  expect(await open(other)).toMatch(/^ERR_BLOCKPT_BUSY/);
  await foreign.evaluate((worker) => worker.terminate());
  await expect.poll(() => open(other)).toBe("OK");
});

test("a file gets another size: in a page while it is detached, in a worker at any time", async () => {
  const page = await openPage();
  const inPage = await page.evaluate(async () => {
    const disc = await blockpt.OpfsDisc.open("a.img", { create: true, sizeBytes: 4096 });
    await disc.resize(8192);
    const sizes = [disc.sizeBytes];
    const { disk, endpoint, close } = await attach(disc);
    // A queue's thread may open the file after that else.
    await disk.read(new Uint8Array(512), 0);
    const attached = await outcome(endpoint.resizeDisc("disc", 16384));
    await disk.write(sectors(0, 1), 7680);
    await close();
    const again = await blockpt.OpfsDisc.open("a.img", { sizeBytes: 512 });
    sizes.push(again.sizeBytes);
    again.close();
    return { sizes, attached };
  });
  expect(inPage).toEqual({
    sizes: [8192, 8192],
    attached: expect.stringMatching(/^ERR_BLOCKPT_BUSY/),
  });
  const inWorker = await page.evaluate(async (origin) => {
    const text = `import { createBus, Endpoint, OpfsDisc, RootComplex } from "${origin}/dist/browser/index.js";
      const bus = await createBus();
      const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
      const disc = await OpfsDisc.open("b/c/d.img", { create: true, sizeBytes: 4096 });
      await endpoint.exportDisc("disc", disc, { queues: 2 });
      await endpoint.start();
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("disc", { queues: 2, numDescriptors: 64 });
      await endpoint.resizeDisc("disc", 16384);
      await disk.write(new Uint8Array(512).fill(3), 4096).catch(() => {});
      const sizes = [disc.sizeBytes];
      await rc.close();
      await endpoint.close();
      const again = await OpfsDisc.open("b/c/d.img");
      postMessage([...sizes, again.sizeBytes, (await again.readBytes(512, 15872)).length]);`;
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  }, rig.origin);
  expect(inWorker).toEqual([16384, 16384, 512]);
});

test("what is no file of that file system is refused, and leaves none", async () => {
  const page = await openPage();
  const outcomes = await page.evaluate(async () => {
    const open = (file: string | FileSystemFileHandle, options?: Blockpt.OpfsDiscOptions) =>
      outcome(blockpt.OpfsDisc.open(file, options));
    const root = await navigator.storage.getDirectory();
    await root.getDirectoryHandle("folder", { create: true });
    const handle = await root.getFileHandle("handle.img", { create: true });
    const found = [
      await open("none.img"),
      await open("folder"),
      await open("/"),
      await open({} as FileSystemFileHandle),
      await open({ kind: "file" } as FileSystemFileHandle),
      await open("empty.img", { create: true }),
      await open("odd.img", { create: true, sizeBytes: 700 }),
      await open("large.img", { create: true, sizeBytes: 2 ** 50 }),
      await open(handle),
      await open(handle, { sizeBytes: 512 }),
    ];
    const names: string[] = [];
    for await (const name of (root as unknown as { keys(): AsyncIterable<string> }).keys())
      names.push(name);
    return { found, names: names.sort() };
  });
  expect(outcomes).toEqual({
    found: [
      expect.stringMatching(
        /^ERR_BLOCKPT_DISC_OPEN none\.img .*\{ create: true, sizeBytes \} makes it/,
      ),
      expect.stringMatching(/^ERR_BLOCKPT_DISC_OPEN folder/),
      expect.stringMatching(/^ERR_BLOCKPT_INVALID_ARGUMENT/),
      expect.stringMatching(/^ERR_BLOCKPT_INVALID_ARGUMENT .*BlobDisc/),
      expect.stringMatching(/^ERR_BLOCKPT_INVALID_ARGUMENT .*BlobDisc/),
      expect.stringMatching(/^ERR_BLOCKPT_DISC_SIZE empty\.img is empty/),
      expect.stringMatching(/^ERR_BLOCKPT_DISC_SIZE/),
      expect.stringMatching(/^ERR_BLOCKPT_DISC_OPEN .*no more room/),
      expect.stringMatching(/^ERR_BLOCKPT_DISC_SIZE handle\.img is empty/),
      "OK",
    ],
    names: ["folder", "handle.img"],
  });
});

test("where the origin has no more room a file is opened, and what makes it longer is told why not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-quota-"));
  afterThisTest(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  // One that stores on the disk: in the others writes know of no quota.
  const context = await chromium.launchPersistentContext(folder, {
    executablePath,
    args: [...browserArguments],
  });
  afterThisTest(() => context.close());
  const page = await openPage(context);
  await page.evaluate(async () => {
    const disc = await blockpt.OpfsDisc.open("a.img", { create: true, sizeBytes: 1024 * 1024 });
    disc.close();
  });
  const session = await context.newCDPSession(page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: rig.origin, quotaSize: 4096 });
  const lines: string[] = [];
  page.on("console", (line) => lines.push(line.text()));
  const outcomes = await page.evaluate(async () => {
    const disc = await blockpt.OpfsDisc.open("a.img");
    // Somebody who knows nothing of blockpt makes it short.
    const text = `(async () => {
      const root = await navigator.storage.getDirectory();
      const file = await root.getFileHandle("a.img");
      const access = await file.createSyncAccessHandle({ mode: "readwrite-unsafe" });
      access.truncate(4096);
      access.close();
      postMessage(0);
    })()`;
    const worker = new Worker(URL.createObjectURL(new Blob([text])));
    await new Promise((resolve) => worker.addEventListener("message", resolve));
    const { disk, close } = await attach(disc);
    const found = [
      await outcome(disk.write(sectors(0, 8), 0)),
      await outcome(disk.write(sectors(0, 8), 512 * 1024)),
    ];
    await close();
    return found;
  });
  expect(outcomes).toEqual(["OK", `ERR_BLOCKPT_IO ${BlkStatus.NOSPC}`]);
  await expect.poll(() => lines.join("\n")).toMatch(/a\.img: the origin has no more room: /);
});

test("where a page may not use the file system it is told so", async () => {
  const page = await openPage();
  const told = await page.evaluate(() => {
    // As with cookies turned off.
    navigator.storage.getDirectory = () =>
      Promise.reject(new DOMException("Access is denied.", "SecurityError"));
    return outcome(blockpt.OpfsDisc.open("a.img"));
  });
  expect(told).toMatch(/^ERR_BLOCKPT_DISC_OPEN this page may not use .*: Access is denied\.$/);
});

test.each(ENGINES)(
  "a Blob, a file that was picked, and one that is changed, engine %s",
  async (engine) => {
    const page = await openPage();
    const image = pattern(1024 * 1024 + 100);
    const path = makeImage(image);
    await page.evaluate(() => {
      document.body.append(Object.assign(document.createElement("input"), { type: "file" }));
    });
    await page.setInputFiles("input", path);
    const found = await page.evaluate(async (engine) => {
      const [file] = document.querySelector("input")?.files ?? [];
      const expected = new Uint8Array(await (file as File).arrayBuffer());
      const isSame: boolean[] = [];
      for (const blob of [file as File, new Blob([expected])]) {
        const { disk, close } = await attach(blockpt.BlobDisc.create(blob), engine, 2);
        const back = new Uint8Array(disk.sizeBytes).fill(9);
        await disk.read(back, 0);
        isSame.push(back.every((byte, index) => byte === (expected[index] ?? 0)));
        if (blob === file) Object.assign(globalThis, { disk });
        else await close();
      }
      return isSame;
    }, engine);
    expect(found).toEqual([true, true]);
    const read = (): Promise<string> => page.evaluate("outcome(disk.read(new Uint8Array(512), 0))");
    expect(await read()).toBe("OK");
    writeFileSync(path, pattern(2048));
    expect(await read()).toBe("ERR_BLOCKPT_IO 10");
    expect(await read()).toBe("ERR_BLOCKPT_IO 10");
  },
);

test.each(ENGINES)("an image on another server, engine %s", async (engine) => {
  const page = await openPage();
  const image = pattern(3 * 1024 * 1024 + 100);
  const server = await ImageServer.start(image);
  const allowed = { "access-control-allow-origin": "*" };
  const open = (): Promise<string> =>
    page.evaluate((url) => outcome(blockpt.HttpDisc.open(url)), server.url);
  expect(await open()).toMatch(/^ERR_BLOCKPT_DISC_OPEN .*cannot be reached/);
  server.always = (_, serve) => serve(allowed);
  expect(await open()).toMatch(
    /^ERR_BLOCKPT_DISC_OPEN .*Access-Control-Expose-Headers: Content-Range, ETag/,
  );
  server.always = (_, serve) =>
    serve({ ...allowed, "access-control-expose-headers": "Content-Range, ETag" });
  const sum = await page.evaluate(
    async ({ url, engine }) => {
      const disc = await blockpt.openDiscNamed(await blockpt.createBus(), url);
      const { disk } = await attach(disc, engine, 2);
      Object.assign(globalThis, { disk });
      const back = new Uint8Array(disk.sizeBytes).fill(9);
      await disk.read(back, 0);
      return [...new Uint8Array(await crypto.subtle.digest("SHA-256", back))];
    },
    { url: server.url, engine },
  );
  const padded = new Uint8Array(image.length + 412);
  padded.set(image);
  expect(sum).toEqual([...new Uint8Array(await crypto.subtle.digest("SHA-256", padded))]);
  expect(server.headers["accept-encoding"]).toBe("identity");
});

test.each(ENGINES)("a module, engine %s", async (engine) => {
  const page = await openPage();
  const isSame = await page.evaluate(async (engine) => {
    const memory = new SharedArrayBuffer(1024 * 1024);
    const disc = await blockpt.ModuleDisc.open(new URL("/disc.js", location.href), {
      data: memory,
    });
    const { disk, close } = await attach(disc, engine, 2);
    const written = sectors(0, 2048);
    await disk.write(written, 0);
    await close();
    return new Uint8Array(memory).every((byte, index) => byte === written[index]);
  }, engine);
  expect(isSame).toBe(true);
});
