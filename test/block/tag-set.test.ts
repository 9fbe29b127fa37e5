// Tags: as many as were asked for, each found only while its request is with the device.

import { TagSet } from "blockpt";
import { BlkStatus, Operation } from "blockpt/abi";
import { expect, test } from "vitest";
import { makeBio, modelDisk, turn } from "./model-driver.js";

const code = (name: string) => expect.objectContaining({ code: `ERR_BLOCKPT_${name}` });
const read = (sector: number) => makeBio(Operation.READ, sector, 512);

test("numbers outside of their ranges are refused", () => {
  for (const [queues, depth] of [
    [0, 1],
    [256, 1],
    [1, 0],
    [1, 65536],
    [1.5, 1],
    [1, Number.NaN],
  ] as const) {
    expect(() => new TagSet(queues, depth)).toThrow(code("INVALID_ARGUMENT"));
  }
  const tags = new TagSet(255, 3);
  expect([tags.nrHwQueues, tags.depth, tags.available(254)]).toEqual([255, 3, 3]);
});

test("a tag finds its request while the device has it, and nothing before or after", async () => {
  const { disk, driver, tags } = modelDisk({ depth: 2 });
  expect([tags.find(0, 0), tags.find(0, 1)]).toEqual([undefined, undefined]);
  disk.submit(read(8));
  expect([tags.find(0, 0), tags.find(0, 1)], "held back").toEqual([undefined, undefined]);
  await turn();
  const [request] = driver.owned[0]?.values() ?? [];
  expect(request).toMatchObject({ hwQueue: 0, startSector: 8, lenBytes: 512 });
  expect(tags.find(0, request?.tag ?? -1)).toBe(request);
  expect(request?.complete(BlkStatus.OK)).toBe(true);
  expect(tags.find(0, request?.tag ?? -1)).toBeUndefined();
  expect(request?.complete(BlkStatus.OK), "a second end").toBe(false);
  expect(tags.available(0)).toBe(2);
});

test("a tag or a queue that is not there finds nothing, and gives nothing back", () => {
  const tags = new TagSet(1, 4);
  for (const [queue, tag] of [
    [0, 4],
    [0, -1],
    [1, 0],
    [0, 0.5],
  ] as const) {
    expect(tags.find(queue, tag)).toBeUndefined();
    expect(tags.reclaim(queue, tag)).toBe(false);
  }
  expect(tags.available(7)).toBe(0);
});

test("a request that was given up keeps its tag until the device gives it back", async () => {
  const { disk, driver, tags } = modelDisk({ depth: 2 });
  disk.submit(read(0));
  await turn();
  const [tag] = driver.owned[0]?.keys() ?? [];
  disk.fail(0, new Error("gone") as never);
  disk.resume(0);
  expect(tags.available(0)).toBe(1);
  expect(tags.find(0, tag ?? -1)).toBeUndefined();
  expect(tags.reclaim(0, tag ?? -1)).toBe(true);
  expect(tags.reclaim(0, tag ?? -1), "a second time").toBe(false);
  expect(tags.available(0)).toBe(2);
  expect(driver.owned[0]?.size, "the driver heard of it").toBe(0);
});

test("a free tag keeps no user's buffer alive", async () => {
  const { disk, driver } = modelDisk({ depth: 1 });
  const bio = read(0);
  disk.submit(bio);
  await turn();
  const [request] = driver.owned[0]?.values() ?? [];
  expect(request?.segments[0]?.bio).toBe(bio);
  request?.complete(BlkStatus.OK);
  expect(request?.segments.some((segment) => segment.bio === bio)).toBe(false);
});
