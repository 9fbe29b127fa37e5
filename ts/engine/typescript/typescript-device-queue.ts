// The device's end of a queue in TypeScript; crates/core/src/device_queue.rs is its twin.

import {
  BlkStatus,
  DESCRIPTOR_BYTES,
  DescriptorField,
  DescriptorFlag,
  Feature,
  Operation,
  SECTOR_BYTES,
} from "../../abi/layout.js";
import { assert } from "../../errors.js";
import { checkBatch, checkList, checkPolls, checkServe, checkSize } from "../bounds.js";
import type { BusRange, DeviceLimits, DeviceQueue, QueueGeometry } from "../engine.js";
import {
  COMPLETION_WORDS,
  COUNTERS,
  CompletionWord,
  Counter,
  HOST_PAGE_BYTES,
  LIST_CAPACITY,
  LIST_PUBLISH_BYTES,
  LIST_PUBLISH_EVERY,
  QueueFault,
  REQUEST_WORDS,
  RequestWord,
} from "../records.js";
import type { Views } from "./views.js";

const DESCRIPTOR_WORDS = DESCRIPTOR_BYTES / 4;
const FLAGS_SHIFT = (DescriptorField.flags % 4) * 8;

/**
 * What is remembered of a request until it is answered: its length, a multiple of a sector, and in
 * the bits below it the operation and this mark.
 */
const WORK_MARK = 1 << 8;

const PAGE_SHIFT = Math.log2(HOST_PAGE_BYTES);

export class TypeScriptDeviceQueue implements DeviceQueue {
  readonly requests = new Uint32Array(LIST_CAPACITY * REQUEST_WORDS);
  readonly completions = new Uint32Array(LIST_CAPACITY * COMPLETION_WORDS);
  readonly counters = new Float64Array(COUNTERS);
  readonly #views: Views;
  readonly #limits: DeviceLimits;
  readonly #descriptors: number;
  readonly #driverRing: number;
  readonly #deviceRing: number;
  readonly #numDescriptors: number;
  /** The work of each descriptor that was handed out and not yet completed; 0 for the others. */
  readonly #inService: Uint32Array;
  #numSectors: number;
  #driverPosition = 0;
  #devicePosition = 0;
  #unpublished = 0;
  #unpublishedBytes = 0;
  #completed = 0;
  #fault = 0;
  // The descriptor in hand, copied and checked: shared memory is not looked at again.
  #startSector = 0;
  #address = 0;
  #lenBytes = 0;
  #opf = 0;
  #flags = 0;

  constructor(views: Views, geometry: QueueGeometry, limits: DeviceLimits) {
    this.#views = views;
    this.#limits = limits;
    this.#numSectors = limits.numSectors;
    this.#descriptors = geometry.descriptors;
    this.#driverRing = geometry.driverRing >>> 1;
    this.#deviceRing = geometry.deviceRing >>> 1;
    this.#numDescriptors = geometry.numDescriptors;
    this.#inService = new Uint32Array(geometry.numDescriptors);
  }

  get completed(): number {
    return this.#completed;
  }

  resize(numSectors: number): void {
    checkSize(numSectors);
    this.#numSectors = numSectors;
  }

  fetch(polls: number): number {
    checkPolls(polls);
    if (this.#fault !== 0) return this.#fault;
    const head = this.#look(polls);
    const { requests } = this;
    let taken = 0;
    let record = 0;
    while (this.#driverPosition !== head && taken < LIST_CAPACITY && this.#fault === 0) {
      const index = this.#take();
      if (index < 0) break;
      taken++;
      const status = this.#check(index);
      if (status !== BlkStatus.OK) {
        this.#completeOne(index, 0, status);
        continue;
      }
      this.#inService[index] = this.#work();
      requests[record + RequestWord.startSectorLow] = this.#startSector;
      requests[record + RequestWord.startSectorHigh] = this.#startSector / 0x1_0000_0000;
      requests[record + RequestWord.address] = this.#address;
      requests[record + RequestWord.lenBytes] = this.#lenBytes;
      requests[record + RequestWord.opf] = this.#opf;
      requests[record + RequestWord.tag] = index;
      requests[record + RequestWord.flags] = this.#flags;
      requests[record + RequestWord.status] = 0;
      record += REQUEST_WORDS;
    }
    this.#publish();
    return taken === 0 ? this.#fault : record / REQUEST_WORDS;
  }

  serve(disc: BusRange, pio: boolean, polls: number, most: number): number {
    checkServe(this.#views.u8.length, disc, this.#numSectors, polls, most);
    return this.#drain(disc, pio, polls, most);
  }

  answer(polls: number, most: number): number {
    checkBatch(polls, most);
    return this.#drain(undefined, false, polls, most);
  }

  /** Does what is new on a disc that lies in the bus; without one, nothing but answer. */
  #drain(disc: BusRange | undefined, pio: boolean, polls: number, most: number): number {
    if (this.#fault !== 0) return this.#fault;
    const head = this.#look(polls);
    let taken = 0;
    while (this.#driverPosition !== head && taken < most && this.#fault === 0) {
      const index = this.#take();
      if (index < 0) break;
      taken++;
      const status = this.#check(index);
      if (status === BlkStatus.OK && disc !== undefined) this.#perform(disc, pio);
      this.#completeOne(index, status === BlkStatus.OK ? this.#work() : 0, status);
    }
    this.#publish();
    return taken === 0 ? this.#fault : taken;
  }

  complete(count: number): void {
    checkList(count);
    for (let index = 0; index < count; index++) {
      const record = index * COMPLETION_WORDS;
      const descriptor = this.completions[record + CompletionWord.tag] as number;
      const status = this.completions[record + CompletionWord.status] as number;
      const work = this.#inService[descriptor] ?? 0;
      assert(work !== 0, "completed twice");
      this.#inService[descriptor] = 0;
      this.#completeOne(descriptor, work, status & 0xff);
    }
    this.#publish();
  }

  close(): void {
    // Nothing in the bus is this queue's.
  }

  /** How far the driver has published; the device's own position where nothing is new, or it lies. */
  #look(polls: number): number {
    const { u16 } = this.#views;
    const ring = this.#driverRing;
    // Pairs with the driver's store of the driver ring's idx.
    let head = Atomics.load(u16, ring);
    for (let looks = 1; looks < polls && head === this.#driverPosition; looks++) {
      head = Atomics.load(u16, ring);
    }
    if (head < this.#numDescriptors) return head;
    this.#fault = -QueueFault.RING_INDEX;
    return this.#driverPosition;
  }

  /** Does what the request in hand asks for on a disc that lies in the bus. */
  #perform(disc: BusRange, pio: boolean): void {
    const views = this.#views;
    const len = this.#lenBytes;
    const sectors = disc.offset + this.#startSector * SECTOR_BYTES;
    switch (this.#opf) {
      case Operation.READ:
        if (pio) views.copyWords(this.#address, sectors, len);
        else views.copy(this.#address, sectors, len);
        break;
      case Operation.WRITE:
        if (pio) views.copyWords(sectors, this.#address, len);
        else views.copy(sectors, this.#address, len);
        break;
      case Operation.DISCARD:
      case Operation.WRITE_ZEROES:
        views.u8.fill(0, sectors, sectors + len);
        break;
      // A flush has nothing to do: this memory is as stable as it gets.
    }
  }

  /** Takes the next entry of the driver ring: the index of a descriptor, or −1 after a fault. */
  #take(): number {
    const index = this.#views.u16[this.#driverRing + 1 + this.#driverPosition] as number;
    if (++this.#driverPosition === this.#numDescriptors) this.#driverPosition = 0;
    if (index >= this.#numDescriptors) this.#fault = -QueueFault.DESCRIPTOR_INDEX;
    // Its one completion belongs to the request in service.
    else if (this.#inService[index] !== 0) this.#fault = -QueueFault.DESCRIPTOR_STATE;
    else return index;
    return -1;
  }

  /** Copies a descriptor, once, and checks the copy; gives the status that answers it if it is bad. */
  #check(index: number): number {
    const { u32 } = this.#views;
    const limits = this.#limits;
    const word = (this.#descriptors >>> 2) + index * DESCRIPTOR_WORDS;
    const sectorLow = u32[word] as number;
    const sectorHigh = u32[word + 1] as number;
    const addressLow = u32[word + 2] as number;
    const addressHigh = u32[word + 3] as number;
    const len = u32[word + 4] as number;
    const last = u32[word + 5] as number;
    const flags = last >>> FLAGS_SHIFT;
    if ((flags & DescriptorFlag.IN_USE) === 0) return BlkStatus.INVAL;
    const opf = last & 0xff;
    const fua = opf === Operation.WRITE ? flags & DescriptorFlag.FUA : 0;
    if (!isEnabled(opf, fua, limits.features)) return BlkStatus.NOTSUPP;
    if (opf === Operation.FLUSH) return len === 0 ? this.#accept(0, 0, 0, opf, 0) : BlkStatus.INVAL;
    if (len === 0 || (len & (SECTOR_BYTES - 1)) !== 0 || len > limits.maxLenBytes) {
      return BlkStatus.INVAL;
    }
    // Beyond 2^53 the sums are rounded, and still far beyond every limit.
    const sector = sectorHigh * 0x1_0000_0000 + sectorLow;
    if (sector > this.#numSectors - len / SECTOR_BYTES) return BlkStatus.INVAL;
    if (opf !== Operation.READ && limits.readOnly) return BlkStatus.PROTECTION;
    if (opf !== Operation.READ && opf !== Operation.WRITE) {
      return this.#accept(sector, 0, len, opf, 0);
    }
    const address = addressHigh * 0x1_0000_0000 + addressLow;
    if (!this.#reaches(address, len)) return BlkStatus.INVAL;
    return this.#accept(sector, address, len, opf, fua);
  }

  /** Takes a checked request in hand; what its operation has no use for is 0. */
  #accept(sector: number, address: number, len: number, opf: number, flags: number): number {
    this.#startSector = sector;
    this.#address = address;
    this.#lenBytes = len;
    this.#opf = opf;
    this.#flags = flags;
    return BlkStatus.OK;
  }

  #reaches(address: number, len: number): boolean {
    const { hostMemory, iommuTable } = this.#limits;
    const offset = address - hostMemory.offset;
    if (offset < 0 || offset > hostMemory.length - len) return false;
    if (iommuTable !== 0) {
      const table = iommuTable >>> 2;
      const end = (offset + len - 1) >>> PAGE_SHIFT;
      for (let page = offset >>> PAGE_SHIFT; page <= end; page++) {
        if (this.#views.u32[table + page] === 0) return false;
      }
    }
    return true;
  }

  /** What is to be remembered of the request in hand until it is answered; never 0. */
  #work(): number {
    return this.#lenBytes | WORK_MARK | this.#opf;
  }

  /** Answers a descriptor, and counts it. `work` is 0 for one that failed its check. */
  #completeOne(index: number, work: number, status: number): void {
    const { u8, u16 } = this.#views;
    this.#count(work, status);
    u8[this.#descriptors + index * DESCRIPTOR_BYTES + DescriptorField.status] = status;
    u16[this.#deviceRing + 1 + this.#devicePosition] = index;
    if (++this.#devicePosition === this.#numDescriptors) this.#devicePosition = 0;
    this.#completed = (this.#completed + 1) >>> 0;
    const isDue = this.#unpublishedBytes >= LIST_PUBLISH_BYTES;
    if (++this.#unpublished === LIST_PUBLISH_EVERY || isDue) this.#publish();
  }

  #count(work: number, status: number): void {
    const { counters } = this;
    if (status !== BlkStatus.OK) {
      (counters[Counter.errors] as number)++;
      return;
    }
    const lenBytes = (work & ~(SECTOR_BYTES - 1)) >>> 0;
    this.#unpublishedBytes += lenBytes;
    switch (work & 0xff) {
      case Operation.READ:
        (counters[Counter.reads] as number)++;
        (counters[Counter.bytesRead] as number) += lenBytes;
        break;
      case Operation.WRITE:
        (counters[Counter.writes] as number)++;
        (counters[Counter.bytesWritten] as number) += lenBytes;
        break;
      case Operation.FLUSH:
        (counters[Counter.flushes] as number)++;
        break;
      default:
        (counters[Counter.discards] as number)++;
    }
  }

  #publish(): void {
    if (this.#unpublished === 0) return;
    this.#unpublished = 0;
    this.#unpublishedBytes = 0;
    // Pairs with the driver's load of the device ring's idx.
    Atomics.store(this.#views.u16, this.#deviceRing, this.#devicePosition);
  }
}

/** Whether an operation is known, and enabled on the queue. */
function isEnabled(opf: number, fua: number, features: number): boolean {
  switch (opf) {
    case Operation.READ:
      return true;
    case Operation.WRITE:
      // Refused without the feature: a FUA that nobody heeds loses data silently.
      return fua === 0 || (features & Feature.FUA) !== 0;
    case Operation.FLUSH:
      return (features & Feature.FLUSH) !== 0;
    case Operation.DISCARD:
      return (features & Feature.DISCARD) !== 0;
    case Operation.WRITE_ZEROES:
      return (features & Feature.WRITE_ZEROES) !== 0;
    default:
      return false;
  }
}
