// The library in a real browser: both engines, the root complex in the page and in a worker, and a page that may not.

import type * as Blockpt from "blockpt";
import { afterAll, describe, expect, type TestContext, test } from "vitest";
import { BrowserRig, needBrowser } from "./rig.js";

declare const blockpt: typeof Blockpt;

const ENGINES = ["wasm", "typescript"] as const;
let rig: BrowserRig | undefined;

async function open(context: TestContext): Promise<BrowserRig> {
  needBrowser(context);
  rig ??= await BrowserRig.open();
  return rig;
}

afterAll(() => rig?.close());

describe.each(ENGINES)("engine %s", (engine) => {
  test("endpoint and root complex in a page, with promises", async (context) => {
    const page = await (await open(context)).page();
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
});
