// Discs with faults, attached, for tests.

import {
  type Bus,
  type Disc,
  type DiscHandle,
  type Endpoint,
  type EngineChoice,
  FileDisc,
  MemoryDisc,
  ModuleDisc,
  NbdDisc,
  PartitionDisc,
  type RemoteDisk,
  RootComplex,
} from "blockpt";
import { BlkStatus, nameOf } from "blockpt/abi";
import { afterThisTest, makeEndpoint, makeImage } from "../api/rig.js";
import { attachAll, listen } from "../nbd/embedded.js";
import { AT_ONCE } from "./modules.js";

export const DISC_BYTES = 1024 * 1024;

/** What the faults are in front of. */
export const INNER = [
  "memory",
  "file",
  "partition",
  "nbd",
  "module",
] as const satisfies DiscHandle["kind"][];
export type Inner = (typeof INNER)[number];

/** A disc of zeros, of `DISC_BYTES` (a partition of one of somewhat more). */
export async function makeDisc(bus: Bus, inner: Inner): Promise<Disc> {
  switch (inner) {
    case "memory":
      return MemoryDisc.create(bus, DISC_BYTES);
    case "file":
      return FileDisc.open(makeImage(new Uint8Array(DISC_BYTES)));
    case "partition":
      return PartitionDisc.open(await FileDisc.open(makeImage(partitioned())), 1);
    case "nbd":
      return NbdDisc.open(await serveZeros());
    case "module":
      return ModuleDisc.open(AT_ONCE, { data: new SharedArrayBuffer(DISC_BYTES) });
  }
}

/** An image with an MBR, and one partition of `DISC_BYTES` from sector 64 on. */
export function partitioned(): Uint8Array {
  const image = new Uint8Array(DISC_BYTES + 64 * 512);
  const table = new DataView(image.buffer, 446);
  table.setUint8(4, 0x83);
  table.setUint32(8, 64, true);
  table.setUint32(12, DISC_BYTES / 512, true);
  table.setUint16(64, 0xaa55, true);
  return image;
}

/** Zeros on an NBD server, which is ours; gives the URI. */
async function serveZeros(): Promise<string> {
  const { disk } = await attachAll({ zeros: (bus) => MemoryDisc.create(bus, DISC_BYTES) });
  const server = await listen([{ name: "zeros", disk }]);
  return server.uri("zeros");
}

/** A disc that is exported as `disc`, and attached. */
export async function attach(
  make: (bus: Bus) => Disc | Promise<Disc>,
  options: { engine?: EngineChoice; queues?: number } = {},
): Promise<{ bus: Bus; endpoint: Endpoint; rc: RootComplex; disk: RemoteDisk; disc: Disc }> {
  const { engine, queues = 1 } = options;
  const { bus, endpoint } = await makeEndpoint({ engine });
  const disc = await make(bus);
  await endpoint.exportDisc("disc", disc, { queues });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  afterThisTest(() => rc.close());
  const disk = await rc.attach("disc", { queues, numDescriptors: 64 });
  return { bus, endpoint, rc, disk, disc };
}

/** The status that requests end with, 0 for OK, by the names of `BlkStatus`. */
export function statusOf(request: Promise<unknown>): Promise<string> {
  const name = (status: number): string => nameOf(BlkStatus, status) ?? String(status);
  return request.then(
    () => "OK",
    (error: { blkStatus?: number; code?: string }) =>
      error.blkStatus === undefined ? String(error.code) : name(error.blkStatus),
  );
}
