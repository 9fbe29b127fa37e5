// SQLite, compiled to WebAssembly, on a remote disk: create, fill, crash on either side, reopen.

import { createBus, RootComplex } from "blockpt";
import { expect, test } from "vitest";
import { afterThisTest, makeImage, until } from "../api/rig.js";
import type { Ending, EndpointThreadData } from "../threads/endpoint-thread.js";
import { nextMessage, startThread } from "../threads/thread.js";
import type { SqliteReport, SqliteThreadData } from "./sqlite-thread.js";

const ROWS = 20;
const CRASHES = 8;

test("a database survives crashes of its own thread and of the endpoint's, with every transaction that was committed", async () => {
  const bus = await createBus();
  afterThisTest(() => bus.close());
  const path = makeImage(new Uint8Array(64 * 1024 * 1024));
  const endpointData: EndpointThreadData = { bus: bus.handle, path, queues: 2 };
  let endpoint = await startThread("../threads/endpoint-thread.ts", endpointData);
  await nextMessage(endpoint);
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("a", { queues: 2, numDescriptors: 64 });
  const committed = new Int32Array(new SharedArrayBuffer(8));

  for (let crash = 0; crash <= CRASHES; crash++) {
    const data: SqliteThreadData = { bus: bus.handle, queue: disk.openQueue(), committed };
    const program = await startThread("../sqlite/sqlite-thread.ts", data);
    const before = Atomics.load(committed, 0);
    const found = (await nextMessage(program)) as SqliteReport;
    expect(found.integrity).toBe("ok");
    // The one that was being committed may have made it.
    expect([before, before + 1]).toContain(found.transactions);
    expect(found.rows).toBe(Number(found.transactions) * ROWS);
    expect(found.whole).toBe(found.rows);
    if (crash === CRASHES) {
      Atomics.store(committed, 1, 1);
      expect(((await nextMessage(program)) as SqliteReport).error).toBeUndefined();
      break;
    }
    await until("some commits", () => Atomics.load(committed, 0) > before + 3);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
    if (crash % 2 === 0) {
      await program.terminate();
    } else {
      await endpoint.terminate();
      expect(((await nextMessage(program)) as SqliteReport).error).toBe("ERR_BLOCKPT_OFFLINE");
      await program.terminate();
      endpoint = await startThread("../threads/endpoint-thread.ts", endpointData);
      await nextMessage(endpoint);
      await disk.whenOnline();
    }
    await disk.reclaimQueue(data.queue);
  }
  await rc.close();
  endpoint.postMessage("stop" satisfies Ending);
}, 120_000);
