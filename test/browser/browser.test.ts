// The library in a real browser: both engines, the root complex in the page and in a worker, and a page that may not.

import type * as Blockpt from "blockpt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { afterThisTest } from "../api/rig.js";
import { moduleOf } from "../discs/modules.js";
import { BrowserRig, hasBrowser, needBrowser } from "./rig.js";

declare const blockpt: typeof Blockpt;

const ENGINES = ["wasm", "typescript"] as const;
let rig: BrowserRig;

beforeAll(async () => {
  if (hasBrowser) rig = await BrowserRig.open();
});
beforeEach(needBrowser);
afterAll(() => rig?.close());

describe.each(ENGINES)("engine %s", (engine) => {
  test("endpoint and root complex in a page, with promises", async () => {
    const page = await rig.page();
    const result = await page.evaluate(async (engine) => {
      const { createBus, Endpoint, MemoryDisc, RootComplex } = blockpt;
      const bus = await createBus({ engine });
      const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
      await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024), { queues: 2 });
      await endpoint.start();
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("ram0", { queues: 2 });
      const written = crypto.getRandomValues(new Uint8Array(8192));
      await disk.write(written, 65536);
      await disk.flush();
      const read = new Uint8Array(8192);
      await disk.read(read, 65536);
      await rc.close();
      await endpoint.close();
      return { kind: bus.engine.kind, same: read.every((byte, index) => byte === written[index]) };
    }, engine);
    expect(result).toEqual({ kind: engine, same: true });
  });

  test("endpoint in a worker, root complex in another, which blocks", async () => {
    const page = await rig.page();
    const result = await page.evaluate(
      async ({ engine, origin }) => {
        const index = `${origin}/dist/browser/index.js`;
        const worker = (body: string): Worker => {
          const text = `import * as blockpt from "${index}"; onmessage = async ({ data }) => { ${body} };`;
          const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
          return new Worker(url, { type: "module" });
        };
        const answer = (from: Worker, question: unknown): Promise<unknown> =>
          new Promise((resolve, reject) => {
            from.onmessage = ({ data }) => resolve(data);
            from.onerror = ({ message }) => reject(new Error(message));
            from.postMessage(question);
          });
        const bus = await blockpt.createBus({ engine });
        const endpoint = worker(`
          const { Endpoint, MemoryDisc, openBus } = blockpt;
          const bus = openBus(data);
          const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
          await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024), { queues: 2 });
          await endpoint.start();
          postMessage("started");`);
        await answer(endpoint, bus.handle);
        const rc = await blockpt.RootComplex.probe(bus);
        const disk = await rc.attach("ram0", { queues: 2 });
        const driver = worker(`
          const { openBus, openQueue } = blockpt;
          const disk = openQueue(openBus(data.bus), data.queue);
          const written = crypto.getRandomValues(new Uint8Array(8192));
          disk.writeSync(written, 65536);
          disk.flushSync();
          const read = new Uint8Array(8192);
          disk.readSync(read, 65536);
          disk.close();
          postMessage(read.every((byte, index) => byte === written[index]));`);
        const same = await answer(driver, { bus: bus.handle, queue: disk.openQueue() });
        await rc.close();
        return same;
      },
      { engine, origin: rig.origin },
    );
    expect(result).toBe(true);
  });

  test("a queue's worker that is ended gives back all it had, and the next endpoint goes on", async () => {
    const page = await rig.page();
    const result = await page.evaluate(async (engine) => {
      const { createBus, Endpoint, MemoryDisc, RootComplex } = blockpt;
      const bus = await createBus({ engine });
      const make = () => Endpoint.create(bus, { controller: "44100000.pcie" });
      const first = await make();
      await first.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
      await first.start();
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("ram0");
      await disk.write(new Uint8Array(512).fill(7), 512);
      const discs = await first.kill();
      const next = await make();
      for (const [name, disc] of discs) await next.exportDisc(name, disc);
      await next.start();
      await disk.whenOnline();
      const read = new Uint8Array(512);
      await disk.read(read, 512);
      await rc.close();
      await next.close();
      return [...new Set(read)];
    }, engine);
    expect(result).toEqual([7]);
  });

  test("takes the worker and the module from elsewhere", async () => {
    const page = await rig.page();
    const result = await page.evaluate(async (engine) => {
      const { createBus, Endpoint, MemoryDisc, RootComplex } = blockpt;
      const url = new URL("/dist/browser/blockpt.wasm", location.href);
      const bytes = await (await fetch(url)).arrayBuffer();
      const kinds: string[] = [];
      for (const wasm of [url, url.href, bytes, await WebAssembly.compile(bytes)]) {
        const bus = await createBus({ engine, wasm });
        kinds.push(bus.engine.kind);
      }
      const bus = await createBus({ engine });
      let made = 0;
      const script = new URL("/dist/browser/queue-worker.js", location.href);
      const queueWorker = () => {
        made++;
        return new Worker(script, { type: "module" });
      };
      const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", queueWorker });
      await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
      await endpoint.start();
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("ram0");
      await disk.read(new Uint8Array(512), 0);
      await rc.close();
      await endpoint.close();
      return { kinds, made };
    }, engine);
    expect(result).toEqual({ kinds: Array(4).fill(engine), made: 1 });
  });
});

test("a worker whose script is not there stops the queue, and says so", async () => {
  const page = await rig.page();
  const log = await page.evaluate(async () => {
    const { createBus, Endpoint, MemoryDisc, RootComplex } = blockpt;
    const bus = await createBus();
    const lines: string[] = [];
    const endpoint = await Endpoint.create(bus, {
      controller: "44100000.pcie",
      queueWorker: new URL("/not-there.js", location.href),
      log: (line) => lines.push(line),
    });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("ram0");
    const failed = await disk.read(new Uint8Array(512), 0).then(
      () => "read",
      (error: { code: string }) => error.code,
    );
    await endpoint.close();
    return [...lines, failed].join("\n");
  });
  expect(log).toMatch(/its script cannot be loaded/);
  expect(log).toMatch(/ERR_BLOCKPT_OFFLINE$/);
});

test("a worker that ends without a word stops the queue, and what it had is answered", async () => {
  const page = await rig.page();
  // As one does that the browser ends, for want of memory.
  const module = moduleOf(`export const openDisc = () => ({
    sizeBytes: 4096,
    read() { globalThis.close(); return new Promise(() => {}); },
  })`);
  const outcome = await page.evaluate(async (module) => {
    const { createBus, Endpoint, ModuleDisc, RootComplex } = blockpt;
    const bus = await createBus();
    const stopped: string[] = [];
    const endpoint = await Endpoint.create(bus, {
      controller: "44100000.pcie",
      onQueueStopped: ({ reason }) => stopped.push(reason),
    });
    await endpoint.exportDisc("disc", await ModuleDisc.open(module));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("disc");
    const failed = await disk.read(new Uint8Array(512), 0).catch(({ code }) => code);
    await endpoint.close();
    return { failed, stopped };
  }, module);
  expect(outcome).toEqual({
    failed: "ERR_BLOCKPT_OFFLINE",
    stopped: ["its worker ended, and did not say why"],
  });
});

test("a worker that cannot be made has the disk refused, and the endpoint say why", async () => {
  const page = await rig.page();
  const { port } = new URL(rig.origin);
  const log = await page.evaluate(async (queueWorker) => {
    const { createBus, Endpoint, MemoryDisc, RootComplex } = blockpt;
    const bus = await createBus();
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const endpoint = await Endpoint.create(bus, {
      controller: "44100000.pcie",
      queueWorker,
      log,
    });
    await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    await rc.attach("ram0").catch(({ code, message }) => log(`${code} ${message}`));
    await endpoint.close();
    return lines.join("\n");
  }, `http://127.0.0.1:${port}/dist/browser/queue-worker.js`);
  expect(log).toMatch(
    /its worker cannot be started: SecurityError.* cannot be accessed from origin/,
  );
  expect(log).toMatch(/ERR_BLOCKPT_COMMAND .*the endpoint's log says why$/);
});

test.each([
  [
    "neither header",
    {},
    /Opener-Policy: same-origin\n {2}Cross-Origin-Embedder-Policy: require-corp/,
  ],
  [
    "the first header alone",
    { "Cross-Origin-Opener-Policy": "same-origin" },
    /with the header\n {2}Cross-Origin-Embedder-Policy: require-corp/,
  ],
  [
    "the second header alone",
    { "Cross-Origin-Embedder-Policy": "require-corp" },
    /with the header\n {2}Cross-Origin-Opener-Policy: same-origin/,
  ],
] as const)("a page with %s is told which it lacks", async (_, headers, message) => {
  const page = await rig.page({ headers });
  const error = await page.evaluate(() =>
    blockpt.createBus().then(
      () => undefined,
      ({ code, message }: { code: string; message: string }) => ({ code, message }),
    ),
  );
  expect(error?.code).toBe("ERR_BLOCKPT_NOT_ISOLATED");
  expect(error?.message).toMatch(message);
});

test("a page whose server answers no HEAD is told of both headers", async () => {
  const page = await rig.page({ headers: {} });
  await page.route("**/page.html*", async (route) => {
    if (route.request().method() !== "HEAD") await route.continue();
  });
  const why = await page.evaluate(() => blockpt.createBus().catch(({ message }) => message));
  expect(why).toMatch(/serve it with the headers\n.*Opener-Policy: same-origin\n.*Embedder-Policy/);
});

test("a page of an insecure origin is told that no header helps it", async () => {
  const insecure = await BrowserRig.open(undefined, [
    "--host-resolver-rules=MAP disc.test 127.0.0.1",
  ]);
  afterThisTest(() => insecure.close());
  const { port } = new URL(insecure.origin);
  const page = await insecure.page({ origin: `http://disc.test:${port}` });
  const why = await page.evaluate(() =>
    blockpt.createBus().catch(({ code, message }) => `${code} ${message}`),
  );
  expect(why).toMatch(
    /^ERR_BLOCKPT_NOT_ISOLATED .*http:\/\/disc\.test:\d+ is no secure origin, .*https:\/\/ or from http:\/\/localhost/,
  );
});

test.each([
  ["FileDisc", () => blockpt.FileDisc.open("disk.img")],
  ["NbdDisc", () => blockpt.NbdDisc.open("nbd://localhost")],
  ["TraceFile", async () => blockpt.readTraceFile("t.trace")],
] as const)("%s says what there is instead", async (_, call) => {
  const page = await rig.page();
  const text = `(${call.toString()})().then(String, (error) => error.code + " " + error.message)`;
  expect(await page.evaluate(text)).toMatch(
    /^ERR_BLOCKPT_NOT_SUPPORTED .*a browser has no such thing; /,
  );
});

test("the config tree configures both sides, and a partition table is read", async () => {
  const page = await rig.page();
  const found = await page.evaluate(async () => {
    const { BlockptError, ConfigTree, createBus, MemoryDisc, PartitionDisc } = blockpt;
    const bus = await createBus();
    const tree = ConfigTree.create(bus, { discs: { nvme0n1: "memory:1M" } });
    const epf = "/sys/kernel/config/pci_ep/functions/pci_epf_blockpt/func1";
    await tree.mkdir(epf);
    const failed = (path: string) => tree.readFile(path).catch(({ code }) => code);
    const disc = MemoryDisc.create(bus, 1024 * 1024);
    const why = await PartitionDisc.open(disc, 1).catch((error) => error);
    return {
      entries: (await tree.readdir(epf)).length,
      missing: await failed(`${epf}/nothing`),
      partition: why instanceof BlockptError ? why.code : String(why),
    };
  });
  expect(found).toEqual({
    entries: expect.any(Number),
    missing: "ENOENT",
    partition: "ERR_BLOCKPT_PARTITION",
  });
  expect(found.entries).toBeGreaterThan(5);
});
