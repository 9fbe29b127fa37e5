// Every kind of fault, in front of every kind of disc, put there in either way and switched while the disk is attached.

import { type Bus, type Disc, type Endpoint, FaultyDisc, type RemoteDisk } from "blockpt";
import { describe, expect, test } from "vitest";
import { pattern } from "../api/rig.js";
import { attach, DISC_BYTES, INNER, type Inner, makeDisc, statusOf } from "./faulty-rig.js";

const SECTOR = 512;
const LENGTH = 8 * SECTOR;

interface Rig {
  disk: RemoteDisk;
  setFaults(faults: readonly string[]): Promise<void>;
  /** How often the first rule hit, and how many requests it saw. */
  counts(): readonly [hits: number | undefined, seen: number | undefined];
}

const WAYS: Readonly<
  Record<string, (inner: Inner, engine: "wasm" | "typescript") => Promise<Rig>>
> = {
  "a FaultyDisc": async (inner, engine) => {
    const make = async (bus: Bus): Promise<Disc> => FaultyDisc.create(await makeDisc(bus, inner));
    const { disk, disc } = await attach(make, { engine });
    const faulty = disc as FaultyDisc;
    return {
      disk,
      setFaults: async (faults) => faulty.setFaults(faults),
      counts: () => [faulty.faults[0]?.hits, faulty.faults[0]?.seen],
    };
  },
  "endpoint.setFaults": async (inner, engine) => {
    const { disk, endpoint } = await attach((bus) => makeDisc(bus, inner), { engine });
    return {
      disk,
      setFaults: (faults) => endpoint.setFaults("disc", faults),
      counts: () => countsOf(endpoint),
    };
  },
};

function countsOf(endpoint: Endpoint): readonly [number | undefined, number | undefined] {
  const [first] = endpoint.exported("disc").faults;
  return [first?.hits, first?.seen];
}

async function read(disk: RemoteDisk, offset = 0): Promise<Buffer> {
  const bytes = new Uint8Array(LENGTH);
  await disk.read(bytes, offset);
  return Buffer.from(bytes);
}

const cases = INNER.flatMap((inner) =>
  Object.keys(WAYS).flatMap((way) =>
    (["wasm", "typescript"] as const).map((engine) => [inner, way, engine] as const),
  ),
);

describe.each(cases)("in front of a disc of kind %s, by %s, engine %s", (inner, way, engine) => {
  test("every fault does what it says, and is gone when it is taken back", async () => {
    const { disk, setFaults, counts } = await (WAYS[way] as (typeof WAYS)[string])(inner, engine);
    const [one, two] = [1, 2].map((seed) => Buffer.from(pattern(LENGTH, seed))) as [Buffer, Buffer];
    await disk.write(one, 0);
    await disk.flush();

    await setFaults(["error=MEDIUM:read:sectors=4-5"]);
    expect(await statusOf(read(disk))).toBe("MEDIUM");
    expect(await statusOf(read(disk, 6 * SECTOR))).toBe("OK");
    expect(await statusOf(disk.write(one, 0))).toBe("OK");
    expect(counts()).toEqual([1, 1]);

    await setFaults(["error:write"]);
    expect(await statusOf(disk.write(two, 0))).toBe("IOERR");
    expect((await read(disk)).equals(one)).toBe(true);

    await setFaults(["torn=3:times=1", "torn=5:status=EIO:times=1"]);
    expect(await statusOf(disk.write(two, 0))).toBe("OK");
    expect(await read(disk)).toEqual(torn(one, two, 3));
    expect(await statusOf(disk.write(two, 0))).toBe("IOERR");
    expect(await read(disk)).toEqual(torn(one, two, 5));
    expect(await statusOf(disk.write(one, 0))).toBe("OK");

    await setFaults(["corrupt=3:times=1:seed=7"]);
    const spoilt = await read(disk);
    expect(differingBits(spoilt, one)).toBe(3);
    expect((await read(disk)).equals(one)).toBe(true);

    await setFaults(["delay=20ms:read", "error=NOSPC:flush"]);
    expect((await read(disk)).equals(one)).toBe(true);
    expect(await statusOf(disk.flush())).toBe("NOSPC");
    expect(counts()).toEqual([1, 1]);

    await setFaults(["stall=20ms:write"]);
    await disk.write(two, 0);
    await disk.write(one, 0);
    expect(counts()).toEqual([1, 2]);

    await setFaults(["lost-flush"]);
    await disk.flush();
    expect(counts()).toEqual([1, 1]);
    await disk.write(two, 0);
    expect(counts()).toEqual([1, 1]);
    await disk.write(two, 0, { fua: true });
    expect(counts()).toEqual([2, 2]);

    await setFaults([]);
    expect(counts()).toEqual([undefined, undefined]);
    expect((await read(disk)).equals(two)).toBe(true);
    await disk.flush();
    expect(disk.sizeBytes).toBe(DISC_BYTES);
  });
});

/** The first sectors of what was written, and the rest of what was there. */
function torn(before: Buffer, after: Buffer, sectors: number): Buffer {
  return Buffer.concat([after.subarray(0, sectors * SECTOR), before.subarray(sectors * SECTOR)]);
}

function differingBits(one: Buffer, other: Buffer): number {
  let bits = 0;
  for (const [index, byte] of one.entries()) {
    for (let rest = byte ^ (other[index] as number); rest !== 0; rest &= rest - 1) bits++;
  }
  return bits;
}
