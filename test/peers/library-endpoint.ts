/**
 * Owns the library's endpoint as the tests of it have one: on a bus of its own,
 * with discs in memory and in scratch files, found by a foreign root complex.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBus, Endpoint, FileDisc, MemoryDisc } from "blockpt";
import { afterTest } from "./cleanup.js";
import { ForeignRootComplex } from "./foreign-root-complex.js";
import { within } from "./protocol.js";

export type Bus = Awaited<ReturnType<typeof createBus>>;
export type Engine = "wasm" | "typescript";
export type ExportAll = (endpoint: Endpoint, bus: Bus) => Promise<unknown>;

export const VECTORS = 64;
export const RAM_BYTES = 1 << 20;

export async function scratchFile(bytes: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "blockpt-peer-"));
  afterTest(() => rm(folder, { recursive: true }));
  const path = join(folder, "disc.img");
  await writeFile(path, bytes);
  return path;
}

export async function fileDisc(
  path: string,
  options: { readOnly?: boolean } = {},
): Promise<FileDisc> {
  return await within("FileDisc.open", FileDisc.open(path, options));
}

/** Exports a disc in memory. */
export const ram: ExportAll = (endpoint, bus) =>
  endpoint.exportDisc("ram0", MemoryDisc.create(bus, RAM_BYTES), { discName: "/dev/ram0" });

/** An endpoint that is not started, and its bus. */
export async function libraryEndpoint(
  engine: Engine,
  barBytes = 128 * 1024,
): Promise<{ bus: Bus; endpoint: Endpoint }> {
  const bus = await createBus({ hostMemoryBytes: 24 << 20, barBytes, engine });
  const endpoint = await within(
    "Endpoint.create",
    Endpoint.create(bus, {
      controller: "44100000.pcie",
      vendorId: 0,
      deviceId: 0xc402,
      msixInterrupts: VECTORS,
    }),
  );
  afterTest(() => endpoint.close());
  return { bus, endpoint };
}

/** An endpoint with what `exportAll` exports, and a foreign RC that found it. */
export async function connectTo(
  engine: Engine,
  exportAll: ExportAll,
  barBytes?: number,
): Promise<{ rc: ForeignRootComplex; bus: Bus; endpoint: Endpoint }> {
  const { bus, endpoint } = await libraryEndpoint(engine, barBytes);
  await within("exporting", exportAll(endpoint, bus));
  await within("Endpoint.start", endpoint.start());
  const regions = [bus.hostMemory, bus.bar];
  const rc = await ForeignRootComplex.find(bus.buffer, regions, bus.hostMemory);
  return { rc, bus, endpoint };
}
