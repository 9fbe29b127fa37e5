// The device's end of a queue by its bytes: takes what the driver has put, and puts anything on the device ring.

import { type Descriptor, decodeDescriptor } from "../../abi/descriptor.js";
import {
  BlkStatus,
  DESCRIPTOR_BYTES,
  DescriptorField,
  Operation,
  SECTOR_BYTES,
} from "../../abi/layout.js";
import type { Bus } from "../../bus/bus.js";

/** A request as a device takes it. */
export interface RawRequest {
  /** The rings that it came on. */
  readonly rings: DeviceRings;
  /** The index of its descriptor. */
  readonly index: number;
  /** The descriptor, as it was then. */
  readonly descriptor: Descriptor;
}

/** Where the parts of a queue are, as SET_QUEUE said; bytes from its start. */
export interface DeviceRingsLayout {
  /** The driver ring. */
  readonly driverOffset: number;
  /** The device ring. */
  readonly deviceOffset: number;
  /** Descriptors. */
  readonly numDescriptors: number;
}

/** The device's half of a queue by its bytes (protocol, section 3): any entry, any `idx`. Made by {@link RawDevice}. */
export class DeviceRings {
  /** Which disc's. */
  readonly devIdx: number;
  /** Which of its queues. */
  readonly qidx: number;
  /** Where its parts are. */
  readonly layout: DeviceRingsLayout;
  /** Its first byte: a bus address. */
  readonly start: number;
  /** Requests that were taken and not answered. */
  readonly held: RawRequest[] = [];
  /** Where the next entry goes on the device ring. {@link push} counts it, {@link publish} does not. */
  position = 0;
  readonly #bus: Bus;
  readonly #driverRing: Uint16Array;
  readonly #deviceRing: Uint16Array;
  #taken = 0;

  /** @internal */
  constructor(
    bus: Bus,
    { devIdx, qidx }: { devIdx: number; qidx: number },
    start: number,
    layout: DeviceRingsLayout,
  ) {
    this.#bus = bus;
    this.devIdx = devIdx;
    this.qidx = qidx;
    this.start = start;
    this.layout = layout;
    const words = 1 + layout.numDescriptors;
    this.#driverRing = new Uint16Array(bus.buffer, start + layout.driverOffset, words);
    this.#deviceRing = new Uint16Array(bus.buffer, start + layout.deviceOffset, words);
    this.publish(0);
  }

  /** Takes what is new on the driver ring. */
  take(): RawRequest[] {
    const { numDescriptors } = this.layout;
    const head = Atomics.load(this.#driverRing, 0);
    const requests: RawRequest[] = [];
    while (head < numDescriptors && this.#taken !== head) {
      const index = this.#driverRing[1 + this.#taken] as number;
      this.#taken = (this.#taken + 1) % numDescriptors;
      if (index >= numDescriptors) break;
      requests.push({ rings: this, index, descriptor: decodeDescriptor(this.#view(index), 0) });
    }
    return requests;
  }

  /** Answers a request: its status, its entry, published. */
  complete(request: RawRequest, status: number): void {
    const at = this.held.indexOf(request);
    if (at >= 0) this.held.splice(at, 1);
    this.setStatus(request.index, status);
    this.push(request.index);
  }

  /** Writes the status of a descriptor: 0 to 255. */
  setStatus(index: number, status: number): void {
    this.#view(index).setUint8(DescriptorField.status, status);
  }

  /** Writes every byte of a descriptor but its status. */
  scribble(index: number, byte: number): void {
    const view = this.#view(index);
    for (let at = 0; at < DESCRIPTOR_BYTES; at++) {
      if (at !== DescriptorField.status) view.setUint8(at, byte);
    }
  }

  /** Puts entries on the device ring, true or not (each 0 to 65535), and publishes them. */
  push(...entries: number[]): void {
    for (const entry of entries) {
      this.#deviceRing[1 + this.position] = entry;
      this.position = (this.position + 1) % this.layout.numDescriptors;
    }
    this.publish(this.position);
  }

  /** Publishes any `idx` on the device ring: 0 to 65535. */
  publish(idx: number): void {
    Atomics.store(this.#deviceRing, 0, idx);
  }

  /** Moves the data of a request between a disc and host memory; gives its status. */
  move(disc: Uint8Array, { startSector, address, lenBytes, opf }: Descriptor): number {
    const first = Number(startSector) * SECTOR_BYTES;
    const { hostMemory, buffer } = this.#bus;
    const offset = Number(address) - hostMemory.offset;
    if (first + lenBytes > disc.length) return BlkStatus.INVAL;
    if (opf > Operation.WRITE) return BlkStatus.NOTSUPP;
    if (offset < 0 || offset + lenBytes > hostMemory.length) return BlkStatus.INVAL;
    const host = new Uint8Array(buffer, Number(address), lenBytes);
    const sectors = disc.subarray(first, first + lenBytes);
    if (opf === Operation.READ) host.set(sectors);
    else sectors.set(host);
    return BlkStatus.OK;
  }

  #view(index: number): DataView {
    return new DataView(this.#bus.buffer, this.start + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
  }
}
