/**
 * Owns the proof that a root complex that knows docs/protocol.md only gets
 * section 5 from our endpoint: doorbells, operations, events, and word of its death.
 */

import { readFile } from "node:fs/promises";
import { FileDisc, MemoryDisc } from "blockpt";
import { describe, expect, it } from "vitest";
import { roundTrip } from "./exercises.js";
import type { ForeignQueue, ForeignRootComplex, Transfer } from "./foreign-root-complex.js";
import {
  connectTo,
  type ExportAll,
  fileDisc,
  libraryEndpoint,
  RAM_BYTES,
  ram,
  scratchFile,
  VECTORS,
} from "./library-endpoint.js";
import { serveOn } from "./library-root-complex.js";
import {
  BLK,
  CMD,
  EVENTS,
  EXT_MAGIC,
  EXT_VERSION,
  FEATURE,
  FUA,
  GONE,
  IN_USE,
  MAGIC,
  MAX_LEN,
  OP,
  pattern,
  pause,
  REG,
  SECTOR,
  STATUS,
  sameBytes,
  until,
  within,
} from "./protocol.js";
import { oddShape, plainShape, type QueueShape, withDoorbell } from "./queue-shape.js";
import { badDoorbells, badExtended, operations } from "./refusals.js";

const EVERYTHING = Object.values(FEATURE).reduce((all, bit) => all | bit, 0);
const SMALL = withDoorbell(plainShape(0, 16));
const BLOCK = 4096;

/** Sets and starts a queue with this enabled. */
async function start(
  rc: ForeignRootComplex,
  { features = EVERYTHING, shape = SMALL as QueueShape, devIdx = 0 } = {},
): Promise<ForeignQueue> {
  rc.enable(features);
  const queue = await rc.setQueue(devIdx, shape);
  await rc.succeed(CMD.start, { devIdx });
  return queue;
}

/** What disc 0 offers, its limits with it. */
async function offered(rc: ForeignRootComplex, devIdx = 0): Promise<number> {
  await rc.sectors(devIdx);
  return rc.reg(REG.extFeatures);
}

const asleep = (queue: ForeignQueue): Promise<unknown> =>
  until("the endpoint's sleep", () => queue.asleep);

describe.each(["wasm", "typescript"] as const)("section 5, foreign RC, %s engine", (engine) => {
  const connect = (exportAll: ExportAll) => connectTo(engine, exportAll);
  const connectRam = async (): Promise<ForeignRootComplex> => (await connect(ram)).rc;

  const blocks: ExportAll = (endpoint, bus) => {
    const disc = MemoryDisc.create(bus, RAM_BYTES, { logicalBlockBytes: BLOCK });
    return endpoint.exportDisc("blocks", disc);
  };

  async function connectFile(bytes: Uint8Array, options: { readOnly?: boolean } = {}) {
    const path = await scratchFile(bytes);
    const exportFile: ExportAll = async (endpoint) =>
      endpoint.exportDisc("file", await fileDisc(path, options));
    return { path, ...(await connect(exportFile)) };
  }

  it("offers DOORBELL from the start of the link, the rest with NUM_SECTORS", async () => {
    const path = await scratchFile(new Uint8Array(RAM_BYTES));
    const { rc } = await connect(async (endpoint, bus) => {
      await blocks(endpoint, bus);
      await endpoint.exportDisc("file", await FileDisc.open(path));
    });
    expect([rc.reg(REG.extMagic), rc.reg(REG.extVersion)]).toEqual([EXT_MAGIC, EXT_VERSION]);
    expect(rc.reg(REG.extFeatures)).toBe(FEATURE.doorbell);
    expect([rc.reg(REG.extEnabled), rc.reg(REG.commandBell)]).toEqual([0, 0]);
    expect(rc.reg(REG.generation)).not.toBe(0);
    const inMemory = await offered(rc, 0);
    expect([rc.reg(REG.logicalBlockSize), rc.reg(REG.maxLen)]).toEqual([BLOCK, MAX_LEN]);
    expect(inMemory & (FEATURE.doorbell | FEATURE.flush)).toBe(FEATURE.doorbell | FEATURE.flush);
    const inFile = await offered(rc, 1);
    expect([rc.reg(REG.logicalBlockSize), rc.reg(REG.maxLen)]).toEqual([SECTOR, MAX_LEN]);
    expect(inFile).toBe(EVERYTHING & ~FEATURE.discard);
    expect((inMemory | inFile) & ~EVERYTHING).toBe(0);
    expect(await offered(rc, 0)).toBe(inMemory);
  });

  it("moves its heartbeat within each second, and its generation with each start", async () => {
    const { rc, endpoint } = await connect(ram);
    const generations = new Set([0, rc.reg(REG.generation)]);
    for (let beat = 0; beat < 2; beat++) {
      const last = rc.reg(REG.heartbeat);
      await until("a heartbeat", () => rc.reg(REG.heartbeat) !== last, 1500);
    }
    for (let n = 0; n < 4; n++) {
      await within("stopping", endpoint.stop());
      expect(rc.reg(REG.magic)).not.toBe(MAGIC);
      await within("starting", endpoint.start());
      generations.add(rc.reg(REG.generation));
    }
    expect(generations.size).toBe(6);
  });

  it.each([
    ["in memory", undefined],
    ["in a file", "file"],
  ])("serves each operation that is offered, on a disc %s", async (_, file) => {
    const before = pattern(RAM_BYTES, 70);
    const { rc, path } = file
      ? await connectFile(before)
      : { rc: await connectRam(), path: undefined };
    const features = await offered(rc);
    const queue = await start(rc); // enables bits that are not offered, too: ignored
    await roundTrip(rc, queue, 0, before);
    const addr = rc.place(pattern(8 * SECTOR, 71));
    const len = 8 * SECTOR;
    const fua = { op: OP.write, sector: 8, addr, len, flags: IN_USE | FUA };
    const requests: readonly [need: number, request: Transfer][] = [
      [FEATURE.fua, fua],
      [FEATURE.flush, { op: OP.flush, sector: 0, addr: 0, len: 0 }],
      [FEATURE.writeZeroes, { op: OP.writeZeroes, sector: 32, addr: 0, len }],
      [FEATURE.writeZeroes, { op: OP.writeZeroes, sector: 1047, addr: 0, len: SECTOR }],
      [FEATURE.discard, { op: OP.discard, sector: 64, addr: 0, len }],
    ];
    for (const [need, request] of requests) {
      const due = (features & need) === 0 ? BLK.notSupp : BLK.ok;
      expect([request, await queue.one(request)]).toEqual([request, due]);
    }
    const after = before.slice();
    if ((features & FEATURE.fua) !== 0) after.set(pattern(len, 71), 8 * SECTOR);
    if ((features & FEATURE.writeZeroes) !== 0) {
      after.fill(0, 32 * SECTOR, 40 * SECTOR).fill(0, 1047 * SECTOR, 1048 * SECTOR);
    }
    const to = rc.allocate(RAM_BYTES);
    expect(await queue.one({ op: OP.read, sector: 0, addr: to, len: RAM_BYTES })).toBe(BLK.ok);
    const [now, due] = [rc.memory.bytes(to, RAM_BYTES).slice(), after.slice()];
    for (const bytes of [now, due]) bytes.fill(0, 64 * SECTOR, 72 * SECTOR); // anything may be there
    expect(sameBytes(now, due)).toBe(true);
    if (path !== undefined) expect(sameBytes(await readFile(path), after)).toBe(true);
  });

  it("zeroes 1 MiB by one descriptor", async () => {
    const { rc, path } = await connectFile(pattern(MAX_LEN + 2 * SECTOR, 72));
    const queue = await start(rc);
    const zeroes = { op: OP.writeZeroes, sector: 1, addr: 0, len: MAX_LEN };
    expect(await queue.one(zeroes)).toBe(BLK.ok);
    const due = pattern(MAX_LEN + 2 * SECTOR, 72).fill(0, SECTOR, SECTOR + MAX_LEN);
    expect(sameBytes(await readFile(path), due)).toBe(true);
  });

  it("answers NOTSUPP to all that was not enabled, and serves just what was", async () => {
    const { rc } = await connectFile(new Uint8Array(RAM_BYTES));
    const features = await offered(rc);
    const addr = rc.allocate(SECTOR);
    for (const enabled of [0, ...Object.values(FEATURE)]) {
      const bells = FEATURE.doorbell | enabled;
      const queue = await start(rc, { features: bells });
      rc.enable(EVERYTHING); // too late: it was copied
      for (const [needs, request] of operations(addr)) {
        const due = (needs & ~(bells & features)) === 0 ? BLK.ok : BLK.notSupp;
        const asked = [enabled, request];
        expect([asked, await queue.one(request)]).toEqual([asked, due]);
      }
      await rc.succeed(CMD.stop, { devIdx: 0 });
    }
  });

  it("checks the operations in the page's order, and goes on", async () => {
    const { rc, bus } = await connectFile(new Uint8Array(RAM_BYTES));
    const queue = await start(rc);
    const answers: [string, number][] = [];
    const cases = badExtended(RAM_BYTES / SECTOR, rc.allocate(SECTOR), bus.bar);
    for (const [name, request] of cases) answers.push([name, await queue.one(request)]);
    expect(answers).toEqual(cases.map(([name, , status]) => [name, status]));
    await roundTrip(rc, queue, 1, pattern(SECTOR, 73));
  });

  it("changes nothing on a disc that may only be read, and may be flushed", async () => {
    const before = pattern(64 * SECTOR, 74);
    const { rc, path } = await connectFile(before, { readOnly: true });
    const features = await offered(rc);
    const queue = await start(rc);
    const addr = rc.allocate(SECTOR);
    for (const [needs, request] of operations(addr)) {
      const changes = request.op !== OP.read && request.op !== OP.flush;
      const refused = changes ? BLK.protection : BLK.ok;
      const due = (needs & ~features) === 0 ? refused : BLK.notSupp;
      expect([request, await queue.one(request)]).toEqual([request, due]);
    }
    expect(sameBytes(await readFile(path), before)).toBe(true);
  });

  it("refuses misplaced doorbell blocks, and takes good ones after", async () => {
    const { rc } = await connect(async (endpoint, bus) => {
      await ram(endpoint, bus);
      await endpoint.exportDisc("ram1", MemoryDisc.create(bus, SECTOR));
    });
    rc.enable(EVERYTHING);
    const taken = withDoorbell(plainShape(4096, 64));
    await rc.setQueue(1, taken);
    for (const [name, queue] of badDoorbells(rc.reg(REG.availableQsize), taken)) {
      const status = await rc.command(CMD.setQueue | CMD.start, { devIdx: 0, qidx: 0, queue });
      expect([name, status]).toEqual([name, STATUS.error | STATUS.queueInvalid]);
    }
    expect(await rc.command(CMD.start, { devIdx: 0 })).toBe(STATUS.error); // none was taken
    const offset = Math.floor((rc.reg(REG.availableQsize) - SMALL.size) / 64) * 64;
    for (const shape of [{ ...SMALL, offset }, withDoorbell(oddShape(8192, 100))]) {
      await roundTrip(rc, await start(rc, { shape }), 0, pattern(SECTOR, 75));
      await rc.succeed(CMD.stop, { devIdx: 0 });
    }
  });

  it.each([
    ["plain", SMALL],
    ["odd", withDoorbell(oddShape(64, 33))],
    ["largest that fits", withDoorbell(plainShape(64, 4000))],
    ["in a longer qsize", { ...SMALL, size: SMALL.size + 200 }],
  ])("sleeps when idle, until the bell: %s queue", async (_, shape) => {
    const rc = await connectRam();
    const queue = await start(rc, { shape });
    const request = { op: OP.read, sector: 0, addr: rc.allocate(SECTOR), len: SECTOR };
    for (let n = 0; n < 3; n++) {
      await asleep(queue);
      await pause(50); // its last look at the ring comes after `sleeping` is set
      queue.submit(request, false);
      await pause(150);
      expect(queue.collect()).toEqual([]); // it really sleeps
      expect(queue.asleep).toBe(true);
      queue.ring();
      expect((await queue.completions(1)).map(({ status }) => status)).toEqual([BLK.ok]);
    }
  });

  it("is woken a thousand times, after pauses of any length, and never missed", async () => {
    const rc = await connectRam();
    const queue = await start(rc);
    const addr = rc.place(pattern(SECTOR, 76));
    const request = { op: OP.write, sector: 0, addr, len: SECTOR };
    for (let n = 0; n < 1000; n++) {
      const length = Math.random();
      if (length < 0.1) await pause(length * 50);
      const end = performance.now() + length * 0.3; // about as long as it looks before it sleeps
      while (performance.now() < end);
      queue.submit({ ...request, sector: n % 2048 });
      // Less than a second: an endpoint that looks by itself from time to time is not woken.
      const done = until(`wake-up ${n}`, () => queue.collect()[0], 800);
      expect((await done).status).toBe(BLK.ok);
    }
    expect(queue.rings).toBeGreaterThan(50);
    expect(queue.rings).toBeLessThanOrEqual(1000);
  });

  it("takes commands by their bell", async () => {
    const rc = await connectRam();
    rc.enable(FEATURE.doorbell);
    await rc.sectors(0); // whichever way: from here on it sleeps
    const start = performance.now();
    for (let n = 0; n < 100; n++) {
      await until("the command handler's sleep", () => rc.reg(REG.commandSleeping) !== 0);
      if (n % 3 === 0) await pause(Math.random() * 10);
      expect(await rc.sectors(0)).toBe(BigInt(RAM_BYTES / SECTOR));
    }
    expect(rc.rings).toBeGreaterThanOrEqual(100);
    expect(performance.now() - start).toBeLessThan(20_000); // twice a second would take 50 s
    rc.enable(0);
    const rang = rc.rings;
    for (let n = 0; n < 5; n++) await rc.sectors(0);
    expect(rc.rings).toBe(rang);
  });

  it("raises a vector that was masked once it is unmasked and the bell is rung", async () => {
    const rc = await connectRam();
    const vector = rc.vector(5, VECTORS);
    vector.program(505, true);
    await rc.succeed(CMD.setIrq, { devIdx: 0, qidx: 0, irq: 5 });
    const queue = await start(rc);
    await roundTrip(rc, queue, 0, pattern(SECTOR, 77));
    await until("the pending bit", () => vector.pending);
    await asleep(queue);
    vector.unmask();
    queue.ring();
    await until("the interrupt", () => vector.value === 505);
    expect(vector.pending).toBe(false);
  });

  it("announces another size, answers it, and checks requests against it", async () => {
    const { rc, endpoint } = await connectFile(new Uint8Array(64 * SECTOR));
    const queue = await start(rc);
    const vector = rc.vector(7, VECTORS);
    vector.program(777, false);
    await rc.succeed(CMD.setIrq, { devIdx: 0, qidx: EVENTS, irq: 7 });
    const addr = rc.allocate(SECTOR);
    const at = (sector: number) => queue.one({ op: OP.read, sector, addr, len: SECTOR });
    expect(await at(64)).toBe(BLK.inval);
    for (const sectors of [200, 32, 64]) {
      const raised = vector.raised();
      await within("resizeDisc", endpoint.resizeDisc("file", sectors * SECTOR));
      expect(await raised).toBe(777);
      vector.acknowledge();
      expect(await rc.sectors(0)).toBe(BigInt(sectors));
      expect([await at(sectors - 1), await at(sectors)]).toEqual([BLK.ok, BLK.inval]);
    }
    vector.program(778, true);
    await within("resizeDisc", endpoint.resizeDisc("file", 128 * SECTOR));
    await until("the pending bit", () => vector.pending);
    expect(vector.value).toBe(0);
    expect(await at(127)).toBe(BLK.ok);
  });

  it.each([0, EVERYTHING & ~FEATURE.resize])(
    "has no vector for events without RESIZE: %i is enabled",
    async (features) => {
      const { rc, endpoint } = await connectFile(new Uint8Array(64 * SECTOR));
      await start(rc, { features });
      const args = { devIdx: 0, qidx: EVENTS, irq: 1 };
      expect(await rc.command(CMD.setIrq, args)).toBe(STATUS.error);
      await within("resizeDisc", endpoint.resizeDisc("file", 65 * SECTOR));
      expect(await rc.sectors(0)).toBe(65n);
    },
  );

  it("says that it is gone, and is attached again once it is back", async () => {
    const { rc, endpoint } = await connect(ram);
    const vector = rc.vector(3, VECTORS);
    vector.program(303, false);
    await rc.succeed(CMD.setIrq, { devIdx: 0, qidx: 0, irq: 3 });
    const queue = await start(rc);
    await roundTrip(rc, queue, 0, pattern(SECTOR, 78));
    await asleep(queue);
    vector.acknowledge();
    const generation = rc.reg(REG.generation);
    await within("stopping", endpoint.stop());
    expect(queue.published).toBe(GONE);
    expect(vector.value).toBe(303);
    await within("starting", endpoint.start());
    expect(rc.reg(REG.generation)).not.toBe(generation);
    await rc.devices();
    expect(await rc.command(CMD.stop, { devIdx: 0 })).toBe(STATUS.error);
    await rc.sectors(0);
    await roundTrip(rc, await start(rc), 0, pattern(SECTOR, 79));
  });

  it.each([
    ["enabled", FEATURE.doorbell, true],
    ["enabled, without doorbells", FEATURE.flush, true],
    ["not enabled", 0, false],
  ])("writes 0xffff to a queue that it stopped, section 5 %s: %#", async (_, features, says) => {
    const rc = await connectRam();
    const queue = await start(rc, { features });
    queue.publishRaw(16, 1);
    if (says) await until("the idx that says so", () => queue.gone);
    await pause(50);
    expect(queue.published).toBe(says ? GONE : 0);
    await rc.succeed(CMD.stop, { devIdx: 0 });
    await roundTrip(rc, await start(rc), 0, pattern(SECTOR, 80));
  });

  it("polls a queue that has flushes and no doorbell", async () => {
    const { rc } = await connectFile(new Uint8Array(RAM_BYTES));
    const queue = await start(rc, { features: FEATURE.flush, shape: oddShape(1000, 16) });
    for (let n = 0; n < 3; n++) {
      await roundTrip(rc, queue, n, pattern(SECTOR, 81));
      expect(await queue.one({ op: OP.flush, sector: 0, addr: 0, len: 0 })).toBe(BLK.ok);
      await pause(30);
    }
  });

  it("gives a plain root complex sections 1 to 3 after one that knew section 5", async () => {
    const rc = await connectRam();
    await roundTrip(rc, await start(rc), 0, pattern(SECTOR, 82));
    await rc.succeed(CMD.stop, { devIdx: 0 });
    rc.enable(0);
    const bells = rc.reg(REG.commandBell);
    const shape = plainShape(8, 16);
    const behind = rc.memory.bytes(rc.spaceStart + shape.offset + shape.size, 256).fill(0xa5);
    const queue = await start(rc, { features: 0, shape });
    const addr = rc.allocate(SECTOR);
    for (let n = 0; n < 3; n++) {
      await pause(50); // time to fall asleep, which it must not
      for (const [needs, request] of operations(addr)) {
        const due = needs === 0 ? BLK.ok : BLK.notSupp;
        expect([request, await queue.one(request)]).toEqual([request, due]);
      }
    }
    await rc.succeed(CMD.stop, { devIdx: 0 });
    expect(behind.every((byte) => byte === 0xa5)).toBe(true);
    expect([rc.reg(REG.extEnabled), rc.reg(REG.commandBell)]).toEqual([0, bells]);
  });

  it("is not brought down by a root complex that writes to its generation, and puts it right", async () => {
    const { rc } = await connect(ram);
    const queue = await start(rc);
    const generation = rc.reg(REG.generation);
    rc.memory.store32(rc.bar + REG.generation, generation + 1);
    await roundTrip(rc, queue, 0, pattern(SECTOR, 83));
    await until("the generation is right", () => rc.reg(REG.generation) === generation);
    await rc.succeed(CMD.getDevices, {});
    await roundTrip(rc, queue, 0, pattern(SECTOR, 84));
  });

  it.each([
    ["takes over a link whose heartbeat stands still", false],
    ["takes over no link whose heartbeat moves", true],
  ])("%s", async (_, alive) => {
    const { bus, endpoint } = await libraryEndpoint(engine);
    const other = serveOn(bus, [], { extension: { generation: 77 } });
    const reg = (at: number): number => other.memory.load32(bus.bar.offset + at);
    await ram(endpoint, bus);
    await until("heartbeats", () => reg(REG.heartbeat) > 20);
    if (!alive) other.stop();
    const started = within("starting", endpoint.start());
    if (alive) await expect(started).rejects.toMatchObject({ code: "ERR_BLOCKPT_STATE" });
    else await started;
    expect([reg(REG.magic), reg(REG.generation) === 77]).toEqual([MAGIC, alive]);
  });
});
