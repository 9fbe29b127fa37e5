// Requests with a callback at their end: `disk.submit(bio)`.

import { Bio, MemoryDisc, RootComplex } from "blockpt";
import { DescriptorFlag, Operation } from "blockpt/abi";
import { expect, test } from "vitest";
import { makeEndpoint, pattern } from "./rig.js";

const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });

async function attach(readOnly = false) {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536), { readOnly });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  return { endpoint, disk: await rc.attach("ram0") };
}

function bioOf(opf: number, startSector: number, buffer?: Uint8Array): Bio {
  const bio = new Bio();
  return Object.assign(bio, { opf, startSector, buffer, lenBytes: buffer?.length ?? 0 });
}

/** Submits a bio, and waits for its end. */
function ended(disk: { submit(bio: Bio): void }, bio: Bio): Promise<Bio> {
  return new Promise((resolve) => {
    bio.onEnd = resolve;
    disk.submit(bio);
  });
}

test("what is written with a callback is read with one, in buffers of any memory", async () => {
  const { disk } = await attach();
  const inPlace = disk.allocate(8192);
  inPlace.set(pattern(8192));
  const write = bioOf(Operation.WRITE, 16, inPlace);
  write.flags = DescriptorFlag.FUA;
  expect(write.hasEnded).toBe(true);
  expect((await ended(disk, write)).error).toBeUndefined();
  const back = new Uint8Array(8192);
  expect((await ended(disk, bioOf(Operation.READ, 16, back))).error).toBeUndefined();
  expect(back).toEqual(pattern(8192));
  expect((await ended(disk, bioOf(Operation.FLUSH, 0))).error).toBeUndefined();
  const zeroes = Object.assign(bioOf(Operation.WRITE_ZEROES, 16), { lenBytes: 4096 });
  expect((await ended(disk, zeroes)).error).toBeUndefined();
  await disk.read(back, 8192);
  expect(back).toEqual(pattern(8192).fill(0, 0, 4096));
});

test("a bio is submitted again at its end, and not before", async () => {
  const { disk } = await attach();
  const bio = bioOf(Operation.READ, 0, new Uint8Array(512));
  let rounds = 0;
  await new Promise<void>((resolve) => {
    bio.onEnd = () => {
      if (++rounds === 100) resolve();
      else disk.submit(bio);
    };
    disk.submit(bio);
    expect(bio.hasEnded).toBe(false);
    expect(() => disk.submit(bio)).toThrow(code("BUSY"));
  });
  expect(rounds).toBe(100);
});

test.each([
  ["an operation that there is not", "INVALID_ARGUMENT", () => bioOf(99, 0, new Uint8Array(512))],
  [
    "a read without a buffer",
    "INVALID_ARGUMENT",
    () => Object.assign(bioOf(0, 0), { lenBytes: 512 }),
  ],
  [
    "a buffer that is too short",
    "INVALID_ARGUMENT",
    () => Object.assign(bioOf(0, 0, new Uint8Array(512)), { lenBytes: 1024 }),
  ],
  ["no bytes", "INVALID_ARGUMENT", () => bioOf(Operation.WRITE, 0, new Uint8Array(0))],
  ["a flush of bytes", "INVALID_ARGUMENT", () => bioOf(Operation.FLUSH, 0, new Uint8Array(512))],
  [
    "FUA on a read",
    "INVALID_ARGUMENT",
    () => Object.assign(bioOf(0, 0, new Uint8Array(512)), { flags: DescriptorFlag.FUA }),
  ],
  [
    "another kind of array",
    "INVALID_ARGUMENT",
    () => bioOf(0, 0, new Uint16Array(512) as unknown as Uint8Array),
  ],
  ["half a block", "UNALIGNED", () => bioOf(0, 0, new Uint8Array(256))],
  ["half a sector further", "UNALIGNED", () => bioOf(0, 0.5, new Uint8Array(512))],
  ["what is past the end", "OUT_OF_RANGE", () => bioOf(0, 127, new Uint8Array(1024))],
  ["a write", "READ_ONLY", () => bioOf(Operation.WRITE, 0, new Uint8Array(512))],
] as const)("%s: %s, and nothing is submitted", async (_, name, make) => {
  const { disk } = await attach(true);
  const bio = make();
  expect(() => disk.submit(bio)).toThrow(code(name));
  expect([bio.hasEnded, disk.inFlight]).toEqual([true, 0]);
  expect((await ended(disk, bioOf(Operation.READ, 0, new Uint8Array(512)))).error).toBeUndefined();
});

test("a bio that is in flight when the endpoint goes ends with its error", async () => {
  const { disk, endpoint } = await attach();
  await endpoint.stop();
  let error: Bio["error"];
  try {
    ({ error } = await ended(disk, bioOf(Operation.READ, 0, new Uint8Array(512))));
  } catch (thrown) {
    error = thrown as Bio["error"];
  }
  expect(error).toEqual(code("OFFLINE"));
});
