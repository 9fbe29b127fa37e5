// The device's end of a queue, and all that it does recorded: around an engine's, chosen when the queue is opened.
//
// What lies in the bus is served here by fetch and copy, so that every request is seen. A malformed descriptor is answered
// inside `fetch`, and its driver may clear it at once; so what is new on the ring is copied before.

import {
  BlkStatus,
  DESCRIPTOR_BYTES,
  DescriptorField,
  DescriptorFlag,
  Operation,
  SECTOR_BYTES,
} from "../abi/layout.js";
import type {
  BusRange,
  DeviceLimits,
  DeviceQueue,
  Engine,
  QueueGeometry,
} from "../engine/engine.js";
import {
  COMPLETION_WORDS,
  CompletionWord,
  LIST_CAPACITY,
  LIST_PUBLISH_BYTES,
  LIST_PUBLISH_EVERY,
  REQUEST_WORDS,
  RequestWord,
} from "../engine/records.js";
import { UNKNOWN_STATUS } from "./layout.js";
import type { QueueRecorder } from "./recorder.js";

const DESCRIPTOR_WORDS = DESCRIPTOR_BYTES / 4;

export class TracedDeviceQueue implements DeviceQueue {
  readonly requests: Uint32Array;
  readonly completions: Uint32Array;
  readonly counters: Float64Array;
  readonly #queue: DeviceQueue;
  readonly #engine: Engine;
  readonly #recorder: QueueRecorder;
  readonly #geometry: QueueGeometry;
  readonly #u8: Uint8Array;
  readonly #u16: Uint16Array;
  readonly #u32: Uint32Array;
  /** What was on the driver ring before a fetch: indices, and a copy of each descriptor. */
  readonly #entries = new Uint16Array(LIST_CAPACITY);
  readonly #copies = new Uint32Array(LIST_CAPACITY * DESCRIPTOR_WORDS);
  #driverPosition = 0;
  #devicePosition = 0;
  #hasFault = false;

  constructor(
    buffer: SharedArrayBuffer,
    engine: Engine,
    geometry: QueueGeometry,
    limits: DeviceLimits,
    recorder: QueueRecorder,
  ) {
    const queue = engine.openDeviceQueue(geometry, limits);
    this.#queue = queue;
    this.#engine = engine;
    this.#recorder = recorder;
    this.#geometry = geometry;
    this.#u8 = new Uint8Array(buffer);
    this.#u16 = new Uint16Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.requests = queue.requests;
    this.completions = queue.completions;
    this.counters = queue.counters;
    recorder.open(geometry, limits);
  }

  get completed(): number {
    return this.#queue.completed;
  }

  fetch(polls: number): number {
    const seen = this.#look(polls);
    if (seen === 0) return 0;
    const before = this.#queue.completed;
    const count = this.#queue.fetch(1);
    const timeUs = this.#recorder.nowUs();
    const refused = (this.#queue.completed - before) >>> 0;
    this.#recordTaken(timeUs, seen, Math.max(0, count), refused);
    if (count < 0) this.#fault(-count);
    return count;
  }

  complete(count: number): void {
    const timeUs = this.#recorder.nowUs();
    for (let record = 0; record < count * COMPLETION_WORDS; record += COMPLETION_WORDS) {
      const index = this.completions[record + CompletionWord.tag] as number;
      const status = this.completions[record + CompletionWord.status] as number;
      this.#recorder.completion(timeUs, index, status & 0xff);
    }
    this.#devicePosition = this.#behind(this.#devicePosition, count);
    this.#queue.complete(count);
  }

  /** As an engine's, but for `most`: it serves a list at a time. */
  serve(disc: BusRange, pio: boolean, polls: number): number {
    return this.#drain(polls, (request) => this.#move(disc, pio, request));
  }

  /** As an engine's, but for `most`: it answers a list at a time. */
  answer(polls: number): number {
    return this.#drain(polls, () => {});
  }

  resize(numSectors: number): void {
    this.#queue.resize(numSectors);
    this.#recorder.resize(numSectors);
  }

  close(): void {
    this.#queue.close();
    this.#recorder.close();
  }

  /** Takes a list, does it, and answers it in parts as an engine does; says how many descriptors it has answered. */
  #drain(polls: number, perform: (request: number) => void): number {
    const before = this.#queue.completed;
    const count = this.fetch(polls);
    let waiting = 0;
    let waitingBytes = 0;
    for (let index = 0; index < count; index++) {
      const request = index * REQUEST_WORDS;
      perform(request);
      const record = waiting++ * COMPLETION_WORDS;
      this.completions[record + CompletionWord.tag] = this.requests[
        request + RequestWord.tag
      ] as number;
      this.completions[record + CompletionWord.status] = BlkStatus.OK;
      waitingBytes += this.requests[request + RequestWord.lenBytes] as number;
      const isDue = waiting === LIST_PUBLISH_EVERY || waitingBytes >= LIST_PUBLISH_BYTES;
      if (!isDue && index < count - 1) continue;
      this.complete(waiting);
      waiting = 0;
      waitingBytes = 0;
    }
    return count < 0 ? count : (this.#queue.completed - before) >>> 0;
  }

  /** Does a request on a disc that lies in the bus. */
  #move(disc: BusRange, pio: boolean, request: number): void {
    const at = (word: number): number => this.requests[request + word] as number;
    const sector = at(RequestWord.startSectorHigh) * 0x1_0000_0000 + at(RequestWord.startSectorLow);
    const place = disc.offset + sector * SECTOR_BYTES;
    const address = at(RequestWord.address);
    const lenBytes = at(RequestWord.lenBytes);
    switch (at(RequestWord.opf)) {
      case Operation.READ:
        if (pio) this.#engine.copyWords(address, place, lenBytes);
        else this.#engine.copy(address, place, lenBytes);
        break;
      case Operation.WRITE:
        if (pio) this.#engine.copyWords(place, address, lenBytes);
        else this.#engine.copy(place, address, lenBytes);
        break;
      case Operation.DISCARD:
      case Operation.WRITE_ZEROES:
        this.#engine.fill(place, 0, lenBytes);
        break;
      // A flush has nothing to do there.
    }
  }

  /** Looks for what is new on the driver ring, and copies as much of it as a list holds; at least 1 if there is something. */
  #look(polls: number): number {
    const { driverRing, numDescriptors, descriptors } = this.#geometry;
    const ring = driverRing / 2;
    let head = this.#driverPosition;
    for (let looks = 0; looks < polls && head === this.#driverPosition; looks++) {
      head = Atomics.load(this.#u16, ring);
    }
    if (head === this.#driverPosition) return 0;
    // The engine says what is wrong with it.
    if (head >= numDescriptors) return 1;
    const count = Math.min(
      (head - this.#driverPosition + numDescriptors) % numDescriptors,
      LIST_CAPACITY,
    );
    for (let entry = 0; entry < count; entry++) {
      const index = this.#u16[ring + 1 + this.#behind(this.#driverPosition, entry)] as number;
      this.#entries[entry] = index;
      if (index >= numDescriptors) continue;
      const word = descriptors / 4 + index * DESCRIPTOR_WORDS;
      const copy = entry * DESCRIPTOR_WORDS;
      for (let each = 0; each < DESCRIPTOR_WORDS; each++) {
        this.#copies[copy + each] = this.#u32[word + each] as number;
      }
    }
    return count;
  }

  /** Records what a fetch took, in the order of the driver ring: what it handed out, and what it refused. */
  #recordTaken(timeUs: number, seen: number, count: number, refused: number): void {
    const taken = count + refused;
    let good = 0;
    let bad = 0;
    for (let entry = 0; entry < taken; entry++) {
      const tag = this.requests[good * REQUEST_WORDS + RequestWord.tag];
      const isGood =
        bad === refused || (good < count && entry < seen && tag === this.#entries[entry]);
      if (isGood) this.#recordGood(timeUs, good++ * REQUEST_WORDS);
      else this.#recordRefused(timeUs, this.#behind(this.#devicePosition, bad++), entry, seen);
    }
    this.#driverPosition = this.#behind(this.#driverPosition, taken);
    this.#devicePosition = this.#behind(this.#devicePosition, refused);
  }

  #recordGood(timeUs: number, request: number): void {
    const at = (word: number): number => this.requests[request + word] as number;
    this.#recorder.descriptor(
      timeUs,
      at(RequestWord.tag),
      at(RequestWord.startSectorLow),
      at(RequestWord.startSectorHigh),
      at(RequestWord.address),
      0,
      at(RequestWord.lenBytes),
      at(RequestWord.opf),
      at(RequestWord.flags) | DescriptorFlag.IN_USE,
    );
  }

  /** One that was answered where it was checked: which, the device ring says. */
  #recordRefused(timeUs: number, position: number, entry: number, seen: number): void {
    const { deviceRing, descriptors, numDescriptors } = this.#geometry;
    const index = this.#u16[deviceRing / 2 + 1 + position] as number;
    // The ring is the other side's to write, too.
    if (index >= numDescriptors) return;
    const start = descriptors + index * DESCRIPTOR_BYTES;
    const status = this.#u8[start + DescriptorField.status] as number;
    const isCopied = entry < seen && this.#entries[entry] === index;
    const words = isCopied ? this.#copies : this.#u32;
    const first = isCopied ? entry * DESCRIPTOR_WORDS : start / 4;
    const at = (word: number): number => words[first + word] as number;
    const last = at((DescriptorField.opf / 4) | 0);
    this.#recorder.descriptor(
      timeUs,
      index,
      at(0),
      at(1),
      at(2),
      at(3),
      at(4),
      last & 0xff,
      (last >>> 16) & 0xff,
    );
    // None is refused with OK: the driver has cleared it already.
    this.#recorder.completion(timeUs, index, status === BlkStatus.OK ? UNKNOWN_STATUS : status);
  }

  #fault(fault: number): void {
    if (this.#hasFault) return;
    this.#hasFault = true;
    this.#recorder.fault(fault);
  }

  #behind(position: number, count: number): number {
    return (position + count) % this.#geometry.numDescriptors;
  }
}
