// Which requests a fault befalls: by operation, range and count, by chance that a seed repeats, in several threads,
// and through discs on discs.

import {
  createBus,
  FaultyDisc,
  FileDisc,
  MemoryDisc,
  openBus,
  openQueue,
  PartitionDisc,
  type RemoteDisk,
} from "blockpt";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, until } from "../api/rig.js";
import { attach, DISC_BYTES, partitioned, statusOf } from "./faulty-rig.js";

const SECTOR = 512;
const COUNT = 24;

/** How many reads of one sector each end, one after the other: `-` well, `x` not. */
async function reads(disk: Pick<RemoteDisk, "read">, count = COUNT): Promise<string> {
  let result = "";
  for (let index = 0; index < count; index++) {
    const status = await statusOf(disk.read(new Uint8Array(SECTOR), 0));
    result += status === "OK" ? "-" : "x";
  }
  return result;
}

const inMemory = (bus: Parameters<typeof MemoryDisc.create>[0]) =>
  MemoryDisc.create(bus, DISC_BYTES);

describe("a fault befalls", () => {
  test.each([
    ["error", "xxxxxxxxxxxxxxxxxxxxxxxx"],
    ["error:every=5", "----x----x----x----x----"],
    ["error:after=20", "--------------------xxxx"],
    ["error:after=2:every=7", "--------x------x------x-"],
    ["error:after=2:every=7:times=2", "--------x------x--------"],
    ["error:times=3", "xxx---------------------"],
    ["error:write", "------------------------"],
    ["error:sectors=1-", "------------------------"],
    ["error:sectors=0", "xxxxxxxxxxxxxxxxxxxxxxxx"],
  ])("by %s these requests: %s", async (fault, befallen) => {
    const { disk, endpoint } = await attach(inMemory);
    await endpoint.setFaults("disc", [fault]);
    expect(await reads(disk)).toBe(befallen);
    const [report] = endpoint.exported("disc").faults;
    expect(report?.hits).toBe(befallen.replaceAll("-", "").length);
  });

  test("by chance the same requests with the same seed, others with another, and its share of many", async () => {
    const { disk, endpoint } = await attach(inMemory);
    const with_ = async (fault: string): Promise<string> => {
      await endpoint.setFaults("disc", [fault]);
      return reads(disk);
    };
    const first = await with_("error:probability=50%:seed=5");
    expect(first).toMatch(/x/);
    expect(first).toMatch(/-/);
    expect(await with_("error:probability=50%:seed=5")).toBe(first);
    expect(await with_("error:probability=50%:seed=6")).not.toBe(first);
    // Without a seed it is the rule's place.
    expect(await with_("error:probability=50%")).toBe(await with_("error:probability=0.5:seed=1"));

    await endpoint.setFaults("disc", ["error:probability=10%"]);
    const lost = (await reads(disk, 4000)).replaceAll("-", "").length;
    // More than eight standard deviations on each side; and the seed makes it the same each time.
    expect(lost).toBeGreaterThan(240);
    expect(lost).toBeLessThan(560);
  });

  test("requests that have a sector of its range, and no flush by it", async () => {
    const { disk, endpoint } = await attach(inMemory);
    await endpoint.setFaults("disc", ["error:sectors=8-15"]);
    const at = (sector: number, sectors: number): Promise<string> =>
      statusOf(disk.read(new Uint8Array(sectors * SECTOR), sector * SECTOR));
    expect(await at(0, 8)).toBe("OK");
    expect(await at(0, 9)).toBe("IOERR");
    expect(await at(15, 1)).toBe("IOERR");
    expect(await at(16, 8)).toBe("OK");
    expect(await at(0, 64)).toBe("IOERR");
    expect(await statusOf(disk.discard(8 * SECTOR, SECTOR))).toBe("IOERR");
    expect(await statusOf(disk.writeZeroes(7 * SECTOR, SECTOR))).toBe("OK");
    expect(await statusOf(disk.flush())).toBe("OK");
    expect(endpoint.exported("disc").faults[0]).toMatchObject({ seen: 4, hits: 4 });
  });

  test("nothing behind a rule that has decided", async () => {
    const { disk, endpoint } = await attach(inMemory);
    await endpoint.setFaults("disc", ["delay=1ms", "error=MEDIUM:every=2", "error=NOSPC:every=2"]);
    const statuses = [];
    for (let index = 0; index < 6; index++) {
      statuses.push(await statusOf(disk.read(new Uint8Array(SECTOR), 0)));
    }
    expect(statuses).toEqual(["OK", "MEDIUM", "NOSPC", "MEDIUM", "OK", "MEDIUM"]);
    const counts = endpoint.exported("disc").faults.map(({ seen, hits }) => [seen, hits]);
    expect(counts).toEqual([
      [6, 6],
      [6, 3],
      [3, 1],
    ]);
  });

  test("a random part of a torn write and random bits of a read, which a seed repeats", async () => {
    const { disk, endpoint } = await attach(inMemory);
    const once = async (seed: number): Promise<string> => {
      await disk.write(new Uint8Array(64 * SECTOR), 0);
      await endpoint.setFaults("disc", [`torn:seed=${seed}`, `corrupt=4:seed=${seed}`]);
      await disk.write(new Uint8Array(64 * SECTOR).fill(0xff), 0);
      const bytes = new Uint8Array(64 * SECTOR);
      await disk.read(bytes, 0);
      await endpoint.setFaults("disc", []);
      return Buffer.from(bytes).toString("base64");
    };
    const [first, again, other] = [await once(1), await once(1), await once(2)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});

describe("several queues", () => {
  test("count together, and every one obeys at once", async () => {
    const { bus, disk, endpoint } = await attach(inMemory, { queues: 3 });
    const others = [1, 2].map(() => {
      const view = openBus(bus.handle);
      const queue = openQueue(view, disk.openQueue());
      afterThisTest(() => {
        queue.close();
        view.close();
      });
      return queue;
    });
    await endpoint.setFaults("disc", ["error:read:every=10"]);
    const results = await Promise.all([disk, ...others].map((queue) => reads(queue, 500)));
    expect(results.join("").replaceAll("-", "").length).toBe(150);
    expect(endpoint.exported("disc").faults[0]).toMatchObject({ seen: 1500, hits: 150 });
    await endpoint.setFaults("disc", []);
    expect((await Promise.all([disk, ...others].map((queue) => reads(queue)))).join("")).toMatch(
      /^-+$/,
    );
  });

  test("all stand still in a stall", async () => {
    const { bus, disk, endpoint } = await attach(inMemory, { queues: 2 });
    const view = openBus(bus.handle);
    const second = openQueue(view, disk.openQueue());
    afterThisTest(() => {
      second.close();
      view.close();
    });
    // So long that nothing ends by itself here: what ends the stall is that the rules are replaced.
    await endpoint.setFaults("disc", ["stall=3600s:write"]);
    let ended = 0;
    const count = (): void => {
      ended++;
    };
    const write = disk.write(new Uint8Array(SECTOR), 0).then(count);
    await until("the stall has begun", () => endpoint.exported("disc").faults[0]?.hits === 1);
    const read = second.read(new Uint8Array(SECTOR), 0).then(count);
    await until("the read is on its way", () => {
      const queue = endpoint.inspect().discs[0]?.queues[1];
      return queue?.rings?.inFlight === 1;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ended).toBe(0);
    await endpoint.setFaults("disc", []);
    await Promise.all([write, read]);
    expect(ended).toBe(2);
  });
});

describe("discs on discs", () => {
  test("a partition of a faulty disc, a faulty partition, and a faulty disc in front of another", async () => {
    const below = FaultyDisc.create(await FileDisc.open(makeImage(partitioned())));
    const partition = await PartitionDisc.open(below, 1);
    const above = FaultyDisc.create(partition);
    const { disk, endpoint } = await attach(() => above);
    // One after the other: adjacent ones of a turn would become one.
    const at = async (...sectors: number[]): Promise<string[]> => {
      const statuses = [];
      for (const sector of sectors) {
        statuses.push(await statusOf(disk.read(new Uint8Array(SECTOR), sector * SECTOR)));
      }
      return statuses;
    };

    // Sector 64 of the disc is sector 0 of the partition.
    below.setFaults(["error=MEDIUM:sectors=64"]);
    above.setFaults(["error=NOSPC:sectors=1"]);
    await endpoint.setFaults("disc", ["error=TIMEOUT:sectors=2"]);
    expect(await at(0, 1, 2, 3)).toEqual(["MEDIUM", "NOSPC", "TIMEOUT", "OK"]);
    expect(endpoint.exported("disc").kind).toBe("faulty");
    await endpoint.setFaults("disc", []);
    below.setFaults([]);
    expect(await at(0, 1, 2)).toEqual(["OK", "NOSPC", "OK"]);
  });

  test("is what its inner disc is, and grows with it", async () => {
    const path = makeImage(new Uint8Array(DISC_BYTES));
    const inner = await FileDisc.open(path, { readOnly: true, logicalBlockBytes: 4096 });
    const disc = FaultyDisc.create(inner);
    expect(disc).toMatchObject({
      readOnly: true,
      logicalBlockBytes: 4096,
      sizeBytes: DISC_BYTES,
      features: inner.features,
    });
    disc.close();

    const writable = await FileDisc.open(path);
    const { disk, endpoint } = await attach(() => FaultyDisc.create(writable));
    await endpoint.resizeDisc("disc", 2 * DISC_BYTES);
    await until("the disk has grown", () => disk.sizeBytes === 2 * DISC_BYTES);
    await endpoint.setFaults("disc", ["delay=1ms"]);
    await disk.read(new Uint8Array(SECTOR), 2 * DISC_BYTES - SECTOR);
    await endpoint.resizeDisc("disc", DISC_BYTES);
    await until("the disk has shrunk", () => disk.sizeBytes === DISC_BYTES);
  });

  test("cannot be exported beside its inner disc", async () => {
    const { bus, endpoint } = await makeEndpoint();
    const inner = MemoryDisc.create(bus, DISC_BYTES);
    await endpoint.exportDisc("a", FaultyDisc.create(inner));
    await expect(endpoint.exportDisc("b", inner)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_EXISTS",
    });
  });
});

describe("what is refused", () => {
  test("is refused as a whole, and what was in force stays", async () => {
    const { disk, endpoint } = await attach(inMemory);
    await endpoint.setFaults("disc", ["error:read"]);
    const refusals = [["delay=1ms", "eror"], Array(33).fill("error"), "error"] as string[][];
    for (const faults of refusals) {
      await expect(endpoint.setFaults("disc", faults)).rejects.toMatchObject({
        code: "ERR_BLOCKPT_INVALID_ARGUMENT",
      });
    }
    expect(await reads(disk, 3)).toBe("xxx");
    expect(endpoint.exported("disc").faults.map(({ text }) => text)).toEqual(["error=IOERR:read"]);
    await expect(endpoint.setFaults("nobody", [])).rejects.toMatchObject({
      code: "ERR_BLOCKPT_NO_SUCH_DISC",
    });
    expect(() => FaultyDisc.create({} as MemoryDisc)).toThrow("takes a disc");
  });

  test("as many rules as there may be, each as long as it may be, fit", async () => {
    const bus = await createBus();
    const most = Number.MAX_SAFE_INTEGER;
    const disc = FaultyDisc.create(MemoryDisc.create(bus, DISC_BYTES));
    const long = `torn=${most}:write:write-zeroes:status=PROTECTION:sectors=${most}:after=${most}:every=${most}:times=${most}:probability=0.12345678901234567:seed=4294967295`;
    disc.setFaults(Array(32).fill(long));
    expect(disc.faults).toHaveLength(32);
    expect(disc.faults[31]?.text).toBe(disc.faults[0]?.text);
    disc.close();
  });
});
