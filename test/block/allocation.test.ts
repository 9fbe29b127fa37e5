// The hot path allocates nothing: not for a request, not for its way to the driver and back.

import { PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Bio, GenDisk, type Operations, type Request, TagSet } from "blockpt";
import { BlkStatus, Operation } from "blockpt/abi";
import { expect, test } from "vitest";
import { makeBio } from "./model-driver.js";

const BATCH = 32;
const WARM_UP = 100_000;
const REQUESTS = 1_000_000;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

const ATTEMPTS = 5;

interface Allocated {
  /** For each run. */
  bytes: number;
  /** Collections meanwhile. */
  gcs: number;
}

/**
 * How much a million runs allocate. While nothing is collected the heap grows by just that. The
 * median of five: a compiler that is at work in one of them allocates and frees, too.
 */
async function allocated(run: (count: number) => void): Promise<Allocated> {
  const attempts: Allocated[] = [];
  while (attempts.length < ATTEMPTS) attempts.push(await measure(run));
  attempts.sort((one, other) => one.gcs - other.gcs || one.bytes - other.bytes);
  return attempts[(ATTEMPTS - 1) / 2] as Allocated;
}

async function measure(run: (count: number) => void): Promise<Allocated> {
  run(WARM_UP);
  let gcs = 0;
  const observer = new PerformanceObserver((list) => {
    gcs += list.getEntries().length;
  });
  gc();
  await new Promise((resolve) => setImmediate(resolve));
  observer.observe({ entryTypes: ["gc"] });
  const before = process.memoryUsage().heapUsed;
  run(REQUESTS);
  const bytes = (process.memoryUsage().heapUsed - before) / REQUESTS;
  await new Promise((resolve) => setTimeout(resolve, 1));
  observer.disconnect();
  return { bytes, gcs };
}

/** Does nothing, at once or when it is looked at. */
class NullDriver implements Operations {
  readonly #taken: Request[] = [];
  readonly #isInline: boolean;

  constructor(isInline: boolean) {
    this.#isInline = isInline;
  }

  queueRq(request: Request): number {
    if (this.#isInline) request.complete(BlkStatus.OK);
    else this.#taken.push(request);
    return BlkStatus.OK;
  }

  commitRqs(): void {}

  complete(): void {}

  timeout(): boolean {
    return true;
  }

  poll(): number {
    const count = this.#taken.length;
    for (let index = 0; index < count; index++) this.#taken.pop()?.complete(BlkStatus.OK);
    return count;
  }
}

test.each([
  ["at once", true, 64, 8],
  ["when it is looked at", false, 64, 8],
  ["when it is looked at, with a quarter of the tags", false, 8, 8],
  ["when it is looked at, and all of a batch are one request", false, 64, 1],
] as const)("a million requests that a driver ends %s", async (_how, isInline, depth, stride) => {
  const driver = new NullDriver(isInline);
  const options = { name: "null0", limits: { sectors: 65536 }, unplugLater: () => {} };
  const disk = new GenDisk(new TagSet(1, depth), driver, options).add();
  let ends = 0;
  const onEnd = (_bio: Bio) => {
    ends++;
  };
  const bios = Array.from({ length: BATCH }, (_, index) =>
    makeBio(Operation.READ, index * stride, 512, onEnd),
  );
  const { bytes, gcs } = await allocated((count) => {
    for (let done = 0; done < count; done += BATCH) {
      for (let index = 0; index < BATCH; index++) disk.submit(bios[index] as Bio);
      while (disk.inFlight > 0) {
        disk.unplug();
        driver.poll();
      }
    }
  });
  disk.remove();
  expect(ends).toBe(ATTEMPTS * (WARM_UP + REQUESTS));
  expect(gcs).toBe(0);
  expect(bytes).toBeLessThan(1);
});

test("the measure sees an object of two numbers", async () => {
  let last: object = {};
  const { bytes } = await allocated((count) => {
    // Of so few that none is collected.
    for (let done = 0; done < count; done += 64) last = { done, count };
  });
  expect(last).toBeDefined();
  expect(bytes * 64).toBeGreaterThan(16);
});
