/**
 * Owns the tests of what the endpoint refuses, with the tables of refusals.ts.
 * foreign-root-complex.test.ts runs them on each engine's endpoint.
 */

import { expect, it } from "vitest";
import { roundTrip } from "./exercises.js";
import type { ForeignRootComplex } from "./foreign-root-complex.js";
import { CMD, OP, pattern, pause, REG, type Region, SECTOR, STATUS } from "./protocol.js";
import { plainShape } from "./queue-shape.js";
import { badCommands, badCounts, badQueues, badRequests, badWrites } from "./refusals.js";

const SECTORS = 2048;

/** Connects to an endpoint that exports these memory discs. */
export type Connect = (discs: { sectors: number; readOnly?: boolean }[]) => Promise<{
  rc: ForeignRootComplex;
  host: Region;
  bar: Region;
  vectors: number;
}>;

export function refusalTests(connect: Connect): void {
  it("answers every malformed request as the page says, and goes on", async () => {
    const { rc, host, bar } = await connect([{ sectors: SECTORS }]);
    const queue = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const addr = rc.place(pattern(2 * SECTOR, 27));
    const cases = badRequests(SECTORS, host, bar);
    const answers: [string, number][] = [];
    for (const [name, change] of cases) {
      const request = { op: OP.read, sector: 0, addr, len: SECTOR, ...change };
      answers.push([name, await queue.one(request)]);
    }
    expect(answers).toEqual(cases.map(([name, , status]) => [name, status]));
    await roundTrip(rc, queue, 1, pattern(SECTOR, 28));
  });

  it("checks a write to a read-only disc in the page's order", async () => {
    const { rc } = await connect([{ sectors: SECTORS, readOnly: true }]);
    const queue = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const addr = rc.allocate(SECTOR);
    for (const [name, change, status] of badWrites) {
      const request = { op: OP.write, sector: 0, addr, len: SECTOR, ...change };
      expect([name, await queue.one(request)]).toEqual([name, status]);
    }
  });

  it("refuses queues that do not lie where queues may, and takes good ones after", async () => {
    const { rc } = await connect([{ sectors: SECTORS }, { sectors: 1 }]);
    const taken = plainShape(4096, 64);
    await rc.setQueue(1, taken);
    const space = rc.reg(REG.availableQsize);
    const answers: [string, number][] = [];
    for (const [name, queue] of badQueues(space, taken)) {
      answers.push([
        name,
        await rc.command(CMD.setQueue | CMD.start, { devIdx: 0, qidx: 0, queue }),
      ]);
    }
    const due = STATUS.error | STATUS.queueInvalid;
    expect(answers).toEqual(answers.map(([name]) => [name, due]));
    for (const numDesc of badCounts) {
      const queue = { ...plainShape(8192, 16), numDesc, size: 65536 };
      const status = await rc.command(CMD.setQueue, { devIdx: 0, qidx: 0, queue });
      expect([numDesc, status & (STATUS.error | STATUS.success)]).toEqual([numDesc, STATUS.error]);
    }
    // None of it was taken, and the first failure ended each command before its START.
    expect(await rc.command(CMD.stop, { devIdx: 0 })).toBe(STATUS.error);
    expect(await rc.command(CMD.start, { devIdx: 0 })).toBe(STATUS.error);
    const last = plainShape(0, 16);
    const queue = await rc.setQueue(0, {
      ...last,
      offset: Math.floor((space - last.size) / 8) * 8,
    });
    await rc.succeed(CMD.start, { devIdx: 0 });
    await roundTrip(rc, queue, 0, pattern(SECTOR, 29));
  });

  it("answers wrong commands with error, and the first failure ends a combined one", async () => {
    const { rc, vectors } = await connect([{ sectors: SECTORS }]);
    const answers: [string, number][] = [];
    for (const [name, bits, args] of badCommands(vectors)) {
      answers.push([name, await rc.command(bits, args)]);
    }
    expect(answers).toEqual(answers.map(([name]) => [name, STATUS.error]));
    rc.memory.view.setBigUint64(rc.bar + REG.numSectors, 99n, true);
    const args = { devIdx: 0, qidx: 0, irq: 0 };
    expect(await rc.command(CMD.setIrq | CMD.numSectors, args)).toBe(STATUS.error);
    expect(rc.numSectors).toBe(99n);
    expect(await rc.sectors(0)).toBe(BigInt(SECTORS));
  });

  it.each([
    ["an entry", 16, 1],
    ["an idx", 0, 16],
    ["the largest entry", 65535, 1],
    ["the largest idx", 0, 65535],
  ])("stops a queue on %s that is not below num_desc, until STOP", async (_, entry, idx) => {
    const { rc } = await connect([{ sectors: SECTORS }, { sectors: 1 }]);
    const queue = await rc.setQueue(0, plainShape(0, 16));
    const other = await rc.setQueue(1, plainShape(4096, 16));
    for (const devIdx of [0, 1]) await rc.succeed(CMD.start, { devIdx });
    queue.publishRaw(entry, idx);
    if (idx < 16) queue.submit({ op: OP.read, sector: 0, addr: rc.allocate(SECTOR), len: SECTOR });
    await roundTrip(rc, other, 0, pattern(SECTOR, 31));
    await pause(20); // time to do what it must not
    expect(queue.collect()).toEqual([]);
    await rc.succeed(CMD.stop, { devIdx: 0 });
    expect(queue.collect()).toEqual([]);
    const again = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    await roundTrip(rc, again, 0, pattern(SECTOR, 32));
  });

  it("writes no interrupt to an address outside host memory", async () => {
    const { rc, vectors } = await connect([{ sectors: SECTORS }]);
    const vector = rc.vector(2, vectors);
    vector.program(4711, false, rc.bar + REG.maxDevs);
    await rc.succeed(CMD.setIrq, { devIdx: 0, qidx: 0, irq: 2 });
    const queue = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    await roundTrip(rc, queue, 0, pattern(SECTOR, 33));
    await rc.succeed(CMD.stop, { devIdx: 0 });
    expect(rc.reg(REG.maxDevs)).toBe(16);
  });
}
