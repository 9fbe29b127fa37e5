// An endpoint and a root complex on one bus, for tests; everything is closed after the test.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Bus,
  type BusOptions,
  createBus,
  Endpoint,
  type EndpointOptions,
  type QueueStopped,
} from "blockpt";
import { afterEach } from "vitest";

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Has something undone after the test. */
export function afterThisTest(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}

/** A bus, and an endpoint that is not started. */
export async function makeEndpoint(
  busOptions: BusOptions = {},
  options: Partial<EndpointOptions> = {},
): Promise<{ bus: Bus; endpoint: Endpoint; log: string[]; stopped: QueueStopped[] }> {
  const bus = await createBus({ hostMemoryBytes: 4 * 1024 * 1024, ...busOptions });
  const log: string[] = [];
  const stopped: QueueStopped[] = [];
  const endpoint = await Endpoint.create(bus, {
    controller: "44100000.pcie",
    log: (line) => log.push(line),
    onQueueStopped: (report) => stopped.push(report),
    ...options,
  });
  afterThisTest(() => endpoint.close());
  return { bus, endpoint, log, stopped };
}

/** An image file in a folder of its own. */
export function makeImage(bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "blockpt-test-"));
  afterThisTest(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "disk.img");
  writeFileSync(path, bytes);
  return path;
}

/** Bytes in which every sector is another. */
export function pattern(lenBytes: number, seed = 1): Uint8Array {
  const words = new Uint32Array(lenBytes / 4);
  let state = seed;
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[index] = state;
  }
  return new Uint8Array(words.buffer);
}

/** Waits until something holds; fails with `what` after five seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within 5 s: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
