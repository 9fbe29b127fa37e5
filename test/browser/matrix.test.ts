// Each disc, on each engine, by promises in a page and by calls that block in a worker; the endpoint is in a worker of its own.

import type * as Blockpt from "blockpt";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { ImageServer } from "../discs/image-server.js";
import { AT_ONCE } from "../discs/modules.js";
import { BrowserRig, hasBrowser, needBrowser } from "./rig.js";

declare const blockpt: typeof Blockpt;

const BYTES = 64 * 1024;
/** How each is opened, in the endpoint's thread: `bus`, `url` and `image` are there. */
const DISCS = {
  memory: "MemoryDisc.create(bus, image.length)",
  null: "NullDisc.create(image.length)",
  file: `OpfsDisc.open("matrix.img", { create: true, sizeBytes: image.length })`,
  blob: "BlobDisc.create(new Blob([image]))",
  http: "HttpDisc.open(url)",
  module: `ModuleDisc.open(${JSON.stringify(AT_ONCE)}, { data: new SharedArrayBuffer(image.length) })`,
  faulty: "FaultyDisc.create(MemoryDisc.create(bus, image.length))",
} as const;
/** Whose bytes are the image's, and cannot be others. */
const READ_ONLY: readonly string[] = ["blob", "http"];
let rig: BrowserRig;

beforeAll(async () => {
  if (hasBrowser) rig = await BrowserRig.open();
});
beforeEach(needBrowser);
afterAll(() => rig?.close());

const cases = (["wasm", "typescript"] as const).flatMap((engine) =>
  Object.entries(DISCS).map(([kind, open]) => ({ engine, kind, open })),
);

test.each(cases)("$kind disc, engine $engine", async ({ engine, kind, open }) => {
  const image = pattern(BYTES);
  const server = await ImageServer.start(image);
  server.always = (_, serve) =>
    serve({
      "access-control-allow-origin": "*",
      "access-control-expose-headers": "Content-Range, ETag",
    });
  const page = await rig.page();
  const found = await page.evaluate(
    async ({ engine, open, isReadOnly, image, url, origin }) => {
      const start = (body: string): Worker => {
        const text = `import * as blockpt from "${origin}/dist/browser/index.js";
          const { BlobDisc, Endpoint, FaultyDisc, HttpDisc, MemoryDisc, ModuleDisc, NullDisc, OpfsDisc, openBus, openQueue } = blockpt;
          onmessage = async ({ data }) => { ${body} };`;
        const script = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
        return new Worker(script, { type: "module" });
      };
      const ask = <T>(worker: Worker, question: unknown): Promise<T> =>
        new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          worker.postMessage(question);
        });
      const bytes = Uint8Array.from(image);
      const bus = await blockpt.createBus({ engine });
      const endpoint = start(`
        const { image, url } = data;
        const bus = openBus(data.bus);
        const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
        await endpoint.exportDisc("disc", await ${open}, { queues: 2 });
        await endpoint.start();
        postMessage("started");`);
      await ask(endpoint, { bus: bus.handle, image: bytes, url });
      const rc = await blockpt.RootComplex.probe(bus);
      const disk = await rc.attach("disc", { queues: 2, numDescriptors: 64 });
      if (!isReadOnly) {
        await disk.write(bytes, 0);
        await disk.flush();
      }
      const back = new Uint8Array(bytes.length);
      await disk.read(back, 0);
      const driver = start(`
        const disk = openQueue(openBus(data.bus), data.queue);
        const back = new Uint8Array(disk.sizeBytes);
        disk.readSync(back, 0);
        if (!disk.readOnly) {
          disk.writeSync(new Uint8Array(4096).fill(0x5a), 8192);
          disk.flushSync();
        }
        disk.close();
        postMessage(back);`);
      const blocking = await ask<Uint8Array>(driver, { bus: bus.handle, queue: disk.openQueue() });
      const sector = new Uint8Array(512);
      await disk.read(sector, 8192);
      const { readOnly } = disk;
      await rc.close();
      const differs = (other: Uint8Array): number =>
        other.findIndex((byte, at) => byte !== bytes[at]);
      return {
        readOnly,
        promises: differs(back),
        blocking: differs(blocking),
        sector: [...new Set(sector)],
      };
    },
    {
      ...{ engine, open, url: server.url, origin: rig.origin },
      isReadOnly: READ_ONLY.includes(kind),
      image: [...image],
    },
  );
  expect(found.readOnly).toBe(READ_ONLY.includes(kind));
  // A null disc answers, and moves nothing: what a buffer held is still in it.
  if (kind === "null") return;
  expect([found.promises, found.blocking]).toEqual([-1, -1]);
  if (!found.readOnly) expect(found.sector).toEqual([0x5a]);
});
