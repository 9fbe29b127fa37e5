// What a driver is promised: when it is told that no more comes, what merges and what does not, how
// it says that it has no room.

import { BlockIo, GenDisk, RamDriver, TagSet } from "blockpt";
import { BlkStatus, DescriptorFlag, Operation } from "blockpt/abi";
import { describe, expect, test, vi } from "vitest";
import { type Answer, makeBio, modelDisk, turn } from "./model-driver.js";

const { READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES } = Operation;
const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });

describe("at the end of a turn", () => {
  test("the last request says that it is the last, and no other does", async () => {
    const { disk, driver } = modelDisk();
    const untold: number[] = [];
    const { queueRq } = driver;
    driver.queueRq = (request, isLast) => {
      const status = queueRq.call(driver, request, isLast);
      untold.push(driver.untold[0] ?? -1);
      return status;
    };
    for (const sector of [0, 100, 200]) disk.submit(makeBio(READ, sector, 512));
    await turn();
    expect(untold).toEqual([1, 2, 0]);
  });

  // The last request of the turn is answered so; the one before it was taken.
  test.each<Answer>(["resource", "refuse"])("`commitRqs` is called after a %s", async (last) => {
    const { disk, driver } = modelDisk();
    driver.answers.push("take", last, last);
    disk.submit(makeBio(READ, 0, 512));
    disk.submit(makeBio(READ, 100, 512));
    await turn();
    expect(driver.log).toEqual(["READ 512 at 0 of 1"]);
    expect(driver.untold).toEqual([0]);
  });

  test("a request waits for it, or for `unplug`", async () => {
    const { disk, driver } = modelDisk();
    disk.submit(makeBio(READ, 0, 512));
    expect(driver.log).toEqual([]);
    disk.unplug();
    expect(driver.log).toEqual(["READ 512 at 0 of 1"]);
    await turn();
    expect(driver.log).toHaveLength(1);
  });
});

describe("bios that follow each other", () => {
  test.each([
    ["READ", READ],
    ["WRITE", WRITE],
    ["DISCARD", DISCARD],
    ["WRITE_ZEROES", WRITE_ZEROES],
  ] as const)("are one %s", async (name, opf) => {
    const { disk, driver } = modelDisk();
    let ends = 0;
    for (const sector of [8, 9, 11]) {
      disk.submit(makeBio(opf, sector, sector === 9 ? 1024 : 512, () => ends++));
    }
    await turn();
    expect(driver.log).toEqual([`${name} 2048 at 8 of 3`]);
    expect(disk.inFlight).toBe(1);
    driver.answer(0, driver.owned[0]?.keys().next().value ?? -1, BlkStatus.OK);
    expect([ends, disk.inFlight]).toEqual([3, 0]);
  });

  test("are as many requests as `maxLenBytes` takes", async () => {
    const { disk, driver } = modelDisk({}, { limits: { maxLenBytes: 1024 } });
    for (const sector of [0, 1, 2, 3, 4]) disk.submit(makeBio(WRITE, sector, 512));
    await turn();
    expect(driver.log).toEqual([
      "WRITE 1024 at 0 of 2",
      "WRITE 1024 at 2 of 2",
      "WRITE 512 at 4 of 1",
    ]);
  });

  test("are requests of 64 KiB at most where data moves: the device answers one while it works on the next", async () => {
    const { disk, driver } = modelDisk({ depth: 16 });
    for (const opf of [READ, WRITE, DISCARD]) {
      for (const part of [0, 1, 2, 3, 4]) disk.submit(makeBio(opf, 64 * part, 32768));
    }
    await turn();
    expect(driver.log).toEqual([
      ...["READ 65536 at 0 of 2", "READ 65536 at 128 of 2", "READ 32768 at 256 of 1"],
      ...["WRITE 65536 at 0 of 2", "WRITE 65536 at 128 of 2", "WRITE 32768 at 256 of 1"],
      "DISCARD 163840 at 0 of 5",
    ]);
  });

  test("stay apart if they are flushes, of two kinds, FUA and plain, or not adjacent", async () => {
    const { disk, driver } = modelDisk({ depth: 16 });
    const fua = makeBio(WRITE, 21, 512);
    fua.flags = DescriptorFlag.FUA;
    disk.submit(makeBio(FLUSH, 0, 0));
    disk.submit(makeBio(FLUSH, 0, 0));
    disk.submit(makeBio(READ, 19, 512));
    disk.submit(makeBio(WRITE, 20, 512));
    disk.submit(fua);
    disk.submit(makeBio(WRITE, 22, 512));
    disk.submit(makeBio(WRITE, 24, 512));
    disk.submit(makeBio(WRITE, 24, 512));
    await turn();
    expect(driver.log).toEqual([
      "FLUSH 0 at 0 of 1",
      "FLUSH 0 at 0 of 1",
      "READ 512 at 19 of 1",
      "WRITE 512 at 20 of 1",
      "WRITE FUA 512 at 21 of 1",
      "WRITE 512 at 22 of 1",
      "WRITE 512 at 24 of 1",
      "WRITE 512 at 24 of 1",
    ]);
  });

  test("stay apart in another turn, and where the driver says so", async () => {
    const { disk, driver } = modelDisk();
    disk.submit(makeBio(WRITE, 0, 512));
    await turn();
    disk.submit(makeBio(WRITE, 1, 512));
    await turn();
    driver.mayMerge = () => false;
    disk.submit(makeBio(WRITE, 2, 512));
    disk.submit(makeBio(WRITE, 3, 512));
    await turn();
    expect(driver.log.map((line) => line.slice(0, 14))).toEqual(
      [0, 1, 2, 3].map((at) => `WRITE 512 at ${at}`),
    );
  });

  test("all get the error of their request, each once", async () => {
    const { disk, driver } = modelDisk();
    const ends: unknown[] = [];
    for (const sector of [0, 1])
      disk.submit(makeBio(READ, sector, 512, (bio) => ends.push(bio.error)));
    await turn();
    driver.answer(0, driver.owned[0]?.keys().next().value ?? -1, BlkStatus.MEDIUM);
    expect(ends).toEqual([code("IO"), code("IO")]);
    expect(ends).toMatchObject([{ blkStatus: BlkStatus.MEDIUM }, { blkStatus: BlkStatus.MEDIUM }]);
  });
});

describe("a driver without room", () => {
  test("gets a request again after a completion, in its turn", async () => {
    const { disk, driver } = modelDisk();
    driver.answers.push("take", "resource");
    for (const sector of [0, 10, 20]) disk.submit(makeBio(READ, sector, 512));
    await turn();
    expect(driver.log).toEqual(["READ 512 at 0 of 1"]);
    expect(disk.inFlight).toBe(3);
    const { queueRq } = driver;
    driver.queueRq = (request, isLast) => {
      expect(isLast, "others follow").toBe(false);
      return queueRq.call(driver, request, isLast);
    };
    driver.answer(0, driver.owned[0]?.keys().next().value ?? -1, BlkStatus.OK);
    expect(driver.log.slice(1)).toEqual(["READ 512 at 10 of 1", "READ 512 at 20 of 1"]);
    expect(driver.untold).toEqual([0]);
  });

  test("gets half of it, and half of that, if none of ours is in the way", async () => {
    const { disk, driver } = modelDisk();
    const { queueRq } = driver;
    driver.queueRq = (request, isLast) =>
      request.lenBytes > 4096 ? BlkStatus.RESOURCE : queueRq.call(driver, request, isLast);
    let ends = 0;
    disk.submit(makeBio(WRITE, 0, 3 * 4096, () => ends++));
    await turn();
    for (let each = 0; each < 3; each++) {
      driver.answer(0, driver.owned[0]?.keys().next().value ?? -1, BlkStatus.OK);
    }
    expect(driver.log).toEqual([0, 8, 16].map((sector) => `WRITE 4096 at ${sector} of 1`));
    expect([ends, disk.inFlight]).toEqual([1, 0]);
  });

  test.each([4096, 65536])(
    "never gets a part of a block of %i bytes",
    async (logicalBlockBytes) => {
      const { disk, driver, tags } = modelDisk({}, { limits: { logicalBlockBytes } });
      const lengths: number[] = [];
      driver.queueRq = ({ lenBytes }) => {
        lengths.push(lenBytes);
        return BlkStatus.RESOURCE;
      };
      const bio = makeBio(WRITE, 0, 4 * logicalBlockBytes);
      disk.submit(bio);
      await turn();
      expect(lengths.every((length) => length % logicalBlockBytes === 0)).toBe(true);
      expect(lengths).toContain(logicalBlockBytes);
      expect(bio.error).toEqual(code("NO_SPACE"));
      expect([disk.inFlight, tags.available(0)]).toEqual([0, 8]);
    },
  );
});

describe("tags that are used up", () => {
  test("are waited for, by a bio in its turn", async () => {
    const { disk, driver, tags } = modelDisk({ depth: 2 }, { limits: { maxLenBytes: 512 } });
    const ends: number[] = [];
    disk.submit(makeBio(READ, 0, 4 * 512, () => ends.push(0)));
    disk.submit(makeBio(READ, 50, 512, () => ends.push(50)));
    await turn();
    expect([driver.log.length, tags.available(0), disk.inFlight]).toEqual([2, 0, 4]);
    while (disk.inFlight > 0) {
      driver.answer(0, driver.owned[0]?.keys().next().value ?? -1, BlkStatus.OK);
      await turn();
    }
    expect(driver.log).toEqual([0, 1, 2, 3, 50].map((sector) => `READ 512 at ${sector} of 1`));
    expect(ends).toEqual([0, 50]);
  });

  test("are waited for by bios that do not keep each other alive afterwards", async () => {
    const { disk, driver } = modelDisk({ depth: 1 });
    const bios = [0, 10, 20, 30].map((sector) => makeBio(READ, sector, 512));
    for (const bio of bios) disk.submit(bio);
    driver.answers.push("inline", "inline", "inline", "inline");
    for (let each = 0; each < 4; each++) await turn();
    expect(bios.map((bio) => [bio.hasEnded, bio.next])).toEqual(bios.map(() => [true, undefined]));
  });

  test("come back from a request that the driver refused", async () => {
    const { disk, driver } = modelDisk({ depth: 1 });
    driver.answers.push("refuse", "inline");
    const ends: unknown[] = [];
    for (const sector of [0, 50])
      disk.submit(makeBio(READ, sector, 512, (bio) => ends.push(bio.error)));
    await turn();
    expect(ends).toEqual([code("IO"), undefined]);
    expect(disk.inFlight).toBe(0);
  });
});

describe("an end that submits again", () => {
  test("finds a tag, be it the only one", async () => {
    const { disk, driver } = modelDisk({ depth: 1 });
    let times = 0;
    const bio = makeBio(READ, 0, 512, () => {
      if (++times < 3) disk.submit(bio);
    });
    disk.submit(bio);
    for (let round = 0; round < 3; round++) {
      await turn();
      driver.answer(0, 0, BlkStatus.OK);
    }
    expect([times, bio.error, disk.inFlight]).toEqual([3, undefined, 0]);
  });

  test("goes no deeper with each of them, if the driver completes within `queueRq`", async () => {
    const { disk, driver } = modelDisk({ depth: 4096 });
    driver.queueRq = (request) => {
      driver.owned[0]?.set(request.tag, request);
      request.complete(BlkStatus.OK);
      return BlkStatus.OK;
    };
    let times = 0;
    const again = (bio: ReturnType<typeof makeBio>) => {
      if (++times < 20_000) disk.submit(bio);
    };
    disk.submit(makeBio(READ, 0, 512, again));
    disk.submit(makeBio(READ, 50, 512, again));
    await new Promise((resolve) => setImmediate(resolve));
    expect([times, disk.inFlight]).toEqual([20_001, 0]);
  });

  test("and throws harms no other", async () => {
    const { disk, driver, tags } = modelDisk();
    const uncaught = new Promise((resolve) => process.once("uncaughtException", resolve));
    let ends = 0;
    disk.submit(
      makeBio(READ, 0, 512, () => {
        throw new Error("the user's");
      }),
    );
    disk.submit(makeBio(READ, 1, 512, () => ends++));
    await turn();
    driver.answer(0, driver.owned[0]?.keys().next().value ?? -1, BlkStatus.OK);
    expect([ends, tags.available(0)]).toEqual([1, 8]);
    expect(await uncaught).toMatchObject({ message: "the user's" });
  });
});

describe("a driver with a bug", () => {
  test.each(["queueRq", "complete"] as const)(
    "that throws in %s fails that request, and its program hears of it",
    async (method) => {
      const driver = new RamDriver(65536);
      const bug = new Error("a bug of the driver's");
      vi.spyOn(driver, method).mockImplementationOnce(() => {
        throw bug;
      });
      const heard = new Promise((resolve) => {
        process.setUncaughtExceptionCaptureCallback(resolve);
      });
      const tags = new TagSet(1, 1);
      const disk = new GenDisk(tags, driver, { name: "ram0", limits: { sectors: 128 } }).add();
      const io = new BlockIo(disk);
      try {
        const read = io.read(new Uint8Array(512), 0);
        await expect(read).rejects.toEqual(code("IO"));
        expect(await heard).toBe(bug);
      } finally {
        process.setUncaughtExceptionCaptureCallback(null);
      }
      await io.read(new Uint8Array(512), 0);
      expect([disk.inFlight, tags.available(0)]).toEqual([0, 1]);
      disk.remove();
    },
  );
});

test("a request that its driver kept and completes after its end gives its tag back", async () => {
  const { disk, driver } = modelDisk({ depth: 1 });
  let ends = 0;
  disk.submit(makeBio(READ, 0, 512, () => ends++));
  await turn();
  const request = driver.tags.find(0, 0);
  disk.fail(0, new Error("gone") as never);
  disk.resume(0);
  expect([ends, driver.tags.available(0)]).toEqual([1, 0]);
  expect(request?.complete(BlkStatus.OK)).toBe(false);
  expect([ends, driver.tags.available(0)]).toEqual([1, 1]);
});

test("a tag set is one disk's", () => {
  const tags = new TagSet(1, 1);
  const options = { name: "ram0", limits: { sectors: 128 } };
  new GenDisk(tags, new RamDriver(65536), options);
  expect(() => new GenDisk(tags, new RamDriver(65536), options)).toThrow(code("STATE"));
});
