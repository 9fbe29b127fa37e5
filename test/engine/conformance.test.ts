// One suite over both engines: the same calls leave the same bytes in the bus and give
// the same results, step by step, whatever a hostile side writes in between.

import {
  BlockptError,
  type Bus,
  COUNTERS,
  Counter,
  createBus,
  type DeviceQueue,
  type DriverQueue,
  type EngineKind,
  QueueFault,
  type QueueGeometry,
} from "blockpt";
import {
  BlkStatus,
  DescriptorFlag,
  decodeDescriptor,
  Feature,
  Operation,
  queueLayout,
  REGISTERS_BYTES,
  RING_GONE,
  SECTOR_BYTES,
} from "blockpt/abi";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";

const NUM_DESCRIPTORS = 16;
const HOST_BYTES = 16 * 4096;
const DISC_SECTORS = 64;
const LAYOUT = queueLayout(NUM_DESCRIPTORS);
const REQUEST_WORDS = 8;
const TAG = 5;
const FLUSH = { sector: 0, page: 0, len: 0, opf: Operation.FLUSH, flags: 0 };
const ALL_FEATURES = Object.values(Feature).reduce((all, feature) => all | feature, 0);

/** One engine with both ends of one queue. */
interface Rig {
  bus: Bus;
  driver: DriverQueue;
  device: DeviceQueue;
}

/** A step of the script, from numbers that fast-check draws. */
type Step =
  | { kind: "submit"; requests: Request[] }
  | { kind: "fetch" }
  | { kind: "serve"; pio: boolean; most: number }
  | { kind: "answer"; most: number }
  | { kind: "complete"; picks: number[]; status: number }
  | { kind: "reap" }
  | { kind: "resize"; sectors: number }
  | { kind: "scribble"; at: number; byte: number }
  | { kind: "idx"; ring: "driver" | "device"; value: number };

interface Request {
  sector: number;
  page: number;
  len: number;
  opf: number;
  flags: number;
}

/** What a script's device queue is opened with. */
interface QueueKind {
  readOnly: boolean;
  features: number;
}

async function makeRig(engine: EngineKind, iommu = false): Promise<Rig> {
  const bus = await createBus({
    engine,
    iommu,
    hostMemoryBytes: HOST_BYTES,
    endpointMemoryBytes: 65536,
  });
  return { bus, ...openQueues(bus) };
}

function geometryAt(start: number): QueueGeometry {
  return {
    descriptors: start,
    driverRing: start + LAYOUT.driverOffset,
    deviceRing: start + LAYOUT.deviceOffset,
    numDescriptors: NUM_DESCRIPTORS,
  };
}

function openQueues(
  bus: Bus,
  kind: QueueKind = { readOnly: false, features: ALL_FEATURES },
): { driver: DriverQueue; device: DeviceQueue } {
  const geometry = geometryAt(bus.bar.offset + REGISTERS_BYTES);
  const limits = {
    ...kind,
    numSectors: DISC_SECTORS,
    maxLenBytes: 8192,
    hostMemory: bus.hostMemory,
    iommuTable: bus.handle.layout.iommuTable,
  };
  return {
    driver: bus.engine.openDriverQueue(geometry),
    device: bus.engine.openDeviceQueue(geometry, limits),
  };
}

/** Everything that both sides see: the BAR, host memory and endpoint memory. */
function visible(bus: Bus): Buffer {
  const end = bus.endpointMemory.offset + bus.endpointMemory.length;
  return Buffer.from(bus.buffer, bus.bar.offset, end - bus.bar.offset);
}

/** The disc holds its sectors' numbers, host memory another pattern. */
function reset(rig: Rig, kind?: QueueKind): void {
  visible(rig.bus).fill(0);
  const host = new Uint8Array(rig.bus.buffer, rig.bus.hostMemory.offset, HOST_BYTES);
  for (let index = 0; index < HOST_BYTES; index++) host[index] = index % 251;
  const disc = new Uint8Array(
    rig.bus.buffer,
    rig.bus.endpointMemory.offset,
    DISC_SECTORS * SECTOR_BYTES,
  );
  for (let index = 0; index < disc.length; index++) disc[index] = (index >> 9) + index;
  rig.driver.close();
  rig.device.close();
  Object.assign(rig, openQueues(rig.bus, kind));
}

/** Does a step on one engine; what it gives is compared between the engines. */
function perform(rig: Rig, step: Step, inService: number[]): unknown {
  const { bus, driver, device } = rig;
  const queue = bus.bar.offset + REGISTERS_BYTES;
  switch (step.kind) {
    case "submit": {
      const fits = step.requests.slice(0, driver.available);
      for (const [index, request] of fits.entries()) {
        const { sector, len, opf, flags } = request;
        driver.put(
          sector,
          bus.hostMemory.offset + request.page * 512,
          len,
          opf,
          flags,
          1000 + index,
        );
      }
      driver.publish();
      return fits.length;
    }
    case "fetch": {
      const count = device.fetch(1);
      return { count, requests: [...device.requests.slice(0, Math.max(0, count) * REQUEST_WORDS)] };
    }
    case "serve": {
      const range = { offset: bus.endpointMemory.offset, length: DISC_SECTORS * SECTOR_BYTES };
      try {
        return device.serve(range, step.pio, 1, step.most);
      } catch (error) {
        // The disc was given more sectors than there are.
        if (error instanceof BlockptError) return error.message;
        throw error;
      }
    }
    case "answer":
      return device.answer(1, step.most);
    case "resize":
      device.resize(step.sectors);
      return undefined;
    case "complete": {
      for (const [index, descriptor] of inService.entries()) {
        device.completions[index * 2] = descriptor;
        device.completions[index * 2 + 1] = step.status;
      }
      device.complete(inService.length);
      return device.completed;
    }
    case "reap": {
      const count = driver.reap();
      return { count, completions: [...driver.completions.slice(0, Math.max(0, count) * 2)] };
    }
    case "scribble":
      new Uint8Array(bus.buffer)[queue + (step.at % LAYOUT.bytes)] = step.byte;
      return undefined;
    case "idx": {
      const ring = step.ring === "driver" ? LAYOUT.driverOffset : LAYOUT.deviceOffset;
      new Uint16Array(bus.buffer)[(queue + ring) / 2] = step.value;
      return undefined;
    }
  }
}

/** What a device queue has counted, by name. */
function countersOf({ device }: Rig): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Counter).map(([name, word]) => [name, device.counters[word] as number]),
  );
}

/** Runs a script on both engines, and compares results, bytes and counters after each step. */
function compare(rigs: readonly [Rig, Rig], steps: readonly Step[], kind?: QueueKind): void {
  for (const rig of rigs) reset(rig, kind);
  let outstanding: number[] = [];
  for (const [index, step] of steps.entries()) {
    let chosen: number[] = [];
    if (step.kind === "complete") {
      chosen = outstanding.filter((_, position) => step.picks.includes(position)).reverse();
      outstanding = outstanding.filter((descriptor) => !chosen.includes(descriptor));
    }
    const [one, other] = rigs.map((rig) => perform(rig, step, chosen));
    expect(other, `result of step ${index}, ${step.kind}`).toEqual(one);
    const same = visible(rigs[0].bus).equals(visible(rigs[1].bus));
    expect(same, `bytes after step ${index}, ${step.kind}`).toBe(true);
    const [counted, countedToo] = rigs.map(countersOf);
    expect(countedToo, `counters after step ${index}, ${step.kind}`).toEqual(counted);
    const answered = ["reads", "writes", "flushes", "discards", "errors"].reduce(
      (sum, name) => sum + (counted?.[name] as number),
      0,
    );
    expect(answered, `answers after step ${index}`).toBe(rigs[0].device.completed);
    if (step.kind === "fetch") {
      const { count, requests } = one as { count: number; requests: number[] };
      for (let fetched = 0; fetched < count; fetched++) {
        outstanding.push(requests[fetched * REQUEST_WORDS + TAG] as number);
      }
    }
  }
}

const request: fc.Arbitrary<Request> = fc.record({
  sector: fc.oneof(
    { weight: 8, arbitrary: fc.nat(DISC_SECTORS - 1) },
    { weight: 1, arbitrary: fc.constantFrom(64, 65, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53 - 1) },
  ),
  page: fc.nat(HOST_BYTES / 512 + 1),
  len: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(512, 1024, 4096, 8192) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 511, 8704, 2 ** 32 - 512, 2 ** 32 - 1) },
  ),
  opf: fc.oneof(
    { weight: 5, arbitrary: fc.nat(1) },
    { weight: 3, arbitrary: fc.constantFrom(...Object.values(Operation)) },
    { weight: 1, arbitrary: fc.nat(255) },
  ),
  flags: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(0, 0, DescriptorFlag.FUA) },
    { weight: 1, arbitrary: fc.nat(255) },
  ),
});

/** A flush that is good as likely as the others: its length is none of theirs. */
const requests: fc.Arbitrary<Request[]> = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: request },
    {
      weight: 1,
      arbitrary: request.map((drawn) => ({ ...drawn, ...FLUSH, sector: drawn.sector })),
    },
  ),
  { maxLength: 18 },
);

const queueKind: fc.Arbitrary<QueueKind> = fc.record({
  readOnly: fc.oneof(
    { weight: 4, arbitrary: fc.constant(false) },
    { weight: 1, arbitrary: fc.constant(true) },
  ),
  features: fc.oneof(fc.constant(ALL_FEATURES), fc.nat(ALL_FEATURES), fc.constant(0xffff_ffff)),
});

const honest: fc.Arbitrary<Step>[] = [
  fc.record({ kind: fc.constant("submit"), requests }),
  fc.record({ kind: fc.constant("fetch") }),
  fc.record({
    kind: fc.constant("serve"),
    pio: fc.boolean(),
    most: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({ kind: fc.constant("answer"), most: fc.integer({ min: 1, max: 20 }) }),
  fc.record({
    kind: fc.constant("complete"),
    picks: fc.array(fc.nat(15), { maxLength: 16 }),
    status: fc.nat(255),
  }),
  fc.record({ kind: fc.constant("reap") }),
  fc.record({
    kind: fc.constant("resize"),
    sectors: fc.oneof(
      { weight: 4, arbitrary: fc.nat(DISC_SECTORS) },
      { weight: 1, arbitrary: fc.constantFrom(65, 2 ** 32 + 1, 2 ** 53 - 1) },
    ),
  }),
];

const hostile: fc.Arbitrary<Step>[] = [
  fc.record({ kind: fc.constant("scribble"), at: fc.nat(LAYOUT.bytes), byte: fc.nat(255) }),
  fc.record({
    kind: fc.constant("idx"),
    ring: fc.constantFrom("driver" as const, "device" as const),
    value: fc.oneof(fc.nat(NUM_DESCRIPTORS + 1), fc.constantFrom(0x7fff, 0xfffe, RING_GONE)),
  }),
];

describe("both engines", () => {
  let rigs: [Rig, Rig];

  beforeAll(async () => {
    rigs = [await makeRig("wasm"), await makeRig("typescript")];
  });

  test("lay the same bus out", () => {
    const [one, other] = rigs;
    // But for the number by which buses are told apart.
    const { id } = one.bus.handle.layout;
    expect({ ...other.bus.handle.layout, id }).toEqual(one.bus.handle.layout);
  });

  test("leave the same bytes whatever an honest driver does", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...honest), { maxLength: 40 }), queueKind, (steps, kind) =>
        compare(rigs, steps, kind),
      ),
      { numRuns: 3000 },
    );
  });

  test("leave the same bytes whatever a hostile side scribbles into the queue", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(...honest, ...honest, ...hostile), { maxLength: 40 }),
        queueKind,
        (steps, kind) => compare(rigs, steps, kind),
      ),
      { numRuns: 5000 },
    );
  });

  test("answer a malformed descriptor, and report a broken ring", () => {
    const good = { sector: 0, page: 0, len: 512, opf: 0, flags: 0 };
    compare(rigs, [
      { kind: "submit", requests: [good, { ...good, len: 100 }, { ...good, opf: 7 }] },
      { kind: "fetch" },
      { kind: "complete", picks: [0], status: 7 },
      { kind: "reap" },
    ]);
    const [wasm] = rigs;
    expect([...wasm.driver.completions.slice(0, 6)]).toEqual([1001, 19, 1002, 1, 1000, 7]);
    compare(rigs, [
      { kind: "idx", ring: "driver", value: 16 },
      { kind: "fetch" },
      { kind: "fetch" },
    ]);
    expect(wasm.device.fetch(1)).toBe(-1);
  });

  test("hand out what an operation has use for, and FUA of a write", () => {
    const { READ, WRITE, FLUSH: flush, DISCARD, WRITE_ZEROES } = Operation;
    const { FUA } = DescriptorFlag;
    const sectors = { sector: 5, page: 1, len: 1024, flags: FUA };
    const submitted = [READ, WRITE, DISCARD, WRITE_ZEROES].map((opf) => ({ ...sectors, opf }));
    compare(rigs, [
      {
        kind: "submit",
        requests: [...submitted, { ...FLUSH, sector: 5, flags: FUA }, { ...FLUSH, len: 512 }],
      },
      { kind: "fetch" },
    ]);
    for (const { bus, device } of rigs) {
      const address = bus.hostMemory.offset + 512;
      const handedOut = Array.from({ length: 5 }, (_, index) => [
        ...device.requests.slice(index * REQUEST_WORDS, (index + 1) * REQUEST_WORDS),
      ]);
      expect(handedOut).toEqual([
        [5, 0, address, 1024, READ, 0, 0, 0],
        [5, 0, address, 1024, WRITE, 1, FUA, 0],
        [5, 0, 0, 1024, DISCARD, 2, 0, 0],
        [5, 0, 0, 1024, WRITE_ZEROES, 3, 0, 0],
        [0, 0, 0, 0, flush, 4, 0, 0],
      ]);
    }
    compare(rigs, [
      { kind: "submit", requests: [{ ...FLUSH, len: 512 }] },
      { kind: "fetch" },
      { kind: "reap" },
    ]);
    expect(rigs[0].driver.completions[1]).toBe(BlkStatus.INVAL);
  });

  test("zero the sectors of a disc in the bus, and flush it", () => {
    for (const opf of [Operation.DISCARD, Operation.WRITE_ZEROES]) {
      for (const pio of [false, true]) {
        // A bus address that may not be reached is no matter: nothing moves.
        const zeroes = { sector: 62, page: 2 ** 20, len: 1024, opf, flags: 0 };
        compare(rigs, [
          { kind: "submit", requests: [zeroes, FLUSH] },
          { kind: "serve", pio, most: 10 },
          { kind: "reap" },
        ]);
        for (const { bus, driver } of rigs) {
          expect([...driver.completions.slice(0, 4)]).toEqual([1000, 0, 1001, 0]);
          const disc = Buffer.from(bus.buffer, bus.endpointMemory.offset, 65 * SECTOR_BYTES);
          expect(disc.subarray(62 * SECTOR_BYTES).every((byte) => byte === 0)).toBe(true);
          expect(disc[62 * SECTOR_BYTES - 1]).toBe((61 + 62 * SECTOR_BYTES - 1) & 0xff);
        }
      }
    }
  });

  test("count what they answered, and what with an error", () => {
    const { READ, WRITE, DISCARD, WRITE_ZEROES } = Operation;
    const of = (opf: number, len: number) => ({ sector: 0, page: 0, len, opf, flags: 0 });
    const malformed = [of(READ, 100), of(7, 512), { ...of(WRITE, 512), sector: 64 }];
    const good = [
      of(READ, 512),
      of(READ, 8192),
      of(WRITE, 1024),
      FLUSH,
      of(DISCARD, 512),
      of(WRITE_ZEROES, 4096),
    ];
    const submit: Step = { kind: "submit", requests: [...malformed, ...good] };
    const nothing = Object.fromEntries(Object.keys(Counter).map((name) => [name, 0]));
    const served = {
      reads: 2,
      writes: 1,
      flushes: 1,
      discards: 2,
      bytesRead: 8704,
      bytesWritten: 1024,
      errors: 3,
    };
    compare(rigs, []);
    for (const rig of rigs) {
      expect(countersOf(rig)).toEqual(nothing);
      expect(rig.device.counters).toHaveLength(COUNTERS);
    }
    compare(rigs, [submit, { kind: "serve", pio: false, most: 100 }]);
    for (const rig of rigs) expect(countersOf(rig)).toEqual(served);

    // What was handed out is counted once it is answered, by the status that it gets.
    compare(rigs, [submit, { kind: "fetch" }]);
    for (const rig of rigs) expect(countersOf(rig)).toEqual({ ...nothing, errors: 3 });
    const all = [0, 1, 2, 3, 4, 5];
    compare(rigs, [
      submit,
      { kind: "fetch" },
      { kind: "complete", picks: all, status: BlkStatus.OK },
    ]);
    for (const rig of rigs) expect(countersOf(rig)).toEqual(served);
    compare(rigs, [
      submit,
      { kind: "fetch" },
      { kind: "complete", picks: [0, 3], status: BlkStatus.OK },
      { kind: "complete", picks: all, status: BlkStatus.MEDIUM },
    ]);
    for (const rig of rigs) {
      const some = { reads: 1, flushes: 1, bytesRead: 512, errors: 7 };
      expect(countersOf(rig)).toEqual({ ...nothing, ...some });
    }
  });

  test("take what its feature enables, and what changes a disc unless it is read-only", () => {
    const sectors = { sector: 0, page: 0, len: 512, flags: 0 };
    const fua = { ...sectors, opf: Operation.WRITE, flags: DescriptorFlag.FUA };
    const each = [
      { ...sectors, opf: Operation.READ },
      { ...sectors, opf: Operation.WRITE },
      FLUSH,
      { ...sectors, opf: Operation.DISCARD },
      { ...sectors, opf: Operation.WRITE_ZEROES },
      fua,
    ];
    const statuses = (readOnly: boolean, features: number): number[] => {
      const steps: Step[] = [
        { kind: "submit", requests: each },
        { kind: "serve", pio: false, most: 10 },
        { kind: "reap" },
      ];
      compare(rigs, steps, { readOnly, features });
      return each.map((_, index) => rigs[0].driver.completions[index * 2 + 1] as number);
    };
    const { OK, NOTSUPP, PROTECTION } = BlkStatus;
    expect(statuses(false, 0)).toEqual([OK, OK, NOTSUPP, NOTSUPP, NOTSUPP, NOTSUPP]);
    expect(statuses(false, ALL_FEATURES)).toEqual([OK, OK, OK, OK, OK, OK]);
    const enabledBy = [Feature.FLUSH, Feature.DISCARD, Feature.WRITE_ZEROES, Feature.FUA];
    for (const [index, feature] of enabledBy.entries()) {
      const only = [OK, OK, NOTSUPP, NOTSUPP, NOTSUPP, NOTSUPP];
      only[2 + index] = OK;
      expect(statuses(false, feature)).toEqual(only);
    }
    const refused = [OK, PROTECTION, OK, PROTECTION, PROTECTION, PROTECTION];
    expect(statuses(true, ALL_FEATURES)).toEqual(refused);
    expect(statuses(true, 0)).toEqual([OK, PROTECTION, NOTSUPP, NOTSUPP, NOTSUPP, NOTSUPP]);
  });

  test("check against a disc's new size from the next descriptor on", () => {
    const last = { sector: 63, page: 0, len: 512, opf: Operation.READ, flags: 0 };
    const submit: Step = { kind: "submit", requests: [last] };
    compare(rigs, [
      submit,
      { kind: "fetch" },
      { kind: "resize", sectors: 63 },
      submit,
      { kind: "fetch" },
      { kind: "complete", picks: [0], status: 0 },
      { kind: "reap" },
    ]);
    const [wasm] = rigs;
    expect([...wasm.driver.completions.slice(0, 4)]).toEqual([1000, 19, 1000, 0]);
    for (const { bus, device } of rigs) {
      const disc = { offset: bus.endpointMemory.offset, length: 64 * SECTOR_BYTES };
      device.resize(65);
      expect(() => device.serve(disc, false, 1, 1)).toThrow(BlockptError);
      device.resize(64);
      expect(device.serve(disc, false, 1, 1)).toBe(0);
    }
  });

  test("tell an endpoint that has left the queue from one that breaks it", () => {
    const { GONE, RING_INDEX } = QueueFault;
    for (const [value, fault] of [
      [RING_GONE, GONE],
      [RING_GONE - 1, RING_INDEX],
      [NUM_DESCRIPTORS, RING_INDEX],
    ] as const) {
      // For good: what the ring says later is not looked at.
      compare(rigs, [
        { kind: "idx", ring: "device", value },
        { kind: "reap" },
        { kind: "idx", ring: "device", value: 0 },
        { kind: "reap" },
      ]);
      for (const { driver } of rigs) expect(driver.reap()).toBe(-fault);
    }
    compare(rigs, [{ kind: "idx", ring: "driver", value: RING_GONE }, { kind: "fetch" }]);
    for (const { device } of rigs) expect(device.fetch(1)).toBe(-RING_INDEX);
  });

  test("hold all but one descriptor outstanding, over many turns of the rings", () => {
    const requests = Array.from({ length: 20 }, (_, sector) => ({
      sector,
      page: sector,
      len: 512,
      opf: 0,
      flags: 0,
    }));
    const turn: Step[] = [
      { kind: "submit", requests },
      { kind: "serve", pio: false, most: 1000 },
      { kind: "reap" },
    ];
    compare(rigs, Array.from({ length: 20 }, () => turn).flat());
  });

  test("write no flag that nobody set, whatever was in the queue's memory before", async () => {
    const bus = await createBus({ engine: "wasm" });
    const { workspace } = bus.handle.layout;
    // All but the page of this thread's instance, as other queues would have left it.
    const others = workspace.offset + 16384;
    new Uint8Array(bus.buffer, others, workspace.length - 16384).fill(0xff);
    const { driver } = openQueues(bus);
    const put = (tag: number, flags: number): void =>
      driver.put(1, bus.hostMemory.offset, 512, 1, flags, tag);
    for (let tag = 0; tag < 7; tag++) put(tag, DescriptorFlag.FUA);
    driver.publish();
    for (let tag = 7; tag < 15; tag++) put(tag, 0);
    driver.publish();
    for (let index = 0; index < 15; index++) {
      const { flags, status } = decodeDescriptor(bus.barView(), REGISTERS_BYTES + index * 24);
      expect([flags, status]).toEqual([index < 7 ? 6 : 2, 0]);
    }
  });

  test("check the IOMMU's table alike", async () => {
    const mapped = [await makeRig("wasm", true), await makeRig("typescript", true)] as const;
    const good = { sector: 0, page: 0, len: 512, opf: 0, flags: 0 };
    const requests = [0, 7, 8, 15, 16, 23, 24].map((page) => ({ ...good, page }));
    requests.push({ ...good, page: 15, len: 1024 }, { ...good, page: 8, len: 8192 });
    for (const { bus } of mapped) {
      bus.iommu?.map(bus.hostMemory.offset + 4096, 8192);
    }
    compare(mapped, [{ kind: "submit", requests }, { kind: "fetch" }, { kind: "reap" }]);
    const [wasm] = mapped;
    const refused = [...wasm.driver.completions.slice(0, 6)].filter((_, index) => index % 2 === 0);
    expect(refused).toEqual([1000, 1001, 1006]);
  });
});

describe.each(["wasm", "typescript"] as const)("the pieces of the %s engine", (kind) => {
  let bus: Bus;

  beforeAll(async () => {
    bus = (await makeRig(kind)).bus;
  });

  test("encode and decode descriptors", () => {
    const table = bus.hostMemory.offset;
    const words = [1, 2, 3, 4, 5, 0, 7, 8];
    bus.engine.list.set(words);
    bus.engine.list.set(words, REQUEST_WORDS);
    bus.engine.encodeDescriptors(table, 2);
    const bytes = Buffer.from(bus.buffer, table, 48).toString("hex");
    const one = "0100000002000000" + "0300000000000000" + "04000000" + "05080700";
    expect(bytes).toBe(one + one);
    bus.engine.list.fill(0xdead);
    bus.engine.decodeDescriptors(table, 2);
    expect([...bus.engine.list.slice(0, 8)]).toEqual(words);
    expect(bus.engine.list[REQUEST_WORDS + TAG]).toBe(1);
  });

  test("push and pop a ring", () => {
    const ring = bus.hostMemory.offset + 4096;
    bus.engine.fill(ring, 0, 64);
    let pushed = 0;
    let popped = 0;
    for (let turn = 0; turn < 10; turn++) {
      bus.engine.list.set([3, 1, 4, 1, 5, 9, 2]);
      pushed = bus.engine.pushRing(ring, 16, pushed, 7);
      bus.engine.list.fill(0);
      expect(bus.engine.popRing(ring, 16, popped, 256)).toBe(7);
      expect([...bus.engine.list.slice(0, 7)]).toEqual([3, 1, 4, 1, 5, 9, 2]);
      popped = pushed;
    }
    bus.engine.list[0] = 16;
    bus.engine.pushRing(ring, 16, pushed, 1);
    expect(bus.engine.popRing(ring, 16, popped, 256)).toBe(-2);
    new Uint16Array(bus.buffer)[ring / 2] = 16;
    expect(bus.engine.popRing(ring, 16, popped, 256)).toBe(-1);
  });

  test("copy, copy word by word, and fill, at any alignment", () => {
    const host = bus.hostMemory.offset;
    const bytes = Buffer.from(bus.buffer, host, HOST_BYTES);
    for (const copy of ["copy", "copyWords"] as const) {
      for (const [target, source, length] of [
        [0, 4096, 4096],
        [1, 4099, 513],
        [8192, 0, 3],
      ] as const) {
        for (let index = 0; index < HOST_BYTES; index++) bytes[index] = (index * 7) & 0xff;
        const expected = Buffer.from(bytes);
        expected.copyWithin(target, source, source + length);
        bus.engine[copy](host + target, host + source, length);
        expect(bytes.equals(expected), `${copy} ${target} ${source} ${length}`).toBe(true);
      }
    }
    bus.engine.fill(host + 1, 0xee, 5);
    expect([...bytes.subarray(0, 8)]).toEqual([0, 0xee, 0xee, 0xee, 0xee, 0xee, 42, 49]);
  });

  test("give back once what a queue took, however often it is closed", () => {
    const open = (at: number) => bus.engine.openDriverQueue(geometryAt(bus.hostMemory.offset + at));
    const first = open(0);
    first.close();
    // What it took may be the second one's by now.
    const second = open(8192);
    first.close();
    const third = open(16384);
    second.put(0, 0, 512, 0, 0, 7);
    second.publish();
    third.put(0, 0, 512, 0, 0, 8);
    third.publish();
    expect([second.available, third.available]).toEqual([14, 14]);
    const idx = (at: number) => {
      const ring = geometryAt(bus.hostMemory.offset + at).driverRing;
      return new Uint16Array(bus.buffer)[ring / 2];
    };
    expect([idx(8192), idx(16384)]).toEqual([1, 1]);
    second.close();
    third.close();
  });

  test("throw on a range outside the bus, and touch nothing", () => {
    const end = bus.buffer.byteLength;
    const at = bus.hostMemory.offset;
    const geometry = geometryAt(at);
    const limits = {
      numSectors: 1,
      maxLenBytes: 512,
      readOnly: false,
      features: 0,
      hostMemory: bus.hostMemory,
      iommuTable: 0,
    };
    const queue = bus.engine.openDeviceQueue(geometry, limits);
    const before = Buffer.from(visible(bus));
    for (const call of [
      () => bus.engine.copy(end - 4, 0, 8),
      () => bus.engine.copy(0, end, 1),
      () => bus.engine.copyWords(end - 1, 0, 2),
      () => bus.engine.fill(end - 4, 1, 5),
      () => bus.engine.fill(2 ** 32 + bus.hostMemory.offset, 1, 16),
      () => bus.engine.copy(0, 0, 2 ** 32),
      () => bus.engine.copy(0.5, 0, 1),
      () => bus.engine.decodeDescriptors(bus.hostMemory.offset, 257),
      () => bus.engine.encodeDescriptors(bus.hostMemory.offset + 4, 1),
      () => bus.engine.pushRing(bus.hostMemory.offset, 16, 16, 1),
      () => bus.engine.popRing(bus.hostMemory.offset + 1, 16, 0, 1),
      () => bus.engine.openDriverQueue({ ...geometry, deviceRing: geometry.driverRing + 2 }),
      () => bus.engine.openDeviceQueue({ ...geometry, descriptors: end }, limits),
      () => bus.engine.openDeviceQueue(geometry, { ...limits, numSectors: Number.NaN }),
      () => bus.engine.openDeviceQueue(geometry, { ...limits, maxLenBytes: -1 }),
      () => bus.engine.openDeviceQueue(geometry, { ...limits, features: 2 ** 32 }),
      () => bus.engine.openDeviceQueue(geometry, { ...limits, iommuTable: end }),
      () =>
        bus.engine.openDeviceQueue(geometry, {
          ...limits,
          hostMemory: { offset: end - 512, length: 1024 },
        }),
      () => queue.serve({ offset: end - 512, length: 1024 }, false, 1, 1),
      () => queue.serve({ offset: at, length: 0 }, false, 1, 1),
      () => queue.serve({ offset: at, length: 512 }, false, 1, -1),
      () => queue.fetch(-1),
      () => queue.fetch(2 ** 32),
      () => queue.complete(257),
      () => queue.resize(-1),
      () => queue.resize(0.5),
      () => queue.resize(2 ** 53),
      () => queue.resize(Number.NaN),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: "ERR_BLOCKPT_INVALID_ARGUMENT" }));
    }
    expect(before.equals(visible(bus))).toBe(true);
  });
});
