// One engine with both ends of one queue on a bus of its own, which does the steps of a script. All machines have the same
// layout, so a bus address means the same in each.

import {
  BlockptError,
  type Bus,
  COMPLETION_WORDS,
  COUNTERS,
  createBus,
  type DeviceQueue,
  type DriverQueue,
  type EngineKind,
  openBus,
  type QueueGeometry,
  REQUEST_WORDS,
} from "blockpt";
import {
  DESCRIPTOR_BYTES,
  DescriptorField,
  DescriptorFlag,
  Operation,
  SECTOR_BYTES,
} from "blockpt/abi";
import {
  addressOf,
  DISC_BYTES,
  fillWithPattern,
  HOST_BYTES,
  layQueue,
  YARD_BYTES,
} from "./places.js";
import type { Field, Place, Put, Ring, Shape, Step } from "./script.js";

const PAGE_BYTES = 4096;
/** From which on a queue does not fit a BAR of the usual size. */
const MANY_DESCRIPTORS = 4096;
const START_BYTES = 1024;

/** What a step gave: a result, or what was thrown. */
export type Outcome = { gives: unknown } | { throws: string };

/** What a device has fetched and not answered is told by the script's runner, the same to all machines. */
export type Outstanding = readonly number[];

export class Machine {
  readonly kind: EngineKind;
  /** Where the queue is, in bytes of the bus. */
  queueStart = 0;
  queueBytes = 0;
  #bus: Bus;
  #driver: DriverQueue;
  #device: DeviceQueue;
  #shape: Shape;
  #geometry: QueueGeometry;
  #serial = 0;

  private constructor(kind: EngineKind, bus: Bus, shape: Shape) {
    this.kind = kind;
    this.#bus = bus;
    this.#shape = shape;
    this.#geometry = this.#lay(shape);
    this.#driver = bus.engine.openDriverQueue(this.#geometry);
    this.#device = this.#openDevice();
  }

  /** @param isLarge - has a BAR for the largest queues */
  static async create(kind: EngineKind, shape: Shape, isLarge: boolean): Promise<Machine> {
    const bus = await createBus({
      engine: kind,
      iommu: true,
      barBytes: isLarge ? 4 * 1024 * 1024 : 128 * 1024,
      hostMemoryBytes: HOST_BYTES,
      endpointMemoryBytes: DISC_BYTES + YARD_BYTES,
    });
    return new Machine(kind, bus, shape);
  }

  /** Whether a shape takes a machine of the large kind. */
  static isLarge({ numDescriptors }: Shape): boolean {
    return numDescriptors >= MANY_DESCRIPTORS;
  }

  get bus(): Bus {
    return this.#bus;
  }

  /** Everything that may be written, as it is at the start of each script. */
  reset(shape: Shape): void {
    const { buffer, bar, endpointMemory, handle } = this.#bus;
    this.#driver.close();
    this.#device.close();
    this.#shape = shape;
    this.#geometry = this.#lay(shape);
    this.#serial = 0;
    const end = endpointMemory.offset + endpointMemory.length;
    fillWithPattern(new Uint8Array(buffer, bar.offset, end - bar.offset));
    new Uint8Array(buffer, 0, START_BYTES).fill(0);
    const { iommuTable } = handle.layout;
    new Uint32Array(buffer, iommuTable, HOST_BYTES / PAGE_BYTES).fill(0);
    this.#zeroQueue();
    this.#open(0);
  }

  /** After a trap an instance's stack is not where it was: another one, on the same bus. */
  renew(): void {
    this.#driver.close();
    this.#device.close();
    const { handle } = this.#bus;
    this.#bus.close();
    this.#bus = openBus(handle);
    this.#open(0);
  }

  /** What is to be compared after each step besides its outcome. */
  facts(): number[] {
    const { counters } = this.#device;
    const facts = [this.#driver.available, this.#driver.position, this.#device.completed];
    for (let word = 0; word < COUNTERS; word++) facts.push(counters[word] as number);
    return facts;
  }

  /** Where the parts are that the driver writes when it publishes at the latest: [start, end), ... */
  driverParts(): [number, number][] {
    const { descriptors, driverRing, numDescriptors } = this.#geometry;
    return [
      [descriptors, descriptors + numDescriptors * DESCRIPTOR_BYTES],
      [driverRing, driverRing + 2 + 2 * numDescriptors],
    ];
  }

  get driverAvailable(): number {
    return this.#driver.available;
  }

  perform(step: Step, outstanding: Outstanding): Outcome {
    try {
      return { gives: this.#perform(step, outstanding) };
    } catch (error) {
      if (error instanceof BlockptError) return { throws: `${error.code} ${error.message}` };
      const isAssertion = error instanceof WebAssembly.RuntimeError || isInternal(error);
      if (step.do === "assert" && isAssertion) return { throws: "an assertion" };
      throw error;
    }
  }

  #perform(step: Step, outstanding: Outstanding): unknown {
    switch (step.do) {
      case "submit":
        return this.#submit(step);
      case "publish":
        return this.#driver.publish();
      case "reap":
        return this.#reap();
      case "fetch":
        return this.#fetch(step.polls);
      case "serve": {
        const disc = {
          offset: this.#bus.endpointMemory.offset,
          length: DISC_BYTES - step.missing,
        };
        return this.#device.serve(disc, step.pio, step.polls, step.most);
      }
      case "answer":
        return this.#device.answer(step.polls, step.most);
      case "complete":
        return this.#complete(outstanding, step.statuses);
      case "assert":
        return this.#complete([...outstanding, step.wrong], [0]);
      case "resize":
        return this.#device.resize(step.sectors);
      case "turn":
        return this.#turn(step.count, step.opf);
      case "restart":
        return this.#restart(step.position);
      case "takeover":
        return this.#takeover();
      default:
        return this.#performByHand(step);
    }
  }

  /** What neither end of the queue does: the third hand, the IOMMU, and the engine's pieces. */
  #performByHand(step: Step): unknown {
    const { engine, iommu, hostMemory, buffer } = this.#bus;
    const u8 = new Uint8Array(buffer);
    const u16 = new Uint16Array(buffer);
    switch (step.do) {
      case "field":
        return this.#setField(step.back, step.field, BigInt(step.value));
      case "flip": {
        const at = this.queueStart + (step.at % this.queueBytes);
        u8[at] = (u8[at] as number) ^ (1 << step.bit);
        return undefined;
      }
      case "idx":
        u16[this.#ring(step.ring) / 2] = step.value;
        return undefined;
      case "entry":
        u16[this.#entry(step.ring, step.back)] = step.value;
        return undefined;
      case "lie":
        return this.#lie(step);
      case "map":
      case "unmap": {
        const address = hostMemory.offset + step.page * PAGE_BYTES;
        return iommu?.[step.do](address, step.pages * PAGE_BYTES);
      }
      case "copy":
        return this.#copy(step);
      case "fill":
        return engine.fill(this.#at(step.to), step.value, step.len);
      case "encode":
        engine.list.fill(0);
        for (const [index, record] of step.records.entries()) {
          engine.list.set(record, index * REQUEST_WORDS);
        }
        return engine.encodeDescriptors(this.#at(step.table), step.count);
      case "decode":
        engine.list.fill(0xdead);
        engine.decodeDescriptors(this.#at(step.table), step.count);
        return [...engine.list.subarray(0, (step.count + 1) * REQUEST_WORDS)];
      case "push":
        engine.list.set(step.entries);
        return engine.pushRing(this.#at(step.ring), step.of, step.position, step.entries.length);
      case "pop": {
        engine.list.fill(0xdead);
        const { of, position, capacity } = step;
        const count = engine.popRing(this.#at(step.ring), of, position, capacity);
        // What is in the list after a fault is nobody's.
        return [count, ...engine.list.subarray(0, Math.max(0, count))];
      }
      case "open":
        return this.#openElsewhere(step);
      default:
        throw new Error(`there is no step ${step.do}`);
    }
  }

  #submit({ puts }: { puts: Put[] }): number {
    const fits = puts.slice(0, this.#driver.available);
    const start = this.#bus.hostMemory.offset + this.#shape.window[0];
    for (const { sector, at, len, opf, flags } of fits) {
      this.#driver.put(sector, Math.max(0, start + at), len, opf, flags, this.#nextTag());
    }
    return fits.length;
  }

  /** Marks over all of their range, each another; never 2^32 − 1. */
  #nextTag(): number {
    return Math.imul(++this.#serial, 0x9e37_79b1) >>> 1;
  }

  #reap(): number[] {
    const count = this.#driver.reap();
    return [count, ...this.#driver.completions.subarray(0, Math.max(0, count) * COMPLETION_WORDS)];
  }

  #fetch(polls: number): number[] {
    const count = this.#device.fetch(polls);
    return [count, ...this.#device.requests.subarray(0, Math.max(0, count) * REQUEST_WORDS)];
  }

  #complete(descriptors: readonly number[], statuses: readonly number[]): void {
    for (const [index, descriptor] of descriptors.entries()) {
      this.#device.completions[index * COMPLETION_WORDS] = descriptor;
      this.#device.completions[index * COMPLETION_WORDS + 1] = statuses[
        index % statuses.length
      ] as number;
    }
    this.#device.complete(descriptors.length);
  }

  #turn(count: number, opf: number): number[] {
    const results: number[] = [];
    const len = opf === Operation.FLUSH ? 0 : SECTOR_BYTES;
    const address = this.#bus.hostMemory.offset + this.#shape.window[0];
    for (let left = Math.min(count, 2 * this.#geometry.numDescriptors); left > 0; ) {
      const batch = Math.min(left, this.#driver.available, 255);
      if (batch === 0) break;
      for (let each = 0; each < batch; each++) {
        this.#driver.put(0, address, len, opf, 0, this.#nextTag());
      }
      this.#driver.publish();
      results.push(this.#device.answer(1, batch), this.#driver.reap());
      if ((results.at(-1) as number) <= 0) break;
      left -= batch;
    }
    return results;
  }

  #restart(position: number): void {
    this.#driver.close();
    this.#device.close();
    this.#zeroQueue();
    this.#open(position % this.#geometry.numDescriptors);
  }

  #takeover(): boolean {
    const { position, available } = this.#driver;
    const u16 = new Uint16Array(this.#bus.buffer);
    const isIdle =
      available === this.#geometry.numDescriptors - 1 && u16[this.#ring("device") / 2] === position;
    if (!isIdle) return false;
    this.#driver.close();
    this.#driver = this.#bus.engine.openDriverQueue(this.#geometry, position);
    return true;
  }

  #setField(back: number, field: Field, value: bigint): void {
    const u16 = new Uint16Array(this.#bus.buffer);
    const index = (u16[this.#entry("driver", back)] as number) % this.#geometry.numDescriptors;
    const at = this.#geometry.descriptors + index * DESCRIPTOR_BYTES + DescriptorField[field];
    const view = new DataView(this.#bus.buffer);
    if (field === "sSector" || field === "addr") view.setBigUint64(at, value, true);
    else if (field === "len") view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
    else view.setUint8(at, Number(BigInt.asUintN(8, value)));
  }

  #lie(step: Step & { do: "lie" }): void {
    const u8 = new Uint8Array(this.#bus.buffer);
    const u16 = new Uint16Array(this.#bus.buffer);
    const { descriptors, numDescriptors } = this.#geometry;
    const index = step.index % numDescriptors;
    const at = descriptors + index * DESCRIPTOR_BYTES;
    u8[at + DescriptorField.status] = step.status;
    if (step.inUse) u8[at + DescriptorField.flags] = DescriptorFlag.IN_USE;
    const idx = this.#ring("device") / 2;
    const slot = (u16[idx] as number) % numDescriptors;
    u16[idx + 1 + slot] = index;
    u16[idx] = (slot + 1) % numDescriptors;
  }

  #copy(step: Step & { do: "copy" }): void {
    const [to, from] = [this.#at(step.to), this.#at(step.from)];
    // Word by word is for ranges that do not overlap.
    const overlap = to < from + step.len && from < to + step.len;
    if (step.words && !overlap) this.#bus.engine.copyWords(to, from, step.len);
    else this.#bus.engine.copy(to, from, step.len);
  }

  #openElsewhere({ side, parts, of, position }: Step & { do: "open" }): string {
    const [descriptors, driverRing, deviceRing] = parts.map((part) => this.#at(part)) as [
      number,
      number,
      number,
    ];
    const geometry = { descriptors, driverRing, deviceRing, numDescriptors: of };
    if (side === "device") this.#openDevice(geometry).close();
    else this.#bus.engine.openDriverQueue(geometry, position).close();
    return "opened";
  }

  #ring(ring: Ring): number {
    return ring === "driver" ? this.#geometry.driverRing : this.#geometry.deviceRing;
  }

  /** The u16 of the entry before a ring's idx, or so many before that. */
  #entry(ring: Ring, back: number): number {
    const { numDescriptors } = this.#geometry;
    const idx = this.#ring(ring) / 2;
    const last = (new Uint16Array(this.#bus.buffer)[idx] as number) - 1 - (back % numDescriptors);
    return idx + 1 + (((last % numDescriptors) + numDescriptors) % numDescriptors);
  }

  #at(place: Place): number {
    return addressOf(place, this.#bus, this.queueStart);
  }

  #lay(shape: Shape): QueueGeometry {
    const { start, bytes, geometry } = layQueue(shape, this.#bus);
    this.queueStart = start;
    this.queueBytes = bytes;
    return geometry;
  }

  #zeroQueue(): void {
    new Uint8Array(this.#bus.buffer, this.queueStart, this.queueBytes).fill(0);
  }

  #open(position: number): void {
    this.#driver = this.#bus.engine.openDriverQueue(this.#geometry, position);
    this.#device = this.#openDevice();
  }

  #openDevice(geometry = this.#geometry): DeviceQueue {
    const { readOnly, features, maxLenBytes, numSectors, window, iommu } = this.#shape;
    const { engine, hostMemory, handle } = this.#bus;
    return engine.openDeviceQueue(geometry, {
      readOnly,
      features,
      maxLenBytes,
      numSectors,
      hostMemory: { offset: hostMemory.offset + window[0], length: window[1] },
      iommuTable: iommu ? handle.layout.iommuTable : 0,
    });
  }
}

function isInternal(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("blockpt, internal");
}
