// Faults switched while there is load: nothing is lost or done twice, no request is left behind; and what a driver
// sees of a disc that is slow or stands still.

import { type Bus, FaultyDisc, FileDisc, MemoryDisc, RootComplex } from "blockpt";
import { describe, expect, test } from "vitest";
import { afterThisTest, makeEndpoint, makeImage, until } from "../api/rig.js";
import { attach, DISC_BYTES, INNER, makeDisc, statusOf } from "./faulty-rig.js";

const SECTOR = 512;
const LANES = 8;
const SWITCHES = 30;

describe.each(INNER)("a disc of kind %s", (inner) => {
  test("has its faults switched under load, and every request ends as it should", async () => {
    const { disk, endpoint } = await attach((bus) => makeDisc(bus, inner));
    let goesOn = true;
    const failures = new Map<string, number>();
    let done = 0;
    /** Each lane has its sectors, and knows what is on them. */
    const lane = async (index: number): Promise<void> => {
      const buffer = new Uint8Array(SECTOR);
      const back = new Uint8Array(SECTOR);
      for (let round = 1; goesOn; round++) {
        // With a sector between: requests of a turn that are adjacent would become one.
        const offset = 2 * (index + LANES * (round % 16)) * SECTOR;
        buffer.fill(round % 251);
        const wrote = await statusOf(disk.write(buffer, offset));
        if (wrote !== "OK") failures.set(wrote, (failures.get(wrote) ?? 0) + 1);
        else {
          await disk.read(back, offset);
          if (Buffer.compare(buffer, back) !== 0) throw new Error(`lane ${index} reads another`);
        }
        done++;
      }
    };
    const lanes = Array.from({ length: LANES }, (_, index) => lane(index));
    const sets = [["error=NOSPC:write:every=5"], ["delay=2ms"], [], ["stall=3ms:every=40"], []];
    for (let round = 0; round < SWITCHES; round++) {
      await endpoint.setFaults("disc", sets[round % sets.length] as string[]);
      const before = done;
      await until("there is load", () => done > before + 20);
    }
    goesOn = false;
    await Promise.all(lanes);
    expect([...failures.keys()]).toEqual(["NOSPC"]);
    const [statistics] = endpoint.exported("disc").queues.map((queue) => queue.statistics);
    expect(statistics?.errors).toBe(failures.get("NOSPC"));
  });
});

test("what is delayed goes on when the faults are taken back", async () => {
  const { disk, endpoint } = await attach((bus) => makeDisc(bus, "file"));
  await endpoint.setFaults("disc", ["delay=3600s:write"]);
  const writes = Array.from({ length: 5 }, (_, index) =>
    disk.write(new Uint8Array(SECTOR).fill(7), 2 * index * SECTOR),
  );
  await until("all are delayed", () => endpoint.exported("disc").faults[0]?.hits === 5);
  // They do not hold up others.
  await disk.read(new Uint8Array(SECTOR), 0);
  await endpoint.setFaults("disc", []);
  await Promise.all(writes);
  const bytes = new Uint8Array(SECTOR);
  await disk.read(bytes, 8 * SECTOR);
  expect(bytes[0]).toBe(7);
});

test.each(["memory", "nbd"] as const)(
  "a request that is delayed longer than its time-out ends by that, and a detach is not held up (%s)",
  async (inner) => {
    const { bus, endpoint } = await makeEndpoint();
    await endpoint.exportDisc("disc", await makeDisc(bus, inner), { faults: ["delay=3600s:read"] });
    await endpoint.start();
    const rc = await RootComplex.probe(bus);
    afterThisTest(() => rc.close().catch(() => {}));
    const disk = await rc.attach("disc", { numDescriptors: 64, requestTimeoutMs: 3000 });
    await expect(disk.read(new Uint8Array(SECTOR), 0)).rejects.toMatchObject({
      code: "ERR_BLOCKPT_TIMEOUT",
    });
    await disk.write(new Uint8Array(SECTOR), 0);
    // The disc is left after 2.5 s, and answers what it still has.
    await rc.close();
    expect(endpoint.exported("disc").attached).toBe(false);
  },
);

test("faults are there from the start, outlive a detach and a stop, and change with the export", async () => {
  const { bus, endpoint } = await makeEndpoint();
  await endpoint.exportDisc("disc", MemoryDisc.create(bus, DISC_BYTES), { faults: ["error:read"] });
  await endpoint.start();
  const read = async (): Promise<string> => {
    const rc = await RootComplex.probe(bus);
    const disk = await rc.attach("disc", { numDescriptors: 64 });
    const status = await statusOf(disk.read(new Uint8Array(SECTOR), 0));
    await rc.close();
    return status;
  };
  expect(await read()).toBe("IOERR");
  await endpoint.stop();
  await endpoint.start();
  expect(await read()).toBe("IOERR");
  expect(endpoint.exported("disc").faults[0]?.hits).toBe(2);
  // They are the export's, and so is what has come of them.
  const path = makeImage(new Uint8Array(DISC_BYTES));
  await endpoint.changeExport("disc", { disc: await FileDisc.open(path) });
  expect(endpoint.exported("disc").faults[0]?.hits).toBe(2);
  expect(await read()).toBe("IOERR");
  await expect(endpoint.changeExport("disc", { faults: ["wrong"] })).rejects.toThrow("kind");
  await endpoint.changeExport("disc", { faults: ["error=MEDIUM:read"] });
  expect(await read()).toBe("MEDIUM");
  await endpoint.setFaults("disc", []);
  expect(await read()).toBe("OK");
});

test("a flush that is lost leaves on the disc's file what was not forced there, and nothing else", async () => {
  const path = makeImage(new Uint8Array(DISC_BYTES));
  const flushes: string[] = [];
  const make = async (_: Bus) =>
    FaultyDisc.create(await FileDisc.open(path), ["lost-flush:times=2"]);
  const { disk, disc } = await attach(make);
  await disk.write(new Uint8Array(SECTOR).fill(1), 0);
  for (let round = 0; round < 3; round++) flushes.push(await statusOf(disk.flush()));
  expect(flushes).toEqual(["OK", "OK", "OK"]);
  expect((disc as FaultyDisc).faults[0]).toMatchObject({ seen: 3, hits: 2 });
});
