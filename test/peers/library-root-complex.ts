/**
 * Owns the library's root complex as the tests of it have one: on a bus with a
 * foreign endpoint, whose violations of the page must be none when the test is over.
 */

import { BlockptError, createBus, type RootComplex } from "blockpt";
import { expect } from "vitest";
import { afterTest } from "./cleanup.js";
import { type ForeignDisc, ForeignEndpoint, type ForeignOptions } from "./foreign-endpoint.js";
import type { Bus, Engine } from "./library-endpoint.js";
import { pattern, until, within } from "./protocol.js";

export type Disk = Awaited<ReturnType<RootComplex["attach"]>>;

/** What the promise was rejected with, which must be a BlockptError. */
export async function refusal(what: string, promise: Promise<unknown>): Promise<BlockptError> {
  const outcome = await within(
    what,
    promise.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  if (outcome instanceof BlockptError) return outcome;
  throw new Error(`${what}: expected a BlockptError, got ${String(outcome)}`);
}

export const memory = (
  name: string,
  bytes: number,
  more: Partial<ForeignDisc> = {},
): ForeignDisc => {
  return { name, data: pattern(bytes, name.length), ...more };
};

/** A foreign endpoint on this bus, serving. */
export function serveOn(
  bus: Bus,
  discs: readonly ForeignDisc[],
  options: ForeignOptions = {},
): ForeignEndpoint {
  const endpoint = new ForeignEndpoint(bus.buffer, bus.bar, bus.hostMemory, discs, options);
  endpoint.start();
  afterTest(async () => {
    endpoint.stop();
    expect(endpoint.violations).toEqual([]);
  });
  return endpoint;
}

/** A bus with a foreign endpoint on it, serving. */
export async function serve(
  engine: Engine,
  discs: readonly ForeignDisc[],
  options: ForeignOptions = {},
): Promise<{ bus: Bus; endpoint: ForeignEndpoint }> {
  const bus = await createBus({ hostMemoryBytes: 16 << 20, barBytes: 128 * 1024, engine });
  return { bus, endpoint: serveOn(bus, discs, options) };
}

/** Attaches until the test is over; a test may detach by itself. */
export async function attach(
  rc: RootComplex,
  name: string,
  options: Parameters<RootComplex["attach"]>[1] = {},
): Promise<Disk> {
  const disk = await within(`attaching ${name}`, rc.attach(name, options));
  afterTest(() => rc.detach(name).catch(() => undefined));
  return disk;
}

export async function read(disk: Disk, length: number, offset: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await within(`reading ${length} at ${offset}`, disk.read(bytes, offset));
  return bytes;
}

export const held = (endpoint: ForeignEndpoint, count: number): Promise<unknown> =>
  until(`${count} requests at the endpoint`, () => endpoint.held.length >= count);
