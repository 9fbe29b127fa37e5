/**
 * Owns the proof that our root complex can use an endpoint that knows
 * docs/protocol.md only. Each test ends with a look at what that endpoint noted
 * against the page (ForeignEndpoint.violations): it must be nothing.
 */

import { RootComplex } from "blockpt";
import { describe, expect, it } from "vitest";
import type { ForeignDisc, ForeignOptions } from "./foreign-endpoint.js";
import { attach, held, memory, read, refusal, serve } from "./library-root-complex.js";
import {
  BLK,
  CMD,
  MAX_LEN,
  OP,
  pattern,
  REG,
  retried,
  SECTOR,
  sameBytes,
  until,
  within,
} from "./protocol.js";

describe.each(["wasm", "typescript"] as const)("a foreign endpoint, %s engine", (engine) => {
  async function connect(discs: readonly ForeignDisc[], options: ForeignOptions = {}) {
    const { bus, endpoint } = await serve(engine, discs, options);
    const rc = await within("RootComplex.probe", RootComplex.probe(bus));
    return { bus, endpoint, rc };
  }

  it("is found by its magic, and its discs are listed", async () => {
    const { rc } = await connect([memory("/dev/nvme0n1", 8192), memory("/dev/ram0", 512)]);
    expect(rc.devices).toEqual(["/dev/nvme0n1", "/dev/ram0"]);
  });

  it("is not taken for one when the magic is wrong", async () => {
    const { bus, endpoint } = await serve(engine, [memory("/dev/ram0", 8192)]);
    endpoint.memory.store32(bus.bar.offset + REG.magic, 0x636f6e75);
    await refusal("RootComplex.probe", RootComplex.probe(bus, { commandTimeoutMs: 1000 }));
    expect(endpoint.commands).toEqual([]);
  });

  it("is attached: permission, sectors, a queue at the start of descriptor space", async () => {
    const { rc, endpoint } = await connect([
      memory("/dev/ram0", 8192),
      memory("/dev/nvme0n1", 64 * SECTOR),
    ]);
    const disk = await attach(rc, "nvme0n1", { numDescriptors: 256 });
    expect([disk.sizeBytes, disk.readOnly, disk.inFlight]).toEqual([64 * SECTOR, false, 0]);
    expect(Number(disk.sectors)).toBe(64);
    const queues = endpoint.commands.filter(({ bits }) => (bits & CMD.setQueue) !== 0);
    expect(queues).toMatchObject([{ devIdx: 1, qidx: 0, offset: 0, numDesc: 256 }]);
    const seen = endpoint.commands.reduce((all, { bits }) => all | bits, 0);
    const due = CMD.setQueue | CMD.start | CMD.numSectors | CMD.getPermission | CMD.getDevices;
    expect(seen & due).toBe(due);
  });

  it("is read and written, in pieces that a descriptor may have", async () => {
    const disc = memory("/dev/nvme0n1", 6 << 20);
    const { rc, endpoint } = await connect([disc]);
    const disk = await attach(rc, "nvme0n1", { numDescriptors: 32 });
    const data = pattern(3 * MAX_LEN + SECTOR, 50);
    await within("writing", disk.write(data, 5 * SECTOR));
    expect(sameBytes(disc.data.subarray(5 * SECTOR, 5 * SECTOR + data.length), data)).toBe(true);
    expect(sameBytes(await read(disk, disc.data.length, 0), disc.data)).toBe(true);
    const end = disc.data.length - SECTOR;
    expect(sameBytes(await read(disk, SECTOR, end), disc.data.subarray(end))).toBe(true);
    expect(endpoint.requests.length).toBeGreaterThanOrEqual(4 + 6 + 1);
    expect(disk.inFlight).toBe(0);
    for (const queue of new Set(endpoint.requests.map((request) => request.queue))) {
      expect(endpoint.inUse(queue)).toBe(0); // every descriptor was cleared
    }
  });

  it("may complete in any order, with more requests waiting than descriptors", async () => {
    const disc = memory("/dev/ram0", 200 * SECTOR);
    const { rc, endpoint } = await connect([disc]);
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    endpoint.decide = () => "hold";
    // From the last to the first: what follows another is merged with it.
    const reads = Array.from({ length: 200 }, (_, n) => read(disk, SECTOR, (199 - n) * SECTOR));
    const all = within("200 reads", Promise.all(reads));
    let settled = false;
    const done = all.finally(() => {
      settled = true;
    });
    let most = 0;
    await until("every read to be served", () => {
      most = Math.max(most, endpoint.held.length);
      const step = endpoint.held.length > 4 ? 3 : 1;
      for (const request of [...endpoint.held].reverse().filter((_, n) => n % step === 0)) {
        endpoint.complete(request);
      }
      return settled;
    });
    for (const [n, bytes] of (await done).entries()) {
      const due = disc.data.subarray((199 - n) * SECTOR, (200 - n) * SECTOR);
      expect([n, sameBytes(bytes, due)]).toEqual([n, true]);
    }
    expect(most).toBe(15); // num_desc - 1: all that may be outstanding, and no more
  });

  it.each([
    ["MEDIUM", BLK.medium],
    ["NOTSUPP", BLK.notSupp],
    ["PROTECTION", BLK.protection],
    ["IOERR", BLK.ioErr],
    ["INVAL", BLK.inval],
    ["a number that the page does not list", 200],
  ])("fails one request with %s and serves the next", async (_, status) => {
    const disc = memory("/dev/ram0", 4 << 20);
    const { rc, endpoint } = await connect([disc]);
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    endpoint.decide = ({ sector, len }) =>
      sector <= 3000n && 3000n < sector + BigInt(len / SECTOR) ? status : undefined;
    for (const failing of [
      disk.read(new Uint8Array(SECTOR), 3000 * SECTOR),
      disk.write(new Uint8Array(2 * SECTOR), 2999 * SECTOR),
      disk.read(new Uint8Array(4 << 20), 0), // of which one piece fails
    ]) {
      const error = await refusal("a failing request", failing);
      expect([error.code, error.blkStatus]).toEqual(["ERR_BLOCKPT_IO", status]);
    }
    const fine = await read(disk, SECTOR, 2998 * SECTOR);
    expect(sameBytes(fine, disc.data.subarray(2998 * SECTOR, 2999 * SECTOR))).toBe(true);
    await until("nothing in flight", () => disk.inFlight === 0);
  });

  it("is not asked to write a disc whose permission is read-only", async () => {
    const disc = memory("/dev/ram0", 8192, { readOnly: true });
    const { rc, endpoint } = await connect([memory("/dev/ram1", 8192), disc]);
    const disk = await attach(rc, "ram0");
    expect(disk.readOnly).toBe(true);
    await refusal("a write to a read-only disc", disk.write(pattern(SECTOR, 51), 0));
    expect(endpoint.requests.filter(({ op }) => op === OP.write)).toEqual([]);
    expect(sameBytes(await read(disk, 8192, 0), disc.data)).toBe(true);
    const other = await attach(rc, "ram1");
    expect(other.readOnly).toBe(false);
    await within("writing the other", other.write(pattern(SECTOR, 52), 0));
  });

  it("rejects what it never completes, and drops a completion that comes late", async () => {
    const disc = memory("/dev/ram0", 64 * SECTOR);
    const { rc, endpoint } = await connect([disc]);
    const disk = await attach(rc, "ram0", { numDescriptors: 16, requestTimeoutMs: 600 });
    endpoint.decide = () => "hold";
    const late = new Uint8Array(SECTOR).fill(0xaa);
    const error = await refusal("a read without an answer", disk.read(late, 0));
    expect(error.code).toBe("ERR_BLOCKPT_TIMEOUT");
    const first = endpoint.held[0];
    if (first === undefined) throw new Error("the read never reached the endpoint");

    // Memory that a late read may still write must not be another request's by now.
    const next = [3, 2, 1].map((n) => read(disk, SECTOR, n * SECTOR));
    const settled = Promise.all(next);
    await held(endpoint, 4);
    for (const request of endpoint.held.slice(1)) endpoint.complete(request);
    endpoint.complete(first);
    for (const [n, bytes] of (await settled).entries()) {
      const due = disc.data.subarray((3 - n) * SECTOR, (4 - n) * SECTOR);
      expect(sameBytes(bytes, due)).toBe(true);
    }
    expect(sameBytes(late, new Uint8Array(SECTOR).fill(0xaa))).toBe(true);
    endpoint.decide = () => undefined;
    for (let n = 0; n < 40; n++) await read(disk, SECTOR, n * SECTOR);
    expect(disk.inFlight).toBe(0);
    expect(endpoint.inUse(first.queue)).toBe(0);
  });

  it("gets its descriptors used again only after late completions of them all", async () => {
    const disc = memory("/dev/ram0", 64 * SECTOR);
    const { rc, endpoint } = await connect([disc]);
    const disk = await attach(rc, "ram0", { numDescriptors: 16, requestTimeoutMs: 600 });
    endpoint.decide = () => "hold";
    const reads = Array.from({ length: 20 }, (_, n) =>
      refusal(`read ${n}`, disk.read(new Uint8Array(SECTOR), (20 - n) * SECTOR)),
    );
    for (const error of await Promise.all(reads)) expect(error.code).toBe("ERR_BLOCKPT_TIMEOUT");
    expect(endpoint.held.length).toBe(15);
    endpoint.decide = () => undefined;
    for (const request of [...endpoint.held]) endpoint.complete(request);
    // How soon the root complex looks at late completions is not the page's matter.
    await retried("a read once descriptors are free", () => disk.read(new Uint8Array(512), 0));
    for (let n = 0; n < 40; n++) {
      const due = disc.data.subarray(n * SECTOR, (n + 1) * SECTOR);
      expect(sameBytes(await read(disk, SECTOR, n * SECTOR), due)).toBe(true);
    }
  });

  it.each([
    ["by its interrupt", true],
    ["without one, for it never raises any,", false],
  ])("is heard %s when it answers after the root complex went to sleep", async (_, raise) => {
    const disc = memory("/dev/ram0", 256 * SECTOR);
    const { rc, endpoint } = await connect([disc], { raise, vectors: 40 });
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    for (let n = 0; n < 3; n++) {
      endpoint.decide = () => "hold";
      const reading = read(disk, SECTOR, n * SECTOR);
      await held(endpoint, 1);
      await until("an unmasked vector", () => endpoint.unmasked.length > 0);
      expect(endpoint.unmasked.length).toBe(1);
      endpoint.decide = () => undefined;
      for (const request of [...endpoint.held]) endpoint.complete(request);
      expect(sameBytes(await reading, disc.data.subarray(n * SECTOR, (n + 1) * SECTOR))).toBe(true);
      expect(endpoint.interrupts > n).toBe(raise);
    }
    await within("writing", disk.write(pattern(SECTOR, 53), 0));
    const all = Array.from({ length: 100 }, (_, n) => read(disk, 2 * SECTOR, n * SECTOR));
    await within("100 reads", Promise.all(all));
    expect(sameBytes(await read(disk, disc.data.length, 0), disc.data)).toBe(true);
    expect(endpoint.interrupts > 0).toBe(raise);
  });

  it("gets STOP at each detach, and the same descriptor space a hundred times", async () => {
    const disc = memory("/dev/ram0", 64 * SECTOR);
    const { rc, endpoint } = await connect([disc]);
    for (let turn = 0; turn < 100; turn++) {
      // 1024 descriptors take 28688 bytes: the fifth would not fit if none came back.
      const disk = await within("attaching", rc.attach("ram0", { numDescriptors: 1024 }));
      const sector = turn % 64;
      const due = disc.data.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      expect(sameBytes(await read(disk, SECTOR, sector * SECTOR), due)).toBe(true);
      await within("detaching", rc.detach("ram0"));
      const last = endpoint.commands.at(-1);
      expect((last?.bits ?? 0) & CMD.stop).toBe(CMD.stop);
    }
    const queues = endpoint.commands.filter(({ bits }) => (bits & CMD.setQueue) !== 0);
    expect(queues.map(({ offset }) => offset)).toEqual(new Array(100).fill(0));
  });

  it("gets queues of two discs beside each other, wherever its own layout puts them", async () => {
    const discs = [0, 1, 2].map((n) => memory(`/dev/ram${n}`, (n + 1) * 64 * SECTOR));
    // Room for two queues of 64 descriptors (1808 bytes each), not for three.
    const own = { vectors: 24, queueBarOffset: 4096, availableQsize: 4096 };
    const { rc, endpoint } = await connect(discs, own);
    const disks = [await attach(rc, "ram0", { numDescriptors: 64 })];
    disks.push(await attach(rc, "ram1", { numDescriptors: 64 }));
    await refusal("a third queue", rc.attach("ram2", { numDescriptors: 64 }));
    const both = disks.map(async (disk, n) => {
      const data = pattern(disk.sizeBytes, 60 + n);
      await within("writing", disk.write(data, 0));
      expect(sameBytes(await read(disk, data.length, 0), data)).toBe(true);
      expect(sameBytes(discs[n]?.data ?? new Uint8Array(), data)).toBe(true);
    });
    await Promise.all(both);
    await within("detaching", rc.detach("ram0"));
    const third = await attach(rc, "ram2", { numDescriptors: 64 });
    expect(sameBytes(await read(third, SECTOR, 0), pattern(SECTOR, 9))).toBe(true);
    const offsets = endpoint.commands.flatMap(({ bits, offset }) =>
      (bits & CMD.setQueue) === 0 ? [] : [offset],
    );
    expect(offsets[0]).toBe(0);
    expect(offsets.at(-1)).toBe(0); // the place of the first, which was given back
  });

  it.each([
    ["SET_QUEUE", CMD.setQueue],
    ["START", CMD.start],
    ["SET_IRQ", CMD.setIrq],
  ])("may refuse %s, which refuses the attach and keeps no space", async (_, refuse) => {
    const options = { refuse, raise: true };
    const { rc } = await connect([memory("/dev/ram0", 8192), memory("/dev/ram1", 8192)], options);
    for (let turn = 0; turn < 6; turn++) {
      await refusal("attaching", rc.attach("ram0", { numDescriptors: 1024 }));
    }
    options.refuse = 0;
    await attach(rc, "ram1", { numDescriptors: 1024 });
    const disk = await attach(rc, "ram0", { numDescriptors: 1024 });
    expect((await read(disk, 8192, 0)).length).toBe(8192);
  });

  it("may answer no command, which ends in an error and not in waiting", async () => {
    const { bus } = await serve(engine, [memory("/dev/ram0", 8192)], { mute: true });
    const options = { commandTimeoutMs: 1000 };
    const error = await refusal("RootComplex.probe", RootComplex.probe(bus, options));
    expect(error.code).toContain("TIMEOUT");
  });

  it.each([
    ["queue_bar_offset", REG.queueBarOffset, 2 ** 32 - 8],
    ["available_qsize", REG.availableQsize, 2 ** 32 - 8],
    ["available_qsize, by little,", REG.availableQsize, 128 * 1024],
    ["no descriptor space", REG.availableQsize, 0],
  ])("may not lead a root complex out of its BAR: %s", async (_, register, value) => {
    const { bus, endpoint } = await serve(engine, [memory("/dev/ram0", 8192)]);
    endpoint.memory.store32(bus.bar.offset + register, value);
    const attached = RootComplex.probe(bus).then((rc) => rc.attach("ram0"));
    await refusal("probe and attach", attached);
  });

  it("gets STOP though it still holds requests that timed out, and drains them", async () => {
    const disc = memory("/dev/ram0", 8192);
    const { rc, endpoint } = await connect([disc]);
    const disk = await attach(rc, "ram0", { numDescriptors: 16, requestTimeoutMs: 600 });
    endpoint.decide = () => "hold";
    const reads = [2, 1, 0].map((n) => refusal("a read", disk.read(new Uint8Array(512), n * 512)));
    await held(endpoint, 3);
    await refusal("detaching with requests in flight", rc.detach("ram0"));
    expect(endpoint.held.length).toBe(3);
    await Promise.all(reads);
    await within("detaching", rc.detach("ram0"));
    expect(endpoint.held).toEqual([]);
    endpoint.decide = () => undefined;
    const again = await attach(rc, "ram0", { numDescriptors: 16 });
    expect(sameBytes(await read(again, 8192, 0), disc.data)).toBe(true);
  });

  it("may list as many discs with names as long as the page allows", async () => {
    const names = Array.from({ length: 16 }, (_, n) => `${"y".repeat(56)}${10 + n}`);
    const discs = names.map((name, n) => memory(`/dev/${name}`, (n + 1) * SECTOR));
    const { rc } = await connect(discs);
    expect(rc.devices).toEqual(names.map((name) => `/dev/${name}`));
    const disk = await attach(rc, names[15] ?? "", { numDescriptors: 16 });
    expect(sameBytes(await read(disk, 16 * SECTOR, 0), pattern(16 * SECTOR, 63))).toBe(true);
  });

  it.each([
    ["an entry not below num_desc", 16, undefined],
    ["an idx not below num_desc", 0, 65534],
    ["an entry that is not outstanding", "free", undefined],
  ] as const)("stops its queue with %s: what is outstanding rejects", async (_, entry, idx) => {
    const { rc, endpoint } = await connect([memory("/dev/ram0", 8192)]);
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    endpoint.decide = () => "hold";
    const reads = [2, 1, 0].map((n) => refusal("a read", disk.read(new Uint8Array(512), n * 512)));
    await held(endpoint, 3);
    const queue = endpoint.held[0]?.queue;
    if (queue === undefined) throw new Error("nothing is held");
    const free = Array.from({ length: 16 }, (_, n) => n).find((n) => !queue.inService.has(n)) ?? 0;
    endpoint.publishRaw(queue, entry === "free" ? free : entry, idx);
    await Promise.all(reads);
    await refusal("a read of a stopped queue", disk.read(new Uint8Array(SECTOR), 0));
    await within("detaching", rc.detach("ram0"));
    endpoint.decide = () => undefined;
    const again = await attach(rc, "ram0", { numDescriptors: 16 });
    expect((await read(again, 8192, 0)).length).toBe(8192);
  });
});
