/**
 * Owns the proof that our endpoint can be driven by a root complex that knows
 * docs/protocol.md only: every access here goes through foreign-root-complex.ts.
 */

import { readFile } from "node:fs/promises";
import { MemoryDisc } from "blockpt";
import { describe, expect, it } from "vitest";
import { busyTogether, pieces, roundTrip } from "./exercises.js";
import type { ForeignRootComplex } from "./foreign-root-complex.js";
import {
  connectTo,
  type ExportAll,
  fileDisc,
  RAM_BYTES,
  ram,
  scratchFile,
  VECTORS,
} from "./library-endpoint.js";
import {
  BLK,
  CMD,
  MAX_LEN,
  OP,
  pattern,
  REG,
  SECTOR,
  STATUS,
  sameBytes,
  until,
  within,
} from "./protocol.js";
import { oddShape, plainShape } from "./queue-shape.js";
import { refusalTests } from "./refusal-tests.js";

describe.each(["wasm", "typescript"] as const)("a foreign root complex, %s engine", (engine) => {
  const connect = (exportAll: ExportAll, barBytes?: number) =>
    connectTo(engine, exportAll, barBytes);
  const connectRam = async (): Promise<ForeignRootComplex> => (await connect(ram)).rc;

  it("finds the magic and the layout the page gives", async () => {
    const { rc, bus } = await connect(ram);
    expect(rc.bar).toBe(bus.bar.offset);
    expect(rc.reg(REG.queueBarOffset)).toBe(1152);
    // 131072 - 1152 - 64 vectors of 16 bytes - 8 bytes of pending bits
    expect(rc.reg(REG.availableQsize)).toBe(131072 - 1152 - 1024 - 8);
    expect(rc.reg(REG.maxDevs)).toBe(16);
    expect(rc.reg(REG.command)).toBe(0);
    for (let irq = 1; irq <= VECTORS; irq++) expect(rc.vector(irq, VECTORS).masked).toBe(true);
  });

  it("lists the discs, their sectors, queues and permissions", async () => {
    const path = await scratchFile(pattern(96 * SECTOR, 1));
    const { rc } = await connect(async (endpoint, bus) => {
      await ram(endpoint, bus);
      const readOnly = { discName: "/dev/nvme0n1", readOnly: true, queues: 2 };
      await endpoint.exportDisc("nvme0", await fileDisc(path), readOnly);
    });
    expect(await rc.deviceText()).toBe("/dev/ram0;/dev/nvme0n1;");
    expect(await rc.devices()).toEqual(["/dev/ram0", "/dev/nvme0n1"]);
    expect(await rc.sectors(0)).toBe(BigInt(RAM_BYTES / SECTOR));
    expect(rc.reg(REG.numQueues)).toBe(1);
    expect(await rc.sectors(1)).toBe(96n);
    expect(rc.reg(REG.numQueues)).toBe(2);
    expect((await rc.permission(0)) & 1).toBe(0);
    expect((await rc.permission(1)) & 1).toBe(1);
    expect((await rc.permission(0)) & 1).toBe(0);
  });

  it("answers several bits in one write, each with its own register", async () => {
    const rc = await connectRam();
    await rc.succeed(CMD.getPermission | CMD.numSectors | CMD.getDevices, { devIdx: 0 });
    expect(rc.numSectors).toBe(BigInt(RAM_BYTES / SECTOR));
    expect(rc.memory.view.getUint8(rc.bar + REG.devName)).toBe("/".charCodeAt(0));
  });

  it("writes and reads a memory disc after three separate commands", async () => {
    const rc = await connectRam();
    rc.vector(1, VECTORS).program(1, false);
    await rc.succeed(CMD.setIrq, { devIdx: 0, qidx: 0, irq: 1 });
    const queue = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    await roundTrip(rc, queue, 0, pattern(SECTOR, 2));
    await roundTrip(rc, queue, 7, pattern(8 * SECTOR, 3));
    await roundTrip(rc, queue, RAM_BYTES / SECTOR - 1, pattern(SECTOR, 4));
    await roundTrip(rc, queue, 0, pattern(MAX_LEN, 5));
  });

  it("writes and reads a file disc after one combined command", async () => {
    const before = pattern(2 << 20, 6);
    const path = await scratchFile(before);
    const { rc } = await connect(async (endpoint) =>
      endpoint.exportDisc("nvme0", await fileDisc(path), { discName: "/dev/nvme0n1" }),
    );
    const queue = rc.queue(oddShape(4096, 100));
    const bits = CMD.setIrq | CMD.setQueue | CMD.start;
    await rc.succeed(bits, { devIdx: 0, qidx: 0, irq: VECTORS, queue: queue.shape });
    const to = rc.allocate(MAX_LEN);
    const read = { op: OP.read, sector: 1, addr: to, len: MAX_LEN };
    expect(await queue.one(read)).toBe(BLK.ok);
    const expected = before.subarray(SECTOR, SECTOR + MAX_LEN);
    expect(sameBytes(rc.memory.bytes(to, MAX_LEN), expected)).toBe(true);

    const data = pattern(24 * SECTOR, 7);
    await roundTrip(rc, queue, 33, data);
    await rc.succeed(CMD.stop, { devIdx: 0 });
    before.set(data, 33 * SECTOR);
    expect(sameBytes(await readFile(path), before)).toBe(true);
  });

  it("serves num_desc - 1 outstanding requests on rings at odd places", async () => {
    const rc = await connectRam();
    const queue = await rc.setQueue(0, oddShape(1000, 256));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const data = pattern(255 * 8 * SECTOR, 8);
    const from = rc.place(data);
    const to = rc.allocate(data.length);
    for (const [op, addr] of [[OP.write, from] as const, [OP.read, to] as const]) {
      for (const piece of pieces(op, 0, addr, data.length, 8 * SECTOR)) queue.submit(piece);
      expect(queue.room).toBe(0);
      const done = await queue.completions(255);
      expect(done.filter(({ status }) => status !== BLK.ok)).toEqual([]);
    }
    expect(sameBytes(rc.memory.bytes(to, data.length), data)).toBe(true);
  });

  it("keeps every request apart while small rings turn many times", async () => {
    const rc = await connectRam();
    const queue = await rc.setQueue(0, plainShape(0, 17));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const data = pattern(RAM_BYTES, 9);
    const [from, to] = [rc.place(data), rc.allocate(RAM_BYTES)];
    for (const [op, addr] of [[OP.write, from] as const, [OP.read, to] as const]) {
      const inOrder = pieces(op, 0, addr, RAM_BYTES, SECTOR);
      const shuffled = inOrder.flatMap((_, i) => inOrder[(i * 797) % inOrder.length] ?? []);
      expect(new Set(await queue.all(shuffled))).toEqual(new Set([BLK.ok]));
    }
    expect(queue.turns).toBeGreaterThan(200);
    expect(sameBytes(rc.memory.bytes(to, RAM_BYTES), data)).toBe(true);
  });

  it("drives the largest queue, whose indices need all 16 bits", async () => {
    const { rc } = await connect(ram, 2 << 20);
    const queue = await rc.setQueue(0, plainShape(0, 65535));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const data = pattern(SECTOR, 10);
    const addr = rc.place(data);
    const write = { op: OP.write, sector: 5, addr, len: SECTOR };
    expect(queue.submit(write)).toBe(65534);
    for (let i = 0; i < 65533; i++) queue.submit({ ...write, sector: i % 2048 });
    const first = await queue.completions(65534);
    expect(first.filter(({ status }) => status !== BLK.ok)).toEqual([]);
    await roundTrip(rc, queue, 5, data);
    expect(queue.turns).toBe(1);
  });

  it("serves requests that were on the ring before START", async () => {
    const rc = await connectRam();
    const queue = await rc.setQueue(0, plainShape(64, 16));
    const addr = rc.place(pattern(SECTOR, 11));
    for (let i = 0; i < 15; i++) queue.submit({ op: OP.write, sector: i, addr, len: SECTOR });
    expect(await rc.sectors(0)).toBe(BigInt(RAM_BYTES / SECTOR));
    expect(queue.collect()).toEqual([]);
    await rc.succeed(CMD.start, { devIdx: 0 });
    expect((await queue.completions(15)).every(({ status }) => status === BLK.ok)).toBe(true);
  });

  it("raises an unmasked vector: its data at its address, and a notify", async () => {
    const rc = await connectRam();
    const vector = rc.vector(VECTORS, VECTORS);
    vector.program(0xdecade01, false);
    await rc.succeed(CMD.setIrq, { devIdx: 0, qidx: 0, irq: VECTORS });
    const queue = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const addr = rc.place(pattern(SECTOR, 12));
    for (let turn = 0; turn < 40; turn++) {
      vector.acknowledge();
      let raised = vector.raised(); // sleeps: no look at the rings until it is written
      queue.submit({ op: OP.write, sector: turn, addr, len: SECTOR });
      for (;;) {
        expect(await raised).toBe(0xdecade01);
        vector.acknowledge();
        const done = queue.collect().map(({ status }) => status);
        if (done.length > 0) {
          expect(done).toEqual([BLK.ok]);
          break;
        }
        raised = vector.raised(); // "at least once": that was the last publication's second
      }
    }
    expect(vector.pending).toBe(false);
  });

  it("keeps a masked vector pending, and delivers it once it is unmasked", async () => {
    const rc = await connectRam();
    const addr = rc.place(pattern(SECTOR, 13));
    for (const irq of [1, 8, 9, VECTORS]) {
      const vector = rc.vector(irq, VECTORS);
      vector.program(irq + 77, true);
      const queue = rc.queue(plainShape(0, 16));
      const bits = CMD.setIrq | CMD.setQueue | CMD.start;
      await rc.succeed(bits, { devIdx: 0, qidx: 0, irq, queue: queue.shape });
      expect(await queue.one({ op: OP.write, sector: 0, addr, len: SECTOR })).toBe(BLK.ok);
      await until("the pending bit", () => vector.pending);
      expect(vector.value).toBe(0);
      const raised = vector.raised();
      vector.unmask();
      expect(await raised).toBe(irq + 77);
      await until("the pending bit to clear", () => !vector.pending);
      await rc.succeed(CMD.stop, { devIdx: 0 });
    }
  });

  it("drains outstanding requests before it answers STOP", async () => {
    const path = await scratchFile(new Uint8Array(8 << 20));
    const { rc } = await connect(async (endpoint) =>
      endpoint.exportDisc("nvme0", await fileDisc(path), { discName: "/dev/nvme0n1" }),
    );
    const queue = await rc.setQueue(0, plainShape(0, 32));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const len = 256 * 1024;
    const data = pattern(31 * len, 14);
    const from = rc.place(data);
    for (let i = 0; i < 31; i++) {
      queue.submit({ op: OP.write, sector: (i * len) / SECTOR, addr: from + i * len, len });
    }
    await rc.succeed(CMD.stop, { devIdx: 0 });
    const done = queue.collect(); // one look: nothing may come after the answer
    expect(done.map(({ status }) => status)).toEqual(new Array(31).fill(BLK.ok));
    expect(sameBytes((await readFile(path)).subarray(0, data.length), data)).toBe(true);
  });

  it("starts, stops and starts again, with its rings from zero", async () => {
    const rc = await connectRam();
    expect(await rc.command(CMD.stop, { devIdx: 0 })).toBe(STATUS.error);
    expect(await rc.command(CMD.start, { devIdx: 0 })).toBe(STATUS.error); // no queue yet
    for (let turn = 0; turn < 5; turn++) {
      const queue = await rc.setQueue(0, plainShape(turn * 8, 16 + turn));
      await rc.succeed(CMD.start, { devIdx: 0 });
      expect(await rc.command(CMD.start, { devIdx: 0 })).toBe(STATUS.error);
      await roundTrip(rc, queue, turn, pattern(SECTOR, 15 + turn));
      await rc.succeed(CMD.stop, { devIdx: 0 });
      queue.submit({ op: OP.read, sector: 0, addr: rc.allocate(SECTOR), len: SECTOR });
      expect(await rc.command(CMD.stop, { devIdx: 0 })).toBe(STATUS.error);
      // STOP forgot the queue, so there is none to start and none to serve.
      expect(await rc.command(CMD.start, { devIdx: 0 })).toBe(STATUS.error);
      expect(queue.collect()).toEqual([]);
    }
  });

  it("serves two discs at once, each on its own queue and vector", async () => {
    const path = await scratchFile(new Uint8Array(RAM_BYTES));
    const { rc } = await connect(async (endpoint, bus) => {
      await ram(endpoint, bus);
      await endpoint.exportDisc("nvme0", await fileDisc(path), { discName: "/dev/nvme0n1" });
    });
    const data = pattern(RAM_BYTES, 22);
    const both = { qidx: 0, firstSector: 0 };
    await busyTogether(rc, VECTORS, [
      { ...both, devIdx: 0, shape: plainShape(0, 32), irq: 3, data: pattern(RAM_BYTES, 21) },
      { ...both, devIdx: 1, shape: oddShape(8192, 64), irq: 4, data },
    ]);
    await rc.succeed(CMD.stop, { devIdx: 1 });
    expect(sameBytes(await readFile(path), data)).toBe(true);
  });

  it("serves both queues of a disc that has two", async () => {
    const { rc } = await connect(async (endpoint, bus) =>
      endpoint.exportDisc("ram0", MemoryDisc.create(bus, 2 * RAM_BYTES), {
        discName: "/dev/ram0",
        queues: 2,
      }),
    );
    const [first, second] = [pattern(RAM_BYTES, 23), pattern(RAM_BYTES, 24)];
    const half = RAM_BYTES / SECTOR;
    await busyTogether(rc, VECTORS, [
      { devIdx: 0, qidx: 1, shape: oddShape(0, 20), irq: 64, firstSector: 0, data: first },
      { devIdx: 0, qidx: 0, shape: plainShape(16384, 40), irq: 9, firstSector: half, data: second },
    ]);
    await rc.succeed(CMD.stop, { devIdx: 0 });
  });

  it.each([
    ["its export", { export: true }],
    ["its file", { file: true }],
  ])("answers a write with PROTECTION when %s is read-only", async (_, readOnly) => {
    const before = pattern(64 * SECTOR, 25);
    const path = await scratchFile(before);
    const { rc } = await connect(async (endpoint) =>
      endpoint.exportDisc("nvme0", await fileDisc(path, { readOnly: "file" in readOnly }), {
        discName: "/dev/nvme0n1",
        ...("export" in readOnly ? { readOnly: true } : {}),
      }),
    );
    expect((await rc.permission(0)) & 1).toBe(1);
    const queue = await rc.setQueue(0, plainShape(0, 16));
    await rc.succeed(CMD.start, { devIdx: 0 });
    const addr = rc.place(pattern(SECTOR, 26));
    expect(await queue.one({ op: OP.write, sector: 3, addr, len: SECTOR })).toBe(BLK.protection);
    expect(await queue.one({ op: OP.read, sector: 3, addr, len: SECTOR })).toBe(BLK.ok);
    const expected = before.subarray(3 * SECTOR, 4 * SECTOR);
    expect(sameBytes(rc.memory.bytes(addr, SECTOR), expected)).toBe(true);
    expect(sameBytes(await readFile(path), before)).toBe(true);
  });

  refusalTests(async (discs) => {
    const { rc, bus } = await connect(async (endpoint, bus) => {
      for (const [n, { sectors, readOnly }] of discs.entries()) {
        const disc = MemoryDisc.create(bus, sectors * SECTOR);
        const options = { discName: `/dev/ram${n}`, readOnly: readOnly ?? false };
        await endpoint.exportDisc(`ram${n}`, disc, options);
      }
    });
    return { rc, host: bus.hostMemory, bar: bus.bar, vectors: VECTORS };
  });

  it("counts dev_idx in the list that GET_DEVICES returned", async () => {
    const { rc, endpoint } = await connect(async (endpoint, bus) => {
      for (const n of [1, 2, 3]) {
        const disc = MemoryDisc.create(bus, n * SECTOR);
        await endpoint.exportDisc(`ram${n}`, disc, { discName: `/dev/ram${n}` });
      }
    });
    expect(await rc.devices()).toEqual(["/dev/ram1", "/dev/ram2", "/dev/ram3"]);
    await within("unexportDisc", endpoint.unexportDisc("ram2"));
    expect(await rc.sectors(2)).toBe(3n); // the list that was returned still counts
    expect(await rc.command(CMD.numSectors, { devIdx: 1 })).toBe(STATUS.error);
    expect(await rc.devices()).toEqual(["/dev/ram1", "/dev/ram3"]);
    expect(await rc.sectors(1)).toBe(3n);
    expect(await rc.command(CMD.numSectors, { devIdx: 2 })).toBe(STATUS.error);
  });

  it("fills dev_name with the longest list there can be, and refuses other names", async () => {
    const names = Array.from({ length: 16 }, (_, n) => `/dev/${"x".repeat(56)}${10 + n}`);
    const { rc } = await connect(async (endpoint, bus) => {
      const refused = [`/dev/${"x".repeat(59)}`, "/dev/a;b", "/dev/a\0b", names[0] ?? ""];
      const add = (name: string, discName: string): Promise<unknown> =>
        endpoint.exportDisc(name, MemoryDisc.create(bus, SECTOR), { discName });
      for (const [n, discName] of names.entries()) await add(`d${n}`, discName);
      await expect(add("d16", "/dev/seventeenth")).rejects.toThrow();
      await endpoint.unexportDisc("d15");
      for (const discName of refused) await expect(add("other", discName)).rejects.toThrow();
      await add("d15", names[15] ?? "");
    });
    expect(await rc.deviceText()).toBe(`${names.join(";")};`);
    expect(await rc.sectors(15)).toBe(1n);
  });
});
