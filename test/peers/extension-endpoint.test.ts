/**
 * Owns the proof that our root complex uses section 5 as docs/protocol.md has
 * it, with an endpoint that knows that page only and notes what is against it.
 */

import { openQueue, RootComplex } from "blockpt";
import { describe, expect, it } from "vitest";
import type { ForeignDisc, ForeignEndpoint, ForeignOptions } from "./foreign-endpoint.js";
import type { Bus } from "./library-endpoint.js";
import {
  attach,
  type Disk,
  held,
  memory,
  read,
  refusal,
  serve,
  serveOn,
} from "./library-root-complex.js";
import {
  CMD,
  FEATURE,
  FUA,
  MAX_LEN,
  OP,
  pattern,
  pause,
  REG,
  SECTOR,
  sameBytes,
  until,
  within,
} from "./protocol.js";

const EVERYTHING = Object.values(FEATURE).reduce((all, bit) => all | bit, 0);
const ON = { extension: {} };
const LARGEST = 2 ** 32 - 1;

describe.each(["wasm", "typescript"] as const)("section 5, foreign EP, %s engine", (engine) => {
  async function connect(discs: readonly ForeignDisc[], options: ForeignOptions = ON) {
    const { bus, endpoint } = await serve(engine, discs, options);
    const rc = await within(
      "RootComplex.probe",
      RootComplex.probe(bus, { commandTimeoutMs: 2_000 }),
    );
    return { bus, endpoint, rc };
  }

  async function connectOne(more: Partial<ForeignDisc> = {}, bytes = 256 * SECTOR) {
    const disc = memory("/dev/ram0", bytes, { features: EVERYTHING, ...more });
    return { disc, ...(await connect([disc])) };
  }

  const setQueues = (endpoint: ForeignEndpoint) =>
    endpoint.commands.filter(({ bits }) => (bits & CMD.setQueue) !== 0);

  it("gets ext_enabled before SET_QUEUE, and queues with doorbell blocks at multiples of 64", async () => {
    const discs = [0, 1, 2].map((n) => memory(`/dev/ram${n}`, 8192, { features: EVERYTHING }));
    const { rc, endpoint } = await connect(discs);
    for (const [n, numDescriptors] of [16, 57, 256].entries()) {
      const disk = await attach(rc, `ram${n}`, { numDescriptors });
      expect((await read(disk, 8192, 0)).length).toBe(8192);
    }
    const queues = setQueues(endpoint);
    expect(queues.map(({ numDesc }) => numDesc)).toEqual([16, 57, 256]);
    for (const { offset, bell, size, features } of queues) {
      expect((offset ?? 1) % 64).toBe(0);
      expect(size).toBeGreaterThanOrEqual((bell ?? Number.NaN) + 128);
      expect(features).toBe(EVERYTHING);
    }
  });

  it("is rung when it sleeps, and left alone when it does not", async () => {
    const { rc, endpoint, disc } = await connectOne();
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    const one = async (n: number): Promise<void> => {
      const bytes = await read(disk, SECTOR, n * SECTOR);
      expect(sameBytes(bytes, disc.data.subarray(n * SECTOR, (n + 1) * SECTOR))).toBe(true);
    };
    for (let n = 0; n < 200; n++) {
      if (n % 7 === 0) await pause(Math.random() * 8);
      await one(n);
    }
    const queue = endpoint.requests[0]?.queue;
    const bell = () => endpoint.memory.load32(queue?.doorbell?.at.bell ?? 0);
    const asleep = () => queue?.doorbell?.asleep === true;
    expect(bell()).toBeGreaterThan(50);
    endpoint.sleeps = false;
    await until("the end of its last sleep", () => !asleep());
    const before = bell();
    for (let n = 0; n < 50; n++) await one(n);
    expect(bell()).toBe(before);
    endpoint.sleeps = true;
    await until("its sleep", asleep);
    await Promise.all(Array.from({ length: 100 }, (_, n) => one(99 - n)));
    expect(bell()).toBeGreaterThan(before);
  });

  it("gets commands by their bell, and zeroes in ext_enabled when the root complex leaves", async () => {
    const { rc, bus, endpoint } = await connectOne();
    for (let n = 0; n < 5; n++) {
      await within("attaching", rc.attach("ram0"));
      await within("detaching", rc.detach("ram0"));
      await pause(20);
    }
    expect(endpoint.told.bell).toBeGreaterThan(0);
    expect(endpoint.told.enabled & FEATURE.doorbell).toBe(FEATURE.doorbell);
    await within("closing", rc.close());
    expect(endpoint.told.enabled).toBe(0);
    const plain = await within("probing", RootComplex.probe(bus, { extension: false }));
    const disk = await attach(plain, "ram0");
    expect((await read(disk, 8192, 0)).length).toBe(8192);
    expect(endpoint.told.enabled).toBe(0);
  });

  /** Each operation besides reads and plain writes, and what of it reaches the endpoint. */
  const uses = [
    ["flush", FEATURE.flush, (disk: Disk) => disk.flush(), [OP.flush, 0n, 0]],
    [
      "write with FUA",
      FEATURE.fua,
      (disk: Disk) => disk.write(pattern(SECTOR, 90), 3 * SECTOR, { fua: true }),
      [OP.write, 3n, SECTOR],
    ],
    [
      "discard",
      FEATURE.discard,
      (disk: Disk) => disk.discard(8 * SECTOR, 8 * SECTOR),
      [OP.discard, 8n, 8 * SECTOR],
    ],
    [
      "writeZeroes",
      FEATURE.writeZeroes,
      (disk: Disk) => disk.writeZeroes(16 * SECTOR, SECTOR),
      [OP.writeZeroes, 16n, SECTOR],
    ],
  ] as const;

  it.each(uses)("is asked to %s if it offers it, and else is not", async (_, feature, use, due) => {
    const offers = memory("/dev/yes", 64 * SECTOR, { features: feature });
    const lacks = memory("/dev/no", 64 * SECTOR, { features: EVERYTHING & ~feature });
    const { rc, endpoint } = await connect([offers, lacks]);
    const [yes, no] = [await attach(rc, "yes"), await attach(rc, "no")];
    await within("using it", use(yes));
    const seen = endpoint.requests.map(({ op, sector, len }) => [op, sector, len]);
    expect(seen).toEqual([[...due]]);
    expect((endpoint.requests[0]?.flags ?? 0) & FUA).toBe(feature === FEATURE.fua ? FUA : 0);
    expect((await refusal("using the other", use(no))).code).toBe("ERR_BLOCKPT_NOT_SUPPORTED");
    expect(endpoint.requests.length).toBe(1);
    await within("writing", no.write(pattern(SECTOR, 91), 0));
    expect(endpoint.requests.at(-1)).toMatchObject({ op: OP.write, len: SECTOR });
  });

  it.each([
    ["without the block", { extension: undefined }, {}],
    ["to a root complex that does not want it", ON, { extension: false }],
  ])("serves as sections 1 to 3 have it, %s", async (_, { extension }, probe) => {
    const disc = memory("/dev/ram0", 64 * SECTOR, { features: EVERYTHING });
    const { bus, endpoint } = await serve(engine, [disc], extension ? { extension } : {});
    const rc = await within("RootComplex.probe", RootComplex.probe(bus, probe));
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    await within("writing", disk.write(pattern(8 * SECTOR, 92), 0));
    expect(sameBytes(await read(disk, 8 * SECTOR, 0), pattern(8 * SECTOR, 92))).toBe(true);
    for (const [name, , use] of uses) {
      expect([name, (await refusal(name, use(disk))).code]).toEqual([
        name,
        "ERR_BLOCKPT_NOT_SUPPORTED",
      ]);
    }
    await pause(2500); // no heartbeat is no death of what has none
    expect((await read(disk, SECTOR, 0)).length).toBe(SECTOR);
    expect(endpoint.told).toEqual({ enabled: 0, bell: 0 });
    expect(setQueues(endpoint).map(({ features }) => features)).toEqual([0]);
  });

  it.each([
    [512, 1024],
    [512, 65536],
    [4096, 4096],
    [4096, 12288],
    [512, LARGEST],
  ])("gets whole blocks of %i bytes, at most %i at once", async (logicalBlockSize, maxLen) => {
    const { rc, endpoint, disc } = await connectOne({ logicalBlockSize, maxLen }, 3 << 20);
    const disk = await attach(rc, "ram0", { numDescriptors: 32 });
    expect(disk.logicalBlockBytes).toBe(logicalBlockSize);
    const data = pattern(1 << 20, 93);
    await within("writing", disk.write(data, 4096));
    expect(sameBytes(disc.data.subarray(4096, 4096 + data.length), data)).toBe(true);
    await within("zeroing", disk.writeZeroes(8192, 1 << 20));
    await within("discarding", disk.discard(2 << 20, 1 << 20));
    expect(sameBytes(await read(disk, 3 << 20, 0), disc.data)).toBe(true);
    expect(disc.data.subarray(8192, 8192 + (1 << 20)).every((byte) => byte === 0)).toBe(true);
    const longest = Math.max(...endpoint.requests.map(({ len }) => len));
    expect(longest).toBeLessThanOrEqual(Math.min(maxLen, MAX_LEN));
    if (logicalBlockSize > SECTOR) {
      const seen = endpoint.requests.length;
      for (const [bytes, at] of [[SECTOR, 0] as const, [logicalBlockSize, SECTOR] as const]) {
        const error = await refusal("part of a block", disk.read(new Uint8Array(bytes), at));
        expect(error.code).toBe("ERR_BLOCKPT_UNALIGNED");
      }
      expect(endpoint.requests.length).toBe(seen);
    }
  });

  it("is heard when a disc has another size", async () => {
    const { rc, endpoint, disc } = await connectOne();
    const sizes: number[] = [];
    const onResize = ({ sectors }: Disk): number => sizes.push(sectors);
    const disk = await attach(rc, "ram0", { onResize });
    for (const [n, sectors] of [512, 64, 4096].entries()) {
      endpoint.resize(disc, pattern(sectors * SECTOR, sectors));
      await until("onResize", () => sizes.length > n);
      expect([sizes.at(-1), disk.sectors, disk.sizeBytes]).toEqual([
        sectors,
        sectors,
        sectors * SECTOR,
      ]);
      const last = await read(disk, SECTOR, (sectors - 1) * SECTOR);
      expect(sameBytes(last, disc.data.subarray(-SECTOR))).toBe(true);
      const behind = disk.read(new Uint8Array(SECTOR), sectors * SECTOR);
      expect((await refusal("a read behind it", behind)).code).toBe("ERR_BLOCKPT_OUT_OF_RANGE");
    }
  });

  interface Scene {
    readonly bus: Bus;
    readonly disc: ForeignDisc;
    readonly endpoint: ForeignEndpoint;
  }
  const successor = (more: Partial<ForeignOptions> = {}) => {
    return ({ bus, disc }: Scene) =>
      serveOn(bus, [disc], { extension: { generation: 2 }, ...more });
  };
  const same = ({ endpoint }: Scene): ForeignEndpoint => {
    endpoint.start();
    return endpoint;
  };
  const stop = ({ endpoint }: Scene): void => endpoint.stop();
  /** What ends an endpoint, and how one is there again: once its death was seen, or at once. */
  type Death = readonly [
    name: string,
    die: (scene: Scene) => void,
    again: (scene: Scene) => ForeignEndpoint,
    atOnce: boolean,
  ];
  const deaths: readonly Death[] = [
    ["its heart stops, and beats again", stop, same, false],
    ["its heart stops, and another starts", stop, successor(), false],
    ["it goes down, and starts again", ({ endpoint }) => endpoint.leave(), successor(), false],
    [
      "it leaves a queue",
      ({ endpoint }) => {
        for (const queue of new Set(endpoint.held.map(({ queue }) => queue))) {
          endpoint.abandon(queue);
        }
      },
      same,
      false,
    ],
    [
      "its magic goes",
      ({ bus, endpoint }) => {
        endpoint.stop();
        endpoint.memory.store32(bus.bar.offset + REG.magic, 0);
      },
      successor(),
      false,
    ],
    ["another takes it over", () => undefined, successor({ keepsQueues: true }), true],
    ["another zeroes its BAR", stop, successor(), true],
  ];

  it.each(deaths)("is known to be dead when %s", async (_, die, again, atOnce) => {
    const { rc, bus, endpoint, disc } = await connectOne();
    const heard: string[] = [];
    const disk = await attach(rc, "ram0", {
      numDescriptors: 16,
      onOffline: ({ online }) => heard.push(`offline ${online}`),
      onOnline: ({ online }) => heard.push(`online ${online}`),
    });
    const buffer = disk.allocate(8 * SECTOR);
    await within("reading", disk.read(buffer, 0));
    endpoint.decide = () => "hold";
    const dying = [
      disk.read(buffer, 8 * SECTOR),
      disk.write(pattern(SECTOR, 94), 100 * SECTOR),
      disk.flush(),
    ].map((request) => refusal("a request of the dead", request));
    await held(endpoint, 3);
    endpoint.decide = () => undefined;
    const [at, commands] = [performance.now(), endpoint.commands.length];
    const scene = { bus, disc, endpoint };
    die(scene);
    const next = atOnce ? again(scene) : undefined;
    for (const { code } of await Promise.all(dying)) expect(code).toBe("ERR_BLOCKPT_OFFLINE");
    expect(performance.now() - at).toBeLessThan(4_000);

    const alive = next ?? again(scene);
    await within("whenOnline", disk.whenOnline());
    await until("both events", () => heard.length >= 2);
    expect(heard).toEqual(["offline false", "online true"]);
    expect(disk.online).toBe(true);
    const seen = alive.commands.slice(alive === endpoint ? commands : 0);
    const order = [CMD.getDevices, CMD.stop, CMD.numSectors, CMD.setQueue, CMD.start];
    const first = order.map((bit) => seen.findIndex(({ bits }) => (bits & bit) !== 0));
    expect(first).toEqual([...first].sort((a, b) => a - b));
    expect(first[0]).toBeGreaterThanOrEqual(0);
    expect(seen.find(({ bits }) => (bits & CMD.setQueue) !== 0)?.zeroed).toBe(true);

    await within("reading", disk.read(buffer, 8 * SECTOR));
    expect(sameBytes(buffer, disc.data.subarray(8 * SECTOR, 16 * SECTOR))).toBe(true);
    await within("writing", disk.write(buffer, 200 * SECTOR));
    await within("flushing", disk.flush());
    expect(sameBytes(disc.data.subarray(200 * SECTOR, 208 * SECTOR), buffer)).toBe(true);
    const all = Array.from({ length: 40 }, (_, n) => read(disk, SECTOR, (40 - n) * SECTOR));
    await within("40 reads", Promise.all(all));
    alive.resize(disc, pattern(300 * SECTOR, 96));
    await until("the other size", () => disk.sectors === 300);
    disk.free(buffer);
    expect(disk.inFlight).toBe(0);
    await within("detaching", rc.detach("ram0"));
  });

  it("gets no command once its magic is gone", async () => {
    const { rc, bus, endpoint } = await connectOne();
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    endpoint.leave();
    await until("offline", () => !disk.online);
    expect(endpoint.memory.load32(bus.bar.offset + REG.command)).toBe(0);
  });

  it("refuses what comes while it is away", async () => {
    const { rc, bus, endpoint, disc } = await connectOne();
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    endpoint.leave();
    await until("offline", () => !disk.online);
    const error = await refusal("a read", disk.read(new Uint8Array(SECTOR), 0));
    expect(error.code).toBe("ERR_BLOCKPT_OFFLINE");
    disc.data = pattern(512 * SECTOR, 95); // and comes back with another size
    successor()({ bus, disc, endpoint });
    await within("whenOnline", disk.whenOnline());
    expect(disk.sectors).toBe(512);
    expect(sameBytes(await read(disk, SECTOR, 511 * SECTOR), disc.data.subarray(-SECTOR))).toBe(
      true,
    );
    await within("detaching", rc.detach("ram0"));
  });

  it("may have two queues of a disc, each with its doorbell", async () => {
    const { rc, bus, endpoint, disc } = await connectOne({ queues: 2 });
    const disk = await attach(rc, "ram0", { numDescriptors: 16, queues: 2 });
    const other = openQueue(bus, disk.openQueue());
    const bytes = new Uint8Array(SECTOR);
    for (let n = 0; n < 20; n++) {
      await within("reading by the other queue", other.read(bytes, n * SECTOR));
      expect(sameBytes(bytes, disc.data.subarray(n * SECTOR, (n + 1) * SECTOR))).toBe(true);
      expect(sameBytes(await read(disk, SECTOR, n * SECTOR), bytes)).toBe(true);
    }
    other.close();
    const queues = new Set(endpoint.requests.map(({ queue }) => queue));
    expect(new Set([...queues].map(({ qidx }) => qidx))).toEqual(new Set([0, 1]));
    for (const { doorbell } of queues) {
      expect(endpoint.memory.load32(doorbell?.at.bell ?? 0)).toBeGreaterThan(5);
    }
  });

  it.each([0, 2, LARGEST])("may have ext_version %i, and is served", async (version) => {
    const disc = memory("/dev/ram0", 8192, { features: EVERYTHING });
    const { rc, endpoint } = await connect([disc], { extension: { version } });
    const disk = await attach(rc, "ram0");
    if (version === 0) expect(endpoint.told).toEqual({ enabled: 0, bell: 0 });
    expect(sameBytes(await read(disk, 8192, 0), disc.data)).toBe(true);
  });

  it.each([
    ["num_queues 0", { numQueues: 0 }],
    ["num_queues 2^32 - 1", { numQueues: LARGEST }],
    ["features that the page does not know", { features: LARGEST }],
  ])("may have %s, and is served", async (_, more) => {
    const { rc, disc, endpoint } = await connectOne(more);
    const disk = await attach(rc, "ram0", { numDescriptors: 16 });
    const due = disc.data.subarray(0, 16 * SECTOR);
    expect(sameBytes(await read(disk, 16 * SECTOR, 0), due)).toBe(true);
    expect(endpoint.told.enabled & ~EVERYTHING).toBe(0);
  });

  it.each([
    ["logical_block_size 0", { logicalBlockSize: 0 }],
    ["logical_block_size 513", { logicalBlockSize: 513 }],
    ["logical_block_size 2^31", { logicalBlockSize: 2 ** 31 }],
    ["max_len 0", { maxLen: 0 }],
    ["max_len 100", { maxLen: 100 }],
    ["max_len below a block", { logicalBlockSize: 4096, maxLen: 2048 }],
  ])("may have %s, which refuses the attach", async (_, more) => {
    const { rc, endpoint } = await connectOne(more);
    for (let turn = 0; turn < 6; turn++) {
      const error = await refusal("attaching", rc.attach("ram0", { numDescriptors: 1024 }));
      expect(error.code).toBe("ERR_BLOCKPT_PROTOCOL");
    }
    expect(endpoint.requests).toEqual([]);
  });
});
