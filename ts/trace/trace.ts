// A trace: the ring of records, how threads get at it, and who takes them.

import type { Bus } from "../bus/bus.js";
import type { DeviceLimits, DeviceQueue, DriverQueue, QueueGeometry } from "../engine/engine.js";
import { BlockptError, checkInteger } from "../errors.js";
import { RECORD_WORDS, TraceWord } from "./layout.js";
import { CommandRecorder, QueueRecorder } from "./recorder.js";
import { TraceRing } from "./ring.js";
import { decodeRecord, type TraceRecord, type TraceRecordBase } from "./trace-record.js";
import { TracedDeviceQueue } from "./traced-device-queue.js";
import { TracedDriverQueue } from "./traced-driver-queue.js";

const LEAST_RECORDS = 16;
const MOST_RECORDS = 2 ** 24;
const DEFAULT_RECORDS = 2 ** 16;

/** What a trace is to be like. */
export interface TraceOptions {
  /**
   * How many records it holds, of 64 bytes each: 16 to 2^24, made a power of two. Where nobody takes them the oldest are
   * overwritten. A request is two records on each side. Default 65536.
   */
  records?: number | undefined;
}

/** What opens a trace in another thread; can be posted. */
export interface TraceHandle {
  /** @internal */
  readonly buffer: SharedArrayBuffer;
}

/**
 * Records what happens on a bus: every command, descriptor and completion, with time, queue and thread, of the endpoint and
 * the root complex that are made with it. In shared memory of its own and without a lock; with no trace nothing is
 * recorded, and nothing asks whether to.
 *
 * Data are not recorded. `TraceFile` writes what is recorded to a file, which `blockpt trace` shows, counts and replays.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, RootComplex, Trace } from "blockpt";
 *
 * const bus = await createBus();
 * const trace = new Trace();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", trace });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus, { trace });
 * const disk = await rc.attach("ram0");
 * await disk.write(new Uint8Array(4096), 8192);
 * await rc.close();
 * await endpoint.close();
 *
 * for (const record of trace.records()) {
 *   if (record.event !== "descriptor" || record.side !== "endpoint") continue;
 *   console.log(record.operation, record.startSector, record.lenBytes); // WRITE 16 4096
 * }
 * console.log(trace.lost); // 0
 * ```
 */
export class Trace {
  /** Opens the same trace in another thread: post it there and call {@link openTrace}. */
  readonly handle: TraceHandle;
  /** How many records it holds. */
  readonly capacity: number;
  readonly #ring: TraceRing;
  readonly #words = new Uint32Array(RECORD_WORDS);
  readonly #doubles = new Float64Array(this.#words.buffer);
  /** The number of the record that is taken next. */
  #cursor = 0;
  #lost = 0;
  /** A number of which there was no record at the last look. */
  #awaited = -1;

  /** @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if a number is out of its range */
  constructor(options: TraceOptions | TraceHandle = {}) {
    if ("buffer" in options) {
      this.#ring = new TraceRing(options.buffer);
    } else {
      const { records = DEFAULT_RECORDS } = options;
      checkInteger("records", records, LEAST_RECORDS, MOST_RECORDS);
      this.#ring = TraceRing.create(2 ** Math.ceil(Math.log2(records)));
    }
    this.capacity = this.#ring.capacity;
    this.handle = { buffer: this.#ring.buffer };
  }

  /** When it was made. */
  get startedAt(): Date {
    return new Date(this.#ring.startedAtMs);
  }

  /** How many records were begun, by all threads. */
  get recorded(): number {
    return this.#ring.next;
  }

  /** How many records nobody can take any more: they were overwritten, or given up as their place was taken. */
  get lost(): number {
    return this.#lost + Math.max(0, this.#ring.next - this.capacity - this.#cursor);
  }

  /** What it holds, in the order of recording; takes nothing. */
  records(): TraceRecord[] {
    const records: TraceRecord[] = [];
    const { next } = this.#ring;
    for (let number = Math.max(0, next - this.capacity); number < next; number++) {
      if (this.#ring.copy(number, this.#words) === "whole") this.#decodeTo(records);
    }
    return records;
  }

  /** What was recorded since this was called last, in this thread. */
  take(): TraceRecord[] {
    const records: TraceRecord[] = [];
    this.drain(() => this.#decodeTo(records), false);
    return records;
  }

  /**
   * @internal Takes the words of what is new, one record after the other, each with how many were lost so far. A record that is being written is waited for until the next call, unless this is the last.
   */
  drain(visit: (words: Uint32Array, lost: number) => void, isLast: boolean): void {
    const { next } = this.#ring;
    const oldest = next - this.capacity;
    if (oldest > this.#cursor) {
      this.#lost += oldest - this.#cursor;
      this.#cursor = oldest;
    }
    for (; this.#cursor < next; this.#cursor++) {
      const state = this.#ring.copy(this.#cursor, this.#words);
      if (state === "whole") {
        visit(this.#words, this.#lost);
      } else if (state === "gone" || isLast || this.#awaited === this.#cursor) {
        this.#lost++;
      } else {
        this.#awaited = this.#cursor;
        return;
      }
    }
  }

  /** @internal The name of a number; names are counted from 1. */
  nameAt(number: number): string | undefined {
    return this.#ring.names.at(number);
  }

  /** @internal How many names there are. */
  get nameCount(): number {
    return this.#ring.names.count;
  }

  /** @internal Records a side's commands, in this thread. */
  recordCommands(side: TraceRecordBase["side"]): CommandRecorder {
    return new CommandRecorder(this.#ring, side);
  }

  /** @internal Records what happens on a queue, in this thread. */
  recordQueue(side: TraceRecordBase["side"], at: TracedQueue, thread?: string): QueueRecorder {
    return new QueueRecorder(this.#ring, side, at.disc, at.queue, thread);
  }

  #decodeTo(records: TraceRecord[]): void {
    const timeUs = this.#doubles[TraceWord.time] as number;
    const record = decodeRecord(this.#words, timeUs, (number) => this.nameAt(number) ?? "?");
    if (record !== undefined) records.push(record);
  }
}

/**
 * Opens a trace that another thread made.
 *
 * @param handle - `trace.handle`, posted here
 * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no such handle
 */
export function openTrace(handle: TraceHandle): Trace {
  if ((handle as Partial<TraceHandle> | undefined)?.buffer instanceof SharedArrayBuffer) {
    return new Trace(handle);
  }
  const why = "the handle is none that trace.handle gave";
  throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
}

/** A queue whose ends are recorded. */
export interface TracedQueue {
  /** Where to. */
  readonly trace: TraceHandle;
  /** The disc's name, as GET_DEVICES lists it. */
  readonly disc: string;
  /** Which of its queues. */
  readonly queue: number;
}

/** Opens the device's end of a queue, recorded if that is wanted. */
export function openDeviceQueue(
  bus: Bus,
  geometry: QueueGeometry,
  limits: DeviceLimits,
  traced: TracedQueue | undefined,
): DeviceQueue {
  if (traced === undefined) return bus.engine.openDeviceQueue(geometry, limits);
  const thread = `worker of ${traced.disc} queue ${traced.queue}`;
  const recorder = openTrace(traced.trace).recordQueue("endpoint", traced, thread);
  return new TracedDeviceQueue(bus.buffer, bus.engine, geometry, limits, recorder);
}

/** Opens the driver's end of a queue, recorded if that is wanted. */
export function openDriverQueue(
  bus: Bus,
  geometry: QueueGeometry,
  position: number,
  traced: TracedQueue | undefined,
): DriverQueue {
  if (traced === undefined) return bus.engine.openDriverQueue(geometry, position);
  const recorder = openTrace(traced.trace).recordQueue("root-complex", traced);
  return new TracedDriverQueue(bus.buffer, bus.engine, geometry, position, recorder);
}
