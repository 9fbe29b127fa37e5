// Numbers that the other side writes, at every value where something could change and in every combination,
// against sums of BigInt: descriptors on both engines, geometries that engines are asked for, and the registers of
// SET_QUEUE at a live endpoint. crates/core/tests/arithmetic.rs asks the same of the core natively.

import {
  BlockptError,
  type Bus,
  createBus,
  type DeviceQueue,
  type EngineKind,
  MemoryDisc,
} from "blockpt";
import {
  BlkStatus,
  Command,
  DESCRIPTOR_BYTES,
  DescriptorField,
  DescriptorFlag,
  Feature,
  Operation,
  queueLayout,
  REGISTERS_BYTES,
  Register,
  Status,
} from "blockpt/abi";
import { describe, expect, test } from "vitest";
import { makeEndpoint } from "../api/rig.js";

const NUM_DESCRIPTORS = 64;
const LAYOUT = queueLayout(NUM_DESCRIPTORS);
const ENGINES = ["wasm", "typescript"] as const;
const MAX_LEN = 2n ** 20n;

/** Around powers of two, 0, and all ones. */
function edges(powers: readonly number[], around: readonly bigint[], bits: number): bigint[] {
  const most = 2n ** BigInt(bits) - 1n;
  const near = powers.flatMap((power) => around.map((by) => 2n ** BigInt(power) + by));
  return [...new Set([0n, 1n, most - 511n, most - 1n, most, ...near])].filter(
    (value) => value >= 0n && value <= most,
  );
}

interface Fields {
  sector: bigint;
  address: bigint;
  len: bigint;
  opf: number;
}

interface Limits {
  numSectors: bigint;
  host: { offset: bigint; length: bigint };
}

/** Section 3, line by line. */
function statusOf({ sector, address, len, opf }: Fields, { numSectors, host }: Limits): number {
  if (len === 0n || len % 512n !== 0n || len > MAX_LEN) return BlkStatus.INVAL;
  if (sector + len / 512n > numSectors) return BlkStatus.INVAL;
  const outside = address < host.offset || address + len > host.offset + host.length;
  return opf !== Operation.DISCARD && outside ? BlkStatus.INVAL : BlkStatus.OK;
}

/** Puts descriptors as a driver of any honesty does; gives the statuses. */
class Asker {
  readonly #view: DataView;
  readonly #device: DeviceQueue;
  #position = 0;

  constructor(bus: Bus, { numSectors, host }: Limits) {
    const at = bus.bar.offset + REGISTERS_BYTES;
    this.#view = new DataView(bus.buffer, at, LAYOUT.bytes);
    new Uint8Array(bus.buffer, at, LAYOUT.bytes).fill(0);
    this.#device = bus.engine.openDeviceQueue(
      {
        descriptors: at,
        driverRing: at + LAYOUT.driverOffset,
        deviceRing: at + LAYOUT.deviceOffset,
        numDescriptors: NUM_DESCRIPTORS,
      },
      {
        numSectors: Number(numSectors),
        maxLenBytes: Number(MAX_LEN),
        readOnly: false,
        features: Feature.DISCARD,
        hostMemory: { offset: Number(host.offset), length: Number(host.length) },
        iommuTable: 0,
      },
    );
  }

  ask(all: readonly Fields[]): number[] {
    const statuses: number[] = [];
    for (let first = 0; first < all.length; first += NUM_DESCRIPTORS - 1) {
      const batch = all.slice(first, first + NUM_DESCRIPTORS - 1);
      for (const [index, fields] of batch.entries()) this.#put(index, fields);
      this.#view.setUint16(LAYOUT.driverOffset, this.#position, true);
      expect(this.#device.answer(1, NUM_DESCRIPTORS)).toBe(batch.length);
      const status = (index: number): number =>
        this.#view.getUint8(index * DESCRIPTOR_BYTES + DescriptorField.status);
      statuses.push(...batch.map((_, index) => status(index)));
    }
    return statuses;
  }

  close(): void {
    this.#device.close();
  }

  #put(index: number, { sector, address, len, opf }: Fields): void {
    const at = index * DESCRIPTOR_BYTES;
    this.#view.setBigUint64(at + DescriptorField.sSector, sector, true);
    this.#view.setBigUint64(at + DescriptorField.addr, address, true);
    this.#view.setUint32(at + DescriptorField.len, Number(len), true);
    this.#view.setUint8(at + DescriptorField.opf, opf);
    this.#view.setUint8(at + DescriptorField.status, 0xee);
    this.#view.setUint8(at + DescriptorField.flags, DescriptorFlag.IN_USE);
    this.#view.setUint16(LAYOUT.driverOffset + 2 + 2 * this.#position, index, true);
    this.#position = (this.#position + 1) % NUM_DESCRIPTORS;
  }
}

describe.each(ENGINES)("the %s engine", (engine: EngineKind) => {
  test("takes a descriptor exactly if all of it is in range", async () => {
    const bus = await createBus({ engine, hostMemoryBytes: 4 * 65536 });
    const start = BigInt(bus.hostMemory.offset);
    const sizes = [0n, 1n, 7n, 8n, 2n ** 32n, 2n ** 44n, 2n ** 53n - 1n];
    const hosts = [
      { offset: start, length: BigInt(bus.hostMemory.length) },
      { offset: start + 4096n, length: 8192n },
      { offset: start + 512n, length: 511n },
    ];
    const lens = [0n, 1n, 511n, 512n, 513n, 1024n, 8192n, MAX_LEN, MAX_LEN + 512n, 2n ** 31n];
    const allLens = [...lens, 2n ** 32n - 512n, 2n ** 32n - 1n];
    let asked = 0;
    for (const numSectors of sizes) {
      for (const host of hosts) {
        const limits = { numSectors, host };
        const sectors = edges([3, 9, 16, 31, 32, 44, 52, 53, 54, 55, 63], [-1n, 0n, 1n], 64);
        const near = [host.offset, host.offset + host.length];
        const addresses = [
          ...near.flatMap((at) => [-8192n, -512n, -1n, 0n, 1n, 511n].map((by) => at + by)),
          // What these are when cut to 32 or 53 bits is host memory.
          ...near.flatMap((at) => [at + 2n ** 32n, at + 2n ** 53n, 2n ** 64n - at]),
          ...edges([16, 31, 32, 53, 63], [-512n, -1n, 0n, 512n], 64),
        ];
        const all = allLens.flatMap((len) => [
          ...sectors.map((sector) => ({ sector, address: 0n, len, opf: Operation.DISCARD })),
          ...[0n, 1n, 2n ** 53n, 2n ** 64n - 1n].flatMap((sector) =>
            addresses.map((address) => ({ sector, address, len, opf: Operation.READ })),
          ),
        ]);
        const asker = new Asker(bus, limits);
        const statuses = asker.ask(all);
        asker.close();
        asked += all.length;
        const wrong = all.filter((fields, index) => statuses[index] !== statusOf(fields, limits));
        expect(wrong, `${numSectors} sectors, host memory at ${host.offset}`).toEqual([]);
      }
    }
    expect(asked).toBeGreaterThan(50_000);
    await bus.close();
  });

  test("opens a queue exactly if its parts are aligned, inside and apart", async () => {
    const bus = await createBus({ engine, hostMemoryBytes: 65536 });
    const at = bus.bar.offset + REGISTERS_BYTES;
    const bytes = bus.buffer.byteLength;
    let taken = 0;
    const far = [
      -8,
      0.5,
      Number.NaN,
      2 ** 31,
      2 ** 32,
      2 ** 32 + at,
      2 ** 53 - 8,
      2 ** 53,
      2 ** 63,
    ];
    for (const numDescriptors of [0, 15, 16, 64, 65536, 2 ** 32 + 16, -16, 16.5, Number.NaN]) {
      const end = numDescriptors * DESCRIPTOR_BYTES;
      const ring = 2 + 2 * numDescriptors;
      const near = [end - 2, end, end + 1, end + ring - 2, end + ring, end + ring + 4];
      const places = [...new Set([at, ...near.map((by) => at + by), bytes - ring, ...far])];
      for (const driverRing of places) {
        for (const deviceRing of places) {
          for (const descriptors of [at, at + 4, bytes - end, ...far]) {
            const parts = [descriptors, driverRing, deviceRing] as const;
            const geometry = { descriptors, driverRing, deviceRing, numDescriptors };
            const opens = mayBe(parts, numDescriptors, bytes);
            expect(opened(bus, geometry), JSON.stringify(geometry)).toBe(opens);
            if (opens) taken++;
          }
        }
      }
    }
    expect(taken).toBeGreaterThan(10);
    await bus.close();
  });
});

function opened(bus: Bus, geometry: Parameters<Bus["engine"]["openDriverQueue"]>[0]): boolean {
  try {
    bus.engine.openDriverQueue(geometry).close();
    return true;
  } catch (error) {
    if (error instanceof BlockptError && error.code === "ERR_BLOCKPT_INVALID_ARGUMENT")
      return false;
    throw error;
  }
}

function mayBe(parts: readonly number[], numDescriptors: number, bytes: number): boolean {
  if (![...parts, numDescriptors].every(Number.isSafeInteger)) return false;
  const count = BigInt(numDescriptors);
  const ring = 2n + 2n * count;
  const lens = [count * BigInt(DESCRIPTOR_BYTES), ring, ring] as const;
  return isQueue(parts.map(BigInt), lens, count, BigInt(bytes));
}

/** Aligned, inside of so many bytes, and apart. */
function isQueue(
  parts: readonly bigint[],
  lens: readonly bigint[],
  count: bigint,
  bytes: bigint,
): boolean {
  const ranges = parts.map((start, part) => ({ start, end: start + (lens[part] ?? 0n) }));
  const apart = ranges.every((one, index) =>
    ranges.every(
      (other, position) => index === position || one.end <= other.start || other.end <= one.start,
    ),
  );
  const [descriptors = 0n, driver = 0n, device = 0n] = parts;
  return (
    count >= 16n &&
    count <= 65535n &&
    descriptors % 8n === 0n &&
    driver % 2n === 0n &&
    device % 2n === 0n &&
    ranges.every(({ start, end }) => start >= 0n && end <= bytes) &&
    apart
  );
}

test("SET_QUEUE is served exactly if the queue can be there", async () => {
  const sizes = { hostMemoryBytes: 65536, endpointMemoryBytes: 65536 };
  const { bus, endpoint } = await makeEndpoint(sizes);
  await endpoint.exportDisc("disc", MemoryDisc.create(bus, 65536));
  await endpoint.start();
  const bar = new DataView(bus.buffer, bus.bar.offset, bus.bar.length);
  const words = new Int32Array(bus.buffer, bus.bar.offset, REGISTERS_BYTES / 4);
  const space = bar.getUint32(Register.availableQsize, true);
  const far = [2 ** 16, 2 ** 31, 2 ** 32 - 64, 2 ** 32 - 8, 2 ** 32 - 2, 2 ** 32 - 1];
  const ring = 2 + 2 * 16;
  const [driver, device] = [16 * 24, 16 * 24 + ring];
  const doorbell = Math.ceil((device + ring) / 64) * 64;
  const wholes = [device + ring - 1, device + ring, doorbell + 127, doorbell + 128, space, ...far];
  let asked = 0;
  let taken = 0;
  for (const enabled of [0, Feature.DOORBELL]) {
    for (const numDesc of [0, 15, 16, 17, 65535, 65536, 2 ** 32 - 1]) {
      for (const qsize of wholes) {
        for (const queueOffset of [
          0,
          4,
          8,
          64,
          space - qsize,
          space - qsize + 8,
          ...far.slice(1),
        ]) {
          for (const drvOffset of [driver - 2, driver, device, 2 ** 32 - ring, 2 ** 32 - 1]) {
            for (const devOffset of [driver, device, device + 1, device + 2, 2 ** 32 - ring]) {
              if (queueOffset < 0) continue;
              const args = { numDesc, qsize, queueOffset, drvOffset, devOffset };
              for (const [name, value] of Object.entries(args)) {
                bar.setUint32(Register[name as keyof typeof args], value, true);
              }
              bar.setUint32(Register.extEnabled, enabled, true);
              Atomics.store(words, Register.status / 4, 0);
              Atomics.store(words, Register.command / 4, Command.SET_QUEUE);
              while (Atomics.load(words, Register.status / 4) === 0) {
                await new Promise((resolve) => setImmediate(resolve));
              }
              const served = Atomics.load(words, Register.status / 4) === Status.SUCCESS;
              const wanted = maySet(args, BigInt(space), enabled !== 0);
              if (served !== wanted)
                expect(served, JSON.stringify({ ...args, enabled })).toBe(wanted);
              asked++;
              if (served) taken++;
            }
          }
        }
      }
    }
  }
  expect(asked).toBeGreaterThan(10_000);
  expect(taken).toBeGreaterThan(10);
});

function maySet(
  args: Record<"numDesc" | "qsize" | "queueOffset" | "drvOffset" | "devOffset", number>,
  space: bigint,
  hasDoorbell: boolean,
): boolean {
  const [count, qsize, start] = [
    BigInt(args.numDesc),
    BigInt(args.qsize),
    BigInt(args.queueOffset),
  ];
  const [driver, device] = [BigInt(args.drvOffset), BigInt(args.devOffset)];
  const ring = 2n + 2n * count;
  const lens = [count * BigInt(DESCRIPTOR_BYTES), ring, ring];
  if (start % 8n !== 0n || start + qsize > space) return false;
  if (!isQueue([0n, driver, device], lens, count, qsize)) return false;
  if (!hasDoorbell) return true;
  const rings = (driver > device ? driver : device) + ring;
  const doorbell = ((rings + 63n) / 64n) * 64n;
  return start % 64n === 0n && doorbell + 128n <= qsize;
}
