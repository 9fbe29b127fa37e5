// What outlives what: queues, handles, threads, disks and endpoints, in the orders that once went wrong.

import { Worker } from "node:worker_threads";
import { createBus, Endpoint, MemoryDisc, openBus, openQueue, RootComplex } from "blockpt";
import { Register } from "blockpt/abi";
import { expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";
import type { Ending, EndpointThreadData } from "./endpoint-thread.js";
import type { QueuePairData } from "./queue-pair.js";
import { nextMessage, startThread } from "./thread.js";

const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

const sector = () => new Uint8Array(512);

async function twoQueues(discs = ["a"]) {
  const { bus, endpoint } = await makeEndpoint();
  for (const name of discs) {
    await endpoint.exportDisc(name, MemoryDisc.create(bus, 65536), { queues: 3 });
  }
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close().catch(() => {}));
  const disk = await rc.attach("a", { queues: 3, numDescriptors: 16 });
  return { bus, endpoint, rc, disk };
}

test("no queue is handed out while its disk is detached, and none works afterwards", async () => {
  const { bus, rc, disk } = await twoQueues();
  const handle = disk.openQueue();
  await expect(rc.detach("a")).rejects.toEqual(code("BUSY"));
  openQueue(openBus(bus.handle), handle).close();
  const detaching = rc.detach("a");
  await new Promise((resolve) => setImmediate(resolve));
  expect(() => disk.openQueue()).toThrow(/BUSY|all are open/);
  await detaching;
  expect(() => disk.openQueue()).toThrow(code("DETACHED"));
  expect(() => openQueue(bus, handle)).toThrow(code("DETACHED"));
});

test("a queue that was closed does nothing to the rings of its next owner", async () => {
  const { bus, endpoint, disk } = await twoQueues();
  const view = openBus(bus.handle);
  const old = openQueue(view, disk.openQueue());
  old.writeSync(pattern(512), 0);
  old.close();
  const next = openQueue(view, disk.openQueue());
  await endpoint.stop();
  await endpoint.start();
  await next.whenOnline();
  next.writeSync(pattern(512, 2), 512);
  expect(old.online).toBe(false);
  await expect(old.read(sector(), 0)).rejects.toEqual(code("DETACHED"));
  await expect(old.whenOnline()).rejects.toEqual(code("DETACHED"));
  for (let turn = 0; turn < 40; turn++) next.readSync(sector(), 0);
  next.close();
  view.close();
});

test("a queue that is opened while the disk is offline starts at the beginning of its rings", async () => {
  const { bus, endpoint, disk } = await twoQueues();
  const view = openBus(bus.handle);
  const first = openQueue(view, disk.openQueue());
  for (let turn = 0; turn < 5; turn++) first.writeSync(pattern(512), 0);
  await endpoint.stop();
  await until("it is offline", () => !first.online);
  first.close();
  const second = openQueue(view, disk.openQueue());
  expect(second.online).toBe(false);
  expect(() => second.readSync(sector(), 0)).toThrow(code("OFFLINE"));
  await endpoint.start();
  await second.whenOnline();
  for (let turn = 0; turn < 40; turn++) second.readSync(sector(), 0);
  second.close();
  view.close();
});

test("a queue that nobody used while the endpoint was gone works at once when it is back", async () => {
  const { bus, endpoint, disk } = await twoQueues();
  const view = openBus(bus.handle);
  const idle = openQueue(view, disk.openQueue());
  idle.readSync(sector(), 0);
  await endpoint.stop();
  await until("it is offline", () => !disk.online);
  await endpoint.start();
  await disk.whenOnline();
  idle.readSync(sector(), 0);
  await idle.read(sector(), 0);
  idle.close();
  view.close();
});

test("a thread with queues of two disks is taken back as a whole, and no other with it", async () => {
  const { bus, rc, disk: a } = await twoQueues(["a", "b"]);
  const b = await rc.attach("b", { queues: 3, numDescriptors: 16 });
  const handles = [a.openQueue(), b.openQueue()] as const;
  const data: QueuePairData = { bus: bus.handle, queues: handles };
  const dead = await startThread("./queue-pair.ts", data);
  await nextMessage(dead);
  await dead.terminate();
  await a.reclaimQueue(handles[0]);
  // Who comes now may get the dead one's number, and is nobody's to take back.
  const others = [a.openQueue(), b.openQueue()] as const;
  const living = await startThread("./queue-pair.ts", { ...data, queues: others });
  await nextMessage(living);
  await b.reclaimQueue(handles[1]);
  await a.reclaimQueue(handles[0]);
  living.postMessage("go on");
  expect(await nextMessage(living)).toBe("closed");
  await expect(a.reclaimQueue(others[1])).rejects.toEqual(code("INVALID_ARGUMENT"));
  const own = a.openQueue();
  const queue = openQueue(bus, own);
  await expect(a.reclaimQueue(own)).rejects.toEqual(code("STATE"));
  queue.close();
  await rc.close();
});

test("a handle is opened once, on its own bus, and only what openQueue gave is one", async () => {
  const { bus, disk } = await twoQueues();
  const other = await createBus();
  const handle = disk.openQueue();
  expect(() => openQueue(other, handle)).toThrow(code("INVALID_ARGUMENT"));
  for (const wrong of [undefined, {}, { parts: {} }, 5]) {
    expect(() => openQueue(bus, wrong as never)).toThrow(code("INVALID_ARGUMENT"));
    await expect(disk.reclaimQueue(wrong as never)).rejects.toEqual(code("INVALID_ARGUMENT"));
  }
  const queue = openQueue(bus, handle);
  expect(() => openQueue(bus, handle)).toThrow(code("STATE"));
  const buffer = queue.allocate(4096);
  expect(() => queue.free(buffer.subarray(0, 512))).toThrow(code("INVALID_ARGUMENT"));
  queue.free(buffer);
  queue.close();
  queue.close();
  other.close();
});

test("a handle that comes back unopened leaves the rings where they were", async () => {
  const { bus, disk } = await twoQueues();
  const view = openBus(bus.handle);
  const used = openQueue(view, disk.openQueue());
  for (let turn = 0; turn < 5; turn++) used.writeSync(pattern(512), 0);
  used.close();
  await disk.reclaimQueue(disk.openQueue());
  const next = openQueue(view, disk.openQueue());
  for (let turn = 0; turn < 40; turn++) next.readSync(sector(), 0);
  next.close();
  view.close();
});

test("a disk whose endpoint is gone for good is closed, with the queues that had something in flight", async () => {
  const bus = await createBus();
  const data: EndpointThreadData = { bus: bus.handle, path: makeImage(pattern(65536)), queues: 2 };
  const worker = await startThread("./endpoint-thread.ts", data);
  await nextMessage(worker);
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("a", { queues: 2, numDescriptors: 16 });
  const view = openBus(bus.handle);
  const queue = openQueue(view, disk.openQueue());
  await queue.read(sector(), 0);
  await worker.terminate();
  await expect(queue.read(sector(), 0)).rejects.toEqual(code("OFFLINE"));
  queue.close();
  await rc.close();
  // What it left behind is nobody's before an endpoint has said so; another one does.
  const next = await startThread("./endpoint-thread.ts", data);
  await nextMessage(next);
  const again = await RootComplex.probe(bus);
  await (await again.attach("a", { queues: 2, numDescriptors: 16 })).read(sector(), 0);
  await again.close();
  next.postMessage("stop" satisfies Ending);
}, 60_000);

test("who waits for his disk to be online again is not ended for want of anything else to do", async () => {
  const { bus, endpoint, disk } = await twoQueues();
  const script = `
    const { workerData, parentPort } = require("node:worker_threads");
    import(workerData.blockpt).then(async ({ openBus, openQueue }) => {
      const queue = openQueue(openBus(workerData.bus), workerData.queue);
      const read = () => queue.read(new Uint8Array(512), 0);
      await read();
      parentPort.postMessage("read");
      for (let isThere = true; isThere; ) await read().catch(() => (isThere = false));
      await queue.whenOnline();
      await read();
      parentPort.postMessage("read again");
      queue.close();
    });`;
  const worker = new Worker(script, {
    eval: true,
    workerData: {
      bus: bus.handle,
      queue: disk.openQueue(),
      blockpt: new URL("../../dist/index.js", import.meta.url).href,
    },
  });
  expect(await nextMessage(worker)).toBe("read");
  await endpoint.stop();
  const exit = new Promise((resolve) => worker.once("exit", resolve));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const again = nextMessage(worker);
  await endpoint.start();
  expect(await again).toBe("read again");
  expect(await exit).toBe(0);
});

test("of endpoints that start at once on a bus one gets it", async () => {
  const bus = await createBus();
  const endpoints = await Promise.all(
    ["x", "y", "z"].map((controller) => Endpoint.create(bus, { controller })),
  );
  for (let round = 0; round < 20; round++) {
    const results = await Promise.allSettled(endpoints.map((endpoint) => endpoint.start()));
    const started = results.filter(({ status }) => status === "fulfilled");
    expect(started.length).toBe(1);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toEqual(code("STATE"));
    }
    await endpoints.find((endpoint) => endpoint.started)?.stop();
  }
  const closed = endpoints[0] as Endpoint;
  const starting = closed.start();
  await closed.close();
  await expect(starting).rejects.toEqual(code("STATE"));
  await expect(closed.start()).rejects.toEqual(code("STATE"));
  // It left the link to the others.
  await endpoints[1]?.start();
  await endpoints[1]?.close();
});

test("a queue that the endpoint refuses leaves none of the others behind", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("a", MemoryDisc.create(bus, 65536), { queues: 2 });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  // The endpoint finds the second queue's descriptors out of range.
  const bar = bus.barView();
  const spoil = setInterval(() => {
    if (bar.getUint8(Register.qidx) === 1) bar.setUint32(Register.numDesc, 3, true);
  }, 0);
  const results: unknown[] = [];
  for (let attempt = 0; attempt < 20; attempt++) {
    const attached = await rc
      .attach("a", { queues: 2, numDescriptors: 16 })
      .catch((error) => error);
    results.push(attached.code);
    if (attached.code === undefined) await rc.detach("a");
  }
  clearInterval(spoil);
  const disk = await rc.attach("a", { queues: 2, numDescriptors: 1024 });
  await disk.read(sector(), 0);
  await rc.close();
});
