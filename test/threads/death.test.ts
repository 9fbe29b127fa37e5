// Threads of the endpoint die at random points: what is in flight ends as OFFLINE, once; what was
// acknowledged is on the image; the disk comes back by itself, its queues and buffers still good.

import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import workerThreads, { type Worker, type WorkerOptions } from "node:worker_threads";
import { createBus, FileDisc, RootComplex } from "blockpt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, pattern, until } from "../api/rig.js";
import type { Ending, EndpointThreadData } from "./endpoint-thread.js";
import { Journal } from "./journal.js";
import type { SyncReaderData } from "./sync-reader.js";
import { nextMessage, startThread } from "./thread.js";

const BYTES = 1024 * 1024;
const QUEUE_ROUNDS = 160;
const ENDINGS: readonly (Ending | "terminate")[] = [
  "terminate",
  "process.exit",
  "exception",
  "stop",
];
const LANES = 8;
const LANE_ROUNDS = 5;

const code = (name: string) =>
  expect.objectContaining({ name: "BlockptError", code: `ERR_BLOCKPT_${name}` });

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("queue workers", () => {
  const RealWorker = workerThreads.Worker;
  /** The workers that the endpoint has started, and how those to come end by themselves. */
  let workers: Worker[] = [];
  let ending: ((loads: number) => string) | undefined;

  beforeAll(() => {
    class QueueWorker extends RealWorker {
      constructor(file: string | URL, options?: WorkerOptions) {
        // Its own code, after it was told to end at so many looks at a word.
        const script = `
          const load = Atomics.load;
          let loads = 0;
          Atomics.load = (words, index) => { loads++; ${ending?.(0) ?? ""}; return load(words, index); };
          await import(${JSON.stringify(String(file))});`;
        const url = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
        super(ending === undefined ? file : url, options);
        workers.push(this);
      }
    }
    workerThreads.Worker = QueueWorker;
    syncBuiltinESMExports();
  });

  afterAll(() => {
    workerThreads.Worker = RealWorker;
    syncBuiltinESMExports();
  });

  test.each([
    ["by terminate()", undefined],
    ["by process.exit()", (at: number) => `if (loads === ${at}) process.exit(3)`],
    ["by an exception", (at: number) => `if (loads === ${at}) throw new Error("on purpose")`],
  ] as const)(
    "die %s, and lose nothing",
    async (_, script) => {
      const path = makeImage(new Uint8Array(BYTES));
      const { bus, endpoint, stopped } = await makeEndpoint({ iommu: true });
      await endpoint.exportDisc("a", await FileDisc.open(path), { queues: 2 });
      await endpoint.start();
      workers = [];
      let offline = 0;
      const rc = await RootComplex.probe(bus);
      const disk = await rc.attach("a", {
        queues: 2,
        numDescriptors: 64,
        onOffline: () => offline++,
      });
      const buffer = disk.allocate(4096);
      const journal = new Journal(disk);
      const rounds = Math.ceil(QUEUE_ROUNDS / 3);
      for (let round = 1; round <= rounds; round++) {
        // The next workers end by themselves; these, at a random moment.
        ending =
          script === undefined
            ? undefined
            : () => script(2000 + Math.floor(Math.random() * 20_000));
        const running = journal.run(16);
        await pause(Math.random() * 10);
        await workers.at(-1)?.terminate();
        if (Math.random() < 0.5) await workers.at(-2)?.terminate();
        await until("the disk has noticed", () => offline >= round || !disk.online);
        journal.stop();
        await running;
        journal.check(readFileSync(path));
        ending = undefined;
        while (!(await isBack())) await pause(1);
      }
      expect([...journal.failures.keys()]).toEqual(["ERR_BLOCKPT_OFFLINE"]);
      expect(stopped.length).toBeGreaterThanOrEqual(rounds);
      // A buffer from before is still good, and mapped only while it is read.
      await disk.read(buffer, 0);
      expect(Buffer.from(buffer).equals(readFileSync(path).subarray(0, 4096))).toBe(true);
      expect(bus.iommu?.isMapped(buffer.byteOffset, 4096)).toBe(false);
      disk.free(buffer);
      await rc.close();

      async function isBack(): Promise<boolean> {
        try {
          await disk.whenOnline();
          await disk.read(new Uint8Array(512), 0);
          return true;
        } catch (error) {
          expect(error).toEqual(code("OFFLINE"));
          return false;
        }
      }
    },
    120_000,
  );
});

describe("endpoints", () => {
  test("die with their thread, in whatever way, and another takes over", async () => {
    const lane = async (index: number): Promise<void> => {
      const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
      const path = makeImage(new Uint8Array(BYTES));
      const data: EndpointThreadData = { bus: bus.handle, path, queues: 2 };
      let worker = await startThread("./endpoint-thread.ts", data);
      await nextMessage(worker);
      const rc = await RootComplex.probe(bus);
      let onlines = 0;
      const disk = await rc.attach("a", {
        queues: 2,
        numDescriptors: 32,
        onOnline: () => onlines++,
      });
      const journal = new Journal(disk);
      for (let round = 1; round <= LANE_ROUNDS; round++) {
        const running = journal.run(8);
        await pause(Math.random() * 200);
        const how = ENDINGS[(index + round) % ENDINGS.length] ?? "stop";
        worker.on("error", () => {});
        if (how === "terminate") void worker.terminate();
        else worker.postMessage(how);
        // Every request ends without its time-out, which is 30 s.
        await running;
        journal.check(readFileSync(path));
        worker = await startThread("./endpoint-thread.ts", data);
        await nextMessage(worker);
        await disk.whenOnline();
        expect(onlines).toBe(round);
      }
      const last = journal.run(8);
      await pause(50);
      journal.stop();
      await last;
      journal.check(readFileSync(path));
      expect([...journal.failures.keys()]).toEqual(["ERR_BLOCKPT_OFFLINE"]);
      await rc.close();
      worker.postMessage("stop" satisfies Ending);
    };
    await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
  }, 120_000);

  test("are missed by a thread that waits in a call, and found again by the same queue", async () => {
    const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024 });
    const path = makeImage(pattern(BYTES));
    const data: EndpointThreadData = { bus: bus.handle, path, queues: 2 };
    const worker = await startThread("./endpoint-thread.ts", data);
    await nextMessage(worker);
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("a", { queues: 2, numDescriptors: 32 });
    const readerData: SyncReaderData = { bus: bus.handle, queue: disk.openQueue() };
    const reader = await startThread("./sync-reader.ts", readerData);
    expect(await nextMessage(reader)).toBe("reading");
    await pause(20);
    await worker.terminate();
    expect(await nextMessage(reader)).toBe("ERR_BLOCKPT_OFFLINE");
    const again = await startThread("./endpoint-thread.ts", data);
    expect(await nextMessage(again)).toBe("started");
    expect(await nextMessage(reader)).toBe("read again");
    await until("the queue is closed", () => {
      try {
        disk.openQueue();
        return true;
      } catch {
        return false;
      }
    });
    again.postMessage("stop" satisfies Ending);
    afterThisTest(() => bus.close());
  }, 60_000);

  test("that live are not taken over", async () => {
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.start();
    const data: EndpointThreadData = { bus: bus.handle, path: makeImage(pattern(512)), queues: 1 };
    const worker = await startThread("./endpoint-thread.ts", data);
    const [error] = await new Promise<[Error]>((resolve) => {
      worker.on("error", (...args) => resolve(args as [Error]));
    });
    expect(error).toMatchObject({ code: "ERR_BLOCKPT_STATE" });
  });
});
