// Vectors of sections 3 and 4: what a descriptor is answered with, and what it moves.

import { DescriptorFlag, MAX_LEN_BYTES, SECTOR_BYTES } from "../../../abi/layout.js";
import type { ConformanceVector, DescriptorStep, Step } from "../vector.js";
import { answered, started } from "./steps.js";

type Fields = Omit<DescriptorStep["descriptor"], "index" | "queue">;

/** Each of these is answered INVAL, as a read and as a write, and then the queue goes on. */
const invalid = (clause: string, ...fields: Fields[]): ConformanceVector => ({
  section: "3",
  clause,
  steps: [
    ...started(),
    ...fields.flatMap((each) =>
      (["READ", "WRITE"] as const).flatMap((operation) =>
        answered("INVAL", { operation, ...each }),
      ),
    ),
    ...answered("OK"),
  ],
});

const vector = (
  clause: string,
  steps: readonly Step[],
  more: Partial<ConformanceVector> = {},
): ConformanceVector => ({ section: "3", clause, steps, ...more });

export const DESCRIPTORS: readonly ConformanceVector[] = [
  vector("What was written is read.", [
    ...started(),
    { fill: { at: "host", lenBytes: 4096, seed: 5 } },
    ...answered("OK", { operation: "WRITE", startSector: 7, lenBytes: 4096 }),
    ...answered("OK", { startSector: 7, lenBytes: 4096, address: "host + 8192" }),
    { holds: { at: "host + 8192", lenBytes: 4096, seed: 5 } },
  ]),
  vector("The last sector, and the last bytes of host memory, are in reach.", [
    ...started(),
    { fill: { at: "host.end - 512", lenBytes: SECTOR_BYTES, seed: 6 } },
    ...answered("OK", {
      operation: "WRITE",
      startSector: "sectors - 1",
      address: "host.end - 512",
    }),
    { fill: { at: "host.end - 512", lenBytes: SECTOR_BYTES, seed: 7 } },
    ...answered("OK", { startSector: "sectors - 1", address: "host.end - 512" }),
    { holds: { at: "host.end - 512", lenBytes: SECTOR_BYTES, seed: 6 } },
  ]),
  vector("A descriptor moves up to 1 MiB.", [
    ...started(),
    { fill: { at: "host", lenBytes: MAX_LEN_BYTES, seed: 8 } },
    ...answered("OK", { operation: "WRITE", lenBytes: MAX_LEN_BYTES }),
    { fill: { at: "host", lenBytes: MAX_LEN_BYTES, seed: 9 } },
    ...answered("OK", { lenBytes: MAX_LEN_BYTES }),
    { holds: { at: "host", lenBytes: MAX_LEN_BYTES, seed: 8 } },
  ]),
  vector("Data may lie at any byte of host memory.", [
    ...started(),
    { fill: { at: "host + 4097", lenBytes: 1024, seed: 10 } },
    ...answered("OK", { operation: "WRITE", lenBytes: 1024, address: "host + 4097" }),
    ...answered("OK", { lenBytes: 1024, address: "host + 8195" }),
    { holds: { at: "host + 8195", lenBytes: 1024, seed: 10 } },
  ]),
  invalid(
    "A descriptor that is not in use is answered INVAL.",
    { flags: 0 },
    { flags: 0xff & ~DescriptorFlag.IN_USE },
  ),
  vector("An opf that nobody knows is answered NOTSUPP.", [
    ...started(),
    ...[4, 7, 8, 10, 77, 255].flatMap((operation) => answered("NOTSUPP", { operation })),
    ...answered("OK"),
  ]),
  vector("FLUSH, DISCARD, WRITE_ZEROES and FUA are answered NOTSUPP unless they are enabled.", [
    ...started({ extEnabled: 0 }),
    ...answered("NOTSUPP", { operation: "FLUSH", lenBytes: 0 }),
    ...answered("NOTSUPP", { operation: "DISCARD" }),
    ...answered("NOTSUPP", { operation: "WRITE_ZEROES" }),
    ...answered("NOTSUPP", {
      operation: "WRITE",
      flags: DescriptorFlag.IN_USE | DescriptorFlag.FUA,
    }),
    ...answered("OK"),
  ]),
  invalid(
    "A len of 0, or that is no multiple of 512, or above 1 MiB is answered INVAL.",
    { lenBytes: 0 },
    { lenBytes: 1 },
    { lenBytes: 511 },
    { lenBytes: 513 },
    { lenBytes: MAX_LEN_BYTES + SECTOR_BYTES },
    { lenBytes: "2^32 - 512" },
    { lenBytes: "2^32 - 1" },
  ),
  invalid(
    "Sectors that are not on the disc are answered INVAL.",
    { startSector: "sectors" },
    { startSector: "sectors - 1", lenBytes: 1024 },
    { startSector: "2^32 - 1" },
    { startSector: "2^53" },
    { startSector: "2^55" },
    { startSector: "2^64 - 1" },
    { startSector: "2^64 - 1", lenBytes: 1024 },
  ),
  invalid(
    "An address that is not host memory, all of it, is answered INVAL.",
    { address: 0 },
    { address: "host - 1" },
    { address: "host.end - 511" },
    { address: "host.end" },
    { address: "bar" },
    { address: "bar.end - 512" },
    { address: "host + 2^32" },
    { address: "2^32 - 1" },
    { address: "2^64 - 512" },
    { address: "2^64 - 1" },
  ),
  vector(
    "A write to a disc that may only be read is answered PROTECTION, and a read OK.",
    [...started(), ...answered("PROTECTION", { operation: "WRITE" }), ...answered("OK")],
    { section: "4", disc: "read-only" },
  ),
  vector("Checks come in their order: in use, opf, len, sectors, address.", [
    ...started(),
    ...answered("INVAL", { flags: 0, operation: 77, lenBytes: 0 }),
    ...answered("NOTSUPP", { operation: 77, lenBytes: 0, startSector: "2^64 - 1" }),
  ]),
  vector(
    "On a disc that may only be read sectors are checked before the write is refused, and that before the address.",
    [
      ...started(),
      ...answered("INVAL", { operation: "WRITE", startSector: "2^64 - 1" }),
      ...answered("INVAL", { operation: "WRITE", lenBytes: 0 }),
      ...answered("PROTECTION", { operation: "WRITE", address: "2^64 - 1" }),
    ],
    { disc: "read-only" },
  ),
  vector("A read that is refused writes nothing.", [
    ...started(),
    { fill: { at: "host.end - 1024", lenBytes: 1024, seed: 11 } },
    ...answered("INVAL", { address: "host.end - 511" }),
    ...answered("INVAL", { address: "host.end - 1024", startSector: "sectors", lenBytes: 1024 }),
    { holds: { at: "host.end - 1024", lenBytes: 1024, seed: 11 } },
  ]),
  vector("A write that is refused leaves the disc as it was.", [
    ...started(),
    { fill: { at: "host", lenBytes: 1024, seed: 12 } },
    ...answered("OK", { operation: "WRITE", startSector: "sectors - 2", lenBytes: 1024 }),
    { fill: { at: "host", lenBytes: 1024, seed: 13 } },
    ...answered("INVAL", { operation: "WRITE", startSector: "sectors - 1", lenBytes: 1024 }),
    ...answered("OK", { startSector: "sectors - 2", lenBytes: 1024 }),
    { holds: { at: "host", lenBytes: 1024, seed: 12 } },
  ]),
];
