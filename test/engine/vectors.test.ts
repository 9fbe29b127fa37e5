// Replays test/vectors/rings.json on both engines: what crates/core gave for the small scenarios that the model
// checker explores, in every order of their calls, and for the ways in which a side may break the protocol
// (crates/model/tests/vectors.rs writes it). After each step the result and every byte must be the same.

import { readFileSync } from "node:fs";
import { type Bus, createBus, type DeviceQueue, type DriverQueue, type EngineKind } from "blockpt";
import { DESCRIPTOR_BYTES, Operation, REGISTERS_BYTES } from "blockpt/abi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** Sector, address, length, operation, flags, mark. */
type Record6 = [number, number, number, number, number, number];
type Given = number | null | number[][];

type Step = { gives: Given; queue: [number, string][]; host: string; disc: string } & (
  | { do: "submit"; requests: Record6[] }
  | { do: "reap" | "fetch" }
  | { do: "serve" | "answer"; most: number }
  | { do: "complete"; status: number }
  | { do: "resize"; sectors: number }
  | { do: "turn"; count: number }
  | { do: "write"; offset: number; bytes: string }
);

interface Vectors {
  setup: {
    numDescriptors: number;
    driverOffset: number;
    deviceOffset: number;
    sectorBytes: number;
    sectors: number;
    hostAddress: number;
    maxLenBytes: number;
    features: number;
  };
  traces: { name: string; steps: Step[] }[];
}

const { setup, traces }: Vectors = JSON.parse(
  readFileSync(new URL("../vectors/rings.json", import.meta.url), "utf8"),
);
const DATA_BYTES = setup.sectors * setup.sectorBytes;
const DESCRIPTORS_BYTES = setup.numDescriptors * DESCRIPTOR_BYTES;
const ADDRESS = 8;
/** What the names of one scenario's traces have before their number. */
const ORDER = ", order ";

/** Both ends of a queue, in a bus that had a trace before. */
class Replay {
  readonly #bus: Bus;
  readonly #queue: Buffer;
  readonly #host: Buffer;
  readonly #disc: Buffer;
  readonly #driver: DriverQueue;
  readonly #device: DeviceQueue;
  readonly #outstanding: number[] = [];

  constructor(bus: Bus) {
    const at = bus.bar.offset + REGISTERS_BYTES;
    const { numDescriptors, driverOffset, deviceOffset } = setup;
    this.#bus = bus;
    this.#queue = Buffer.from(bus.buffer, at, bytesOfQueue());
    this.#host = Buffer.from(bus.buffer, bus.hostMemory.offset, DATA_BYTES);
    this.#disc = Buffer.from(bus.buffer, bus.endpointMemory.offset, DATA_BYTES);
    this.#queue.fill(0);
    for (let sector = 0; sector < setup.sectors; sector++) {
      const [start, end] = [sector * setup.sectorBytes, (sector + 1) * setup.sectorBytes];
      this.#host.fill(0x10 + sector, start, end);
      this.#disc.fill(0x20 + sector, start, end);
    }
    const geometry = {
      descriptors: at,
      driverRing: at + driverOffset,
      deviceRing: at + deviceOffset,
      numDescriptors,
    };
    this.#driver = bus.engine.openDriverQueue(geometry);
    this.#device = bus.engine.openDeviceQueue(geometry, {
      numSectors: setup.sectors,
      maxLenBytes: setup.maxLenBytes,
      readOnly: false,
      features: setup.features,
      hostMemory: { offset: bus.hostMemory.offset, length: DATA_BYTES },
      iommuTable: 0,
    });
  }

  close(): void {
    this.#driver.close();
    this.#device.close();
  }

  perform(step: Step): Given {
    const { endpointMemory } = this.#bus;
    switch (step.do) {
      case "submit":
        for (const request of step.requests) this.#put(request);
        this.#driver.publish();
        return step.requests.length;
      case "reap":
        return this.#reap();
      case "fetch":
        return this.#fetch();
      case "serve": {
        // The engines want a disc with all its sectors.
        const disc = { offset: endpointMemory.offset, length: DATA_BYTES };
        return this.#device.serve(disc, false, 1, step.most);
      }
      case "answer":
        return this.#device.answer(1, step.most);
      case "complete":
        return this.#complete(step.status);
      case "resize":
        this.#device.resize(step.sectors);
        return null;
      case "turn":
        for (let tag = 0; tag < step.count; tag++) {
          this.#put([0, 0, 0, Operation.FLUSH, 0, tag]);
          this.#driver.publish();
          expect(this.#device.answer(1, 9)).toBe(1);
          expect(this.#reap()).toEqual([[tag, 0]]);
        }
        return null;
      case "write":
        Buffer.from(step.bytes, "hex").copy(this.#queue, step.offset);
        return null;
    }
  }

  /** The queue's bytes, its addresses as if host memory were where the vectors have it. */
  bytes(): Buffer {
    const bytes = Buffer.from(this.#queue);
    for (let at = ADDRESS; at < DESCRIPTORS_BYTES; at += DESCRIPTOR_BYTES) {
      const address = bytes.readUInt32LE(at);
      if (address !== 0) bytes.writeUInt32LE(this.#moved(address, -1), at);
    }
    return bytes;
  }

  /** The first byte of each sector, of which all are alike. */
  get data(): { host: string; disc: string } {
    const firsts = (data: Buffer): string => {
      const bytes = Array.from({ length: setup.sectors }, (_, sector) => {
        const start = sector * setup.sectorBytes;
        const whole = data.subarray(start, start + setup.sectorBytes);
        expect(whole.every((byte) => byte === whole[0])).toBe(true);
        return whole[0] as number;
      });
      return Buffer.from(bytes).toString("hex");
    };
    return { host: firsts(this.#host), disc: firsts(this.#disc) };
  }

  #put([sector, address, len, opf, flags, tag]: Record6): void {
    const at = address === 0 ? 0 : this.#moved(address, 1);
    this.#driver.put(sector, at, len, opf, flags, tag);
  }

  #reap(): Given {
    const count = this.#driver.reap();
    if (count < 0) return count;
    return rows(this.#driver.completions, 2).slice(0, count);
  }

  #fetch(): Given {
    const count = this.#device.fetch(1);
    if (count < 0) return count;
    return rows(this.#device.requests, 8)
      .slice(0, count)
      .map(([low = 0, high = 0, address = 0, len = 0, opf = 0, tag = 0, flags = 0]) => {
        this.#outstanding.push(tag);
        const at = address === 0 ? 0 : this.#moved(address, -1);
        return [high * 2 ** 32 + low, at, len, opf, flags, tag];
      });
  }

  #complete(status: number): number {
    const done = this.#outstanding.splice(0).reverse();
    for (const [index, tag] of done.entries())
      this.#device.completions.set([tag, status], index * 2);
    this.#device.complete(done.length);
    return this.#device.completed;
  }

  /** An address of the vectors in this bus (1), or the other way round (−1); one far out of either stays. */
  #moved(address: number, direction: 1 | -1): number {
    if (address >= 2 ** 31) return address;
    return address + direction * (this.#bus.hostMemory.offset - setup.hostAddress);
  }
}

function rows(list: Uint32Array, width: number): number[][] {
  return Array.from({ length: list.length / width }, (_, row) => [
    ...list.subarray(row * width, (row + 1) * width),
  ]);
}

/** To the end of the device ring. */
function bytesOfQueue(): number {
  return setup.deviceOffset + 2 + 2 * setup.numDescriptors;
}

describe.each(["wasm", "typescript"] as const)("the %s engine", (engine: EngineKind) => {
  let bus: Bus;
  beforeAll(async () => {
    bus = await createBus({ engine, hostMemoryBytes: 65536, endpointMemoryBytes: 65536 });
  });
  afterAll(() => bus.close());

  test.each(traces.filter(({ name }) => !name.includes(ORDER)))("$name", ({ steps }) => {
    replayOn(bus, steps);
  });

  const ordered = traces.filter(({ name }) => name.includes(ORDER));
  const scenarios = [...new Set(ordered.map(({ name }) => name.split(ORDER, 1)[0] as string))];
  test.each(scenarios)("%s, in every order of the calls", (scenario) => {
    const orders = ordered.filter(({ name }) => name.startsWith(`${scenario}${ORDER}`));
    for (const { name, steps } of orders) replayOn(bus, steps, name);
    expect(orders.length).toBeGreaterThan(10);
  });
});

/** Does a trace's steps, and compares result and bytes after each. */
function replayOn(bus: Bus, steps: readonly Step[], name = ""): void {
  const replay = new Replay(bus);
  const expected = replay.bytes();
  for (const [index, step] of steps.entries()) {
    const gives = replay.perform(step);
    for (const [offset, bytes] of step.queue) Buffer.from(bytes, "hex").copy(expected, offset);
    const where = `${name} step ${index}, ${step.do}`;
    expect(gives, where).toEqual(step.gives);
    expect(replay.bytes().toString("hex"), where).toBe(expected.toString("hex"));
    expect(replay.data, where).toEqual({ host: step.host, disc: step.disc });
  }
  replay.close();
}
