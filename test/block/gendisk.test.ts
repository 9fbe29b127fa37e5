// A disk: its numbers, its states, its queues, time-outs, and what a driver does when its device goes.

import { BlockIo, GenDisk, RamDriver, TagSet } from "blockpt";
import { BlkStatus, Operation } from "blockpt/abi";
import { afterEach, describe, expect, test, vi } from "vitest";
import { makeBio, modelDisk, turn } from "./model-driver.js";

const { READ, WRITE } = Operation;
const TIMEOUT_MS = 800;
const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });
const gone = new Error("the device is gone") as never;

afterEach(() => {
  vi.useRealTimers();
});

/** Has all the time pass after which a request is given up. */
function passTimeout(): void {
  for (let sweep = 0; sweep < 9; sweep++) vi.advanceTimersByTime(TIMEOUT_MS / 8);
}

function useOwnClock(): void {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
}

test("limits outside of their ranges are refused", () => {
  const good = { sectors: 2048 };
  for (const limits of [
    { sectors: 0 },
    { sectors: 1.5 },
    { ...good, logicalBlockBytes: 256 },
    { ...good, logicalBlockBytes: 1536 },
    { ...good, logicalBlockBytes: 131072 },
    { ...good, maxLenBytes: 0 },
    { ...good, logicalBlockBytes: 4096, maxLenBytes: 512 },
  ]) {
    expect(() => modelDisk({}, { limits })).toThrow(code("INVALID_ARGUMENT"));
  }
  expect(() => modelDisk({}, { timeoutMs: 0 })).toThrow(code("INVALID_ARGUMENT"));
  const { disk } = modelDisk({}, { limits: { logicalBlockBytes: 4096, maxLenBytes: 9000 } });
  expect([disk.maxLenBytes, disk.readOnly, disk.features]).toEqual([8192, false, 0]);
});

describe("a disk that was not added", () => {
  const make = () => {
    const options = { name: "ram0", limits: { sectors: 2048 } };
    return new GenDisk(new TagSet(1, 4), new RamDriver(1024 * 1024), options);
  };

  test("does no I/O: neither for the compiler nor at run time", () => {
    const disk = make();
    expect(disk.state).toBe("initialized");
    const bio = makeBio(READ, 0, 512);
    // @ts-expect-error it is a GenDisk<"initialized">
    expect(() => disk.submit(bio)).toThrow(code("STATE"));
    // @ts-expect-error
    expect(() => disk.waitFor(bio)).toThrow(code("STATE"));
    // @ts-expect-error
    expect(() => disk.unplug()).toThrow(code("STATE"));
    // @ts-expect-error
    expect(() => new BlockIo(disk).readSync(new Uint8Array(512), 0)).toThrow(code("STATE"));
  });

  test("is added once", () => {
    const disk = make();
    const added = disk.add();
    expect([added.state, added]).toEqual(["added", disk]);
    expect(() => disk.add()).toThrow(code("STATE"));
    // @ts-expect-error
    expect(() => added.add()).toThrow(code("STATE"));
    added.remove();
  });
});

test("each hardware queue has tags, failures and requests of its own", async () => {
  const { disk, driver, tags } = modelDisk({ queues: 3, depth: 2 });
  for (const queue of [0, 2]) disk.submit(makeBio(READ, queue, 512), queue);
  await turn();
  expect(driver.owned.map((owned) => owned.size)).toEqual([1, 0, 1]);
  expect([0, 1, 2].map((queue) => tags.available(queue))).toEqual([1, 2, 1]);
  expect(disk.inFlight).toBe(2);
  disk.fail(2, gone);
  expect([disk.failure(0), disk.failure(1), disk.failure(2)]).toEqual([undefined, undefined, gone]);
  expect(disk.inFlight).toBe(1);
  expect(() => disk.submit(makeBio(READ, 0, 512), 3)).toThrow(code("STATE"));
});

test("a bio longer than `maxLenBytes` is several requests, and ends with the last of them", async () => {
  const { disk, driver } = modelDisk({}, { limits: { maxLenBytes: 1024 } });
  const ends: unknown[] = [];
  disk.submit(makeBio(READ, 4, 5 * 512, (bio) => ends.push(bio.error)));
  await turn();
  expect(driver.log).toEqual(["READ 1024 at 4 of 1", "READ 1024 at 6 of 1", "READ 512 at 8 of 1"]);
  const [first, second, third] = [...(driver.owned[0]?.keys() ?? [])];
  driver.answer(0, third ?? -1, BlkStatus.OK);
  driver.answer(0, first ?? -1, BlkStatus.MEDIUM);
  expect(ends).toEqual([]);
  driver.answer(0, second ?? -1, BlkStatus.NOSPC);
  expect(ends).toMatchObject([{ code: "ERR_BLOCKPT_IO", blkStatus: BlkStatus.MEDIUM }]);
});

describe("a request that takes too long", () => {
  test("is given up, and its late completion gives back its tag and nothing else", async () => {
    useOwnClock();
    const { disk, driver, tags } = modelDisk({}, { timeoutMs: TIMEOUT_MS });
    const ends: unknown[] = [];
    disk.submit(makeBio(READ, 0, 512, (bio) => ends.push(bio.error)));
    await turn();
    for (let sweep = 0; sweep < 8; sweep++) vi.advanceTimersByTime(TIMEOUT_MS / 8);
    expect(ends, "not before its time").toEqual([]);
    passTimeout();
    expect(ends).toEqual([code("TIMEOUT")]);
    expect([disk.inFlight, tags.available(0)]).toEqual([0, 7]);
    const [tag] = driver.owned[0]?.keys() ?? [];
    expect(driver.answer(0, tag ?? -1, BlkStatus.OK)).toBe(true);
    expect([ends.length, tags.available(0)]).toEqual([1, 8]);
  });

  test("has the driver's word first", async () => {
    useOwnClock();
    const { disk, driver } = modelDisk({}, { timeoutMs: TIMEOUT_MS });
    const answers = [false, true];
    driver.timeout = () => answers.shift() ?? true;
    const bio = makeBio(READ, 0, 512);
    disk.submit(bio);
    await turn();
    passTimeout();
    expect([answers.length, bio.hasEnded]).toEqual([1, false]);
    passTimeout();
    expect(bio.error).toEqual(code("TIMEOUT"));
  });

  test("whose end `timeout` finds leaves its tag to a next one, which has all its time", async () => {
    useOwnClock();
    const { disk, driver } = modelDisk({ depth: 2 }, { timeoutMs: TIMEOUT_MS });
    driver.timeout = () => {
      for (const tag of [...(driver.owned[0]?.keys() ?? [])]) driver.answer(0, tag, BlkStatus.OK);
      return true;
    };
    const bios = [0, 10, 20, 30].map((sector) => makeBio(READ, sector, 512));
    for (const bio of bios) disk.submit(bio);
    await turn();
    passTimeout();
    expect(bios.map((bio) => [bio.hasEnded, bio.error])).toEqual([
      [true, undefined],
      [true, undefined],
      [false, undefined],
      [false, undefined],
    ]);
  });

  test("takes those with it that waited for its tag or for its room", async () => {
    useOwnClock();
    const { disk, driver } = modelDisk({ depth: 2 }, { timeoutMs: TIMEOUT_MS });
    const answers = [BlkStatus.OK];
    const { queueRq } = driver;
    driver.queueRq = (request, isLast) =>
      answers.shift() === BlkStatus.OK ? queueRq.call(driver, request, isLast) : BlkStatus.RESOURCE;
    const bios = [0, 10, 20].map((sector) => makeBio(READ, sector, 512));
    for (const bio of bios) disk.submit(bio);
    await turn();
    passTimeout();
    await turn();
    expect(bios.map((bio) => bio.error)).toEqual([
      code("TIMEOUT"),
      code("NO_SPACE"),
      code("NO_SPACE"),
    ]);
    expect(disk.inFlight).toBe(0);
  });

  test("that holds the last tag ends those that wait for one", async () => {
    useOwnClock();
    const { disk } = modelDisk({ depth: 1 }, { timeoutMs: TIMEOUT_MS });
    const bios = [0, 10].map((sector) => makeBio(READ, sector, 512));
    for (const bio of bios) disk.submit(bio);
    await turn();
    passTimeout();
    expect(bios.map((bio) => bio.error)).toEqual([code("TIMEOUT"), code("TIMEOUT")]);
    const late = makeBio(READ, 0, 512);
    disk.submit(late);
    expect(late.error).toEqual(code("TIMEOUT"));
    expect(disk.inFlight).toBe(0);
  });

  test("is given up by a call that waits for it, too", () => {
    useOwnClock();
    const { disk, driver } = modelDisk({}, { timeoutMs: TIMEOUT_MS });
    driver.onBlock = () => vi.advanceTimersByTime(TIMEOUT_MS / 8);
    expect(() => new BlockIo(disk).readSync(new Uint8Array(512), 0)).toThrow(code("TIMEOUT"));
  });
});

describe("a driver whose device goes", () => {
  test("ends all at once, refuses what comes, and goes on when it is back", async () => {
    const { disk, driver, tags } = modelDisk({ depth: 2 });
    const bios = [0, 10, 20].map((sector) => makeBio(READ, sector, 512));
    for (const bio of bios) disk.submit(bio);
    await turn();
    disk.fail(0, gone);
    expect(bios.map((bio) => bio.error)).toEqual([gone, gone, gone]);
    const refused = makeBio(READ, 0, 512);
    disk.submit(refused);
    expect(refused.error).toBe(gone);
    expect([disk.inFlight, tags.available(0), driver.owned[0]?.size]).toEqual([0, 0, 2]);
    disk.reclaimAll(0);
    expect([tags.available(0), driver.owned[0]?.size]).toEqual([2, 0]);
    disk.resume(0);
    await new BlockIo(disk).read(new Uint8Array(0), 0);
    const next = makeBio(READ, 0, 512);
    disk.submit(next);
    await turn();
    expect(driver.owned[0]?.size).toBe(1);
  });

  test("that goes on without having gone still tells its device of all", async () => {
    const { disk, driver } = modelDisk();
    driver.answers.push("take", "refuse");
    disk.submit(makeBio(READ, 0, 512));
    disk.submit(makeBio(READ, 10, 512));
    disk.resume(0);
    await turn();
    expect([driver.log.length, driver.untold]).toEqual([1, [0]]);
  });

  test("may find it out when it is handed a request, of which it gets no more", async () => {
    const { disk, driver, tags } = modelDisk({}, { limits: { maxLenBytes: 512 } });
    driver.answers.push("take", "fail");
    let ends = 0;
    disk.submit(makeBio(WRITE, 0, 5 * 512, () => ends++));
    await turn();
    expect(driver.log).toEqual(["WRITE 512 at 0 of 1"]);
    expect([ends, disk.inFlight, tags.available(0)]).toEqual([1, 0, 7]);
  });
});

describe("a disk that was removed", () => {
  test("ends what is in flight, and calls its driver no more", async () => {
    const { disk, driver, tags } = modelDisk();
    const bios = [0, 10].map((sector) => makeBio(READ, sector, 512));
    for (const bio of bios) disk.submit(bio);
    disk.remove();
    const calls: string[] = [];
    driver.queueRq = () => calls.push("queueRq");
    driver.commitRqs = () => calls.push("commitRqs");
    expect(bios.map((bio) => bio.error)).toEqual([code("DETACHED"), code("DETACHED")]);
    expect([disk.inFlight, tags.available(0)]).toEqual([0, 8]);
    await turn();
    expect(calls).toEqual([]);
  });

  test("stays so, whatever its driver says", async () => {
    const { disk } = modelDisk();
    disk.remove();
    disk.fail(0, gone);
    disk.resume(0);
    await expect(new BlockIo(disk).read(new Uint8Array(512), 0)).rejects.toEqual(code("DETACHED"));
  });
});

test("a buffer is waited for until the driver has it", async () => {
  const { disk } = modelDisk({ depth: 1 });
  const [first, second] = [makeBio(WRITE, 0, 512), makeBio(WRITE, 10, 512)];
  disk.submit(first);
  disk.submit(second);
  expect(disk.isWaitingFor(first.buffer ?? new Uint8Array())).toBe(true);
  await turn();
  expect(disk.isWaitingFor(first.buffer ?? new Uint8Array())).toBe(false);
  expect(disk.isWaitingFor(second.buffer?.subarray(100, 101) ?? new Uint8Array())).toBe(true);
  expect(disk.isWaitingFor(new Uint8Array(512))).toBe(false);
});
