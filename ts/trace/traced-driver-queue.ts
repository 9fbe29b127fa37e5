// The driver's end of a queue, and all that it does recorded: around an engine's, chosen when the queue is opened.
// Which descriptor a request got is on the driver ring once it is published, and until then it waits here.

import { DescriptorFlag } from "../abi/layout.js";
import type { DriverQueue, Engine, QueueGeometry } from "../engine/engine.js";
import { COMPLETION_WORDS, CompletionWord, LIST_CAPACITY } from "../engine/records.js";
import { highOf, type QueueRecorder } from "./recorder.js";

/** Numbers of a request that waits: its fields, as `put` has them. */
const FIELDS = 5;

export class TracedDriverQueue implements DriverQueue {
  readonly completions: Uint32Array;
  readonly #queue: DriverQueue;
  readonly #recorder: QueueRecorder;
  readonly #geometry: QueueGeometry;
  readonly #u16: Uint16Array;
  readonly #waiting: Float64Array;
  #waitingCount = 0;
  /** Of the driver ring, where the first that waits is; of the device ring, how far it was taken. */
  #driverPosition: number;
  #devicePosition: number;
  #hasFault = false;

  constructor(
    buffer: SharedArrayBuffer,
    engine: Engine,
    geometry: QueueGeometry,
    position: number,
    recorder: QueueRecorder,
  ) {
    this.#queue = engine.openDriverQueue(geometry, position);
    this.#recorder = recorder;
    this.#geometry = geometry;
    this.#u16 = new Uint16Array(buffer);
    this.#waiting = new Float64Array(LIST_CAPACITY * FIELDS);
    this.#driverPosition = position;
    this.#devicePosition = position;
    this.completions = this.#queue.completions;
    recorder.open(geometry);
  }

  get available(): number {
    return this.#queue.available;
  }

  get position(): number {
    return this.#queue.position;
  }

  put(
    startSector: number,
    address: number,
    lenBytes: number,
    opf: number,
    flags: number,
    tag: number,
  ): void {
    const field = this.#waitingCount++ * FIELDS;
    this.#waiting[field] = startSector;
    this.#waiting[field + 1] = address;
    this.#waiting[field + 2] = lenBytes;
    this.#waiting[field + 3] = opf;
    this.#waiting[field + 4] = flags | DescriptorFlag.IN_USE;
    this.#queue.put(startSector, address, lenBytes, opf, flags, tag);
    // An engine may publish what fills its list.
    if (this.#waitingCount === LIST_CAPACITY) this.#recordPut(this.#recorder.nowUs());
  }

  publish(): void {
    // Before the device can have seen it.
    const timeUs = this.#waitingCount === 0 ? 0 : this.#recorder.nowUs();
    this.#queue.publish();
    this.#recordPut(timeUs);
  }

  reap(): number {
    const count = this.#queue.reap();
    if (count > 0) this.#recordReaped(count);
    else if (count < 0 && !this.#hasFault) {
      this.#hasFault = true;
      this.#recorder.fault(-count);
    }
    return count;
  }

  close(): void {
    this.#queue.close();
    this.#recorder.close();
  }

  #recordPut(timeUs: number): void {
    const ring = this.#geometry.driverRing / 2 + 1;
    for (let request = 0; request < this.#waitingCount; request++) {
      const at = (field: number): number => this.#waiting[request * FIELDS + field] as number;
      const index = this.#u16[ring + this.#driverPosition] as number;
      this.#driverPosition = this.#behind(this.#driverPosition, 1);
      const startSector = at(0);
      this.#recorder.descriptor(
        timeUs,
        index,
        startSector,
        highOf(startSector),
        at(1),
        0,
        at(2),
        at(3),
        at(4),
      );
    }
    this.#waitingCount = 0;
  }

  #recordReaped(count: number): void {
    const timeUs = this.#recorder.nowUs();
    const ring = this.#geometry.deviceRing / 2 + 1;
    for (let completion = 0; completion < count; completion++) {
      // The device writes it again when as many more were put as there are descriptors.
      const index = this.#u16[ring + this.#devicePosition] as number;
      this.#devicePosition = this.#behind(this.#devicePosition, 1);
      const status = this.completions[completion * COMPLETION_WORDS + CompletionWord.status];
      this.#recorder.completion(timeUs, index, status as number);
    }
  }

  #behind(position: number, count: number): number {
    return (position + count) % this.#geometry.numDescriptors;
  }
}
