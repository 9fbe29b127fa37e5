// What one thread of one side records: commands, and what happens on its queues.

import { Command, Permission, Status } from "../abi/layout.js";
import { readRegisters } from "../abi/registers.js";
import type { DeviceLimits, QueueGeometry } from "../engine/engine.js";
import { threadName } from "../platform/thread.js";
import { TraceEvent, TraceSide } from "./layout.js";
import type { TraceRing } from "./ring.js";
import type { TraceArguments, TraceRecordBase } from "./trace-record.js";

type RecordData = [...Parameters<TraceRing["write"]>] extends [
  number,
  number,
  number,
  number,
  number,
  number,
  ...infer Data,
]
  ? Data
  : never;

/** What every record of a thread has. */
class Recorder {
  protected readonly ring: TraceRing;
  readonly #kind: number;

  constructor(ring: TraceRing, side: TraceRecordBase["side"], thread: string = threadName()) {
    this.ring = ring;
    this.#kind = (TraceSide[side] << 8) | (ring.names.numberOf(thread) << 16);
  }

  /** Microseconds of the trace's clock. */
  nowUs(): number {
    return this.ring.nowUs();
  }

  protected kindOf(event: number): number {
    return this.#kind | event;
  }
}

/** Records what stands in the registers. */
export class CommandRecorder extends Recorder {
  command(command: number, args: TraceArguments): void {
    const { devIdx, qidx, irq, queueOffset, drvOffset, devOffset, numDesc, qsize } = args;
    this.ring.write(
      this.nowUs(),
      this.kindOf(TraceEvent.command),
      0,
      devIdx | (qidx << 8),
      0,
      command,
      ...([queueOffset, drvOffset, devOffset, numDesc, qsize, irq, args.extEnabled] as const),
    );
  }

  /** A command whose arguments stand in the registers. */
  commandIn(command: number, bar: DataView): void {
    const { extension, ...registers } = readRegisters(bar);
    this.command(command, { ...registers, extEnabled: extension?.extEnabled ?? 0 });
  }

  /**
   * The answer that stands in the registers, and of GET_DEVICES the list.
   *
   * @param status - 0 if none came
   */
  answer(command: number, status: number, bar: DataView): void {
    const timeUs = this.nowUs();
    const { numSectors, numQueues, perm, extension, devName } = readRegisters(bar);
    this.ring.write(
      timeUs,
      this.kindOf(TraceEvent.answer),
      0,
      0,
      status,
      command,
      Number(numSectors & 0xffff_ffffn),
      Number(numSectors >> 32n),
      numQueues,
      perm,
      extension?.extFeatures,
      extension?.logicalBlockSize,
      extension?.maxLen,
    );
    if ((command & Command.GET_DEVICES) === 0 || status !== Status.SUCCESS) return;
    for (const [devIdx, disc] of devName.split(";").slice(0, -1).entries()) {
      const place = this.ring.names.numberOf(disc);
      this.ring.write(timeUs, this.kindOf(TraceEvent.device), place, devIdx, 0, 0);
    }
  }

  /** The endpoint serves a queue no more. */
  stopped(disc: string, queue: number, reason: string): void {
    const { names } = this.ring;
    const place = names.numberOf(disc) | (queue << 16);
    const why = names.numberOf(reason);
    this.ring.write(this.nowUs(), this.kindOf(TraceEvent.stopped), place, why, 0, 0);
  }
}

/** Records what happens on one queue. */
export class QueueRecorder extends Recorder {
  readonly #place: number;
  readonly #descriptor: number;
  readonly #completion: number;

  constructor(
    ring: TraceRing,
    side: TraceRecordBase["side"],
    disc: string,
    queue: number,
    thread?: string,
  ) {
    super(ring, side, thread);
    this.#place = ring.names.numberOf(disc) | (queue << 16);
    this.#descriptor = this.kindOf(TraceEvent.descriptor);
    this.#completion = this.kindOf(TraceEvent.completion);
  }

  open(geometry: QueueGeometry, limits?: DeviceLimits): void {
    const { descriptors, driverRing, deviceRing, numDescriptors } = geometry;
    const { numSectors = 0, features = 0, readOnly = false } = limits ?? {};
    const parts = [descriptors, driverRing, deviceRing, numDescriptors] as const;
    const permission = readOnly ? Permission.READ_ONLY : 0;
    this.#write(TraceEvent.open, 0, ...parts, numSectors, highOf(numSectors), features, permission);
  }

  close(): void {
    this.#write(TraceEvent.close, 0);
  }

  resize(numSectors: number): void {
    this.#write(TraceEvent.resize, 0, numSectors, highOf(numSectors));
  }

  /** @param fault - of `QueueFault` */
  fault(fault: number): void {
    this.#write(TraceEvent.fault, fault);
  }

  descriptor(
    timeUs: number,
    index: number,
    sectorLow: number,
    sectorHigh: number,
    addressLow: number,
    addressHigh: number,
    lenBytes: number,
    opf: number,
    flags: number,
  ): void {
    const operation = opf | (flags << 8);
    this.ring.write(
      timeUs,
      this.#descriptor,
      this.#place,
      index,
      0,
      operation,
      sectorLow,
      sectorHigh,
      addressLow,
      addressHigh,
      lenBytes,
    );
  }

  completion(timeUs: number, index: number, status: number): void {
    this.ring.write(timeUs, this.#completion, this.#place, index, status, 0);
  }

  #write(event: number, status: number, ...data: RecordData): void {
    this.ring.write(this.nowUs(), this.kindOf(event), this.#place, 0, status, 0, ...data);
  }
}

/** The upper half of a number of 64 bits. */
export function highOf(value: number): number {
  return Math.floor(value / 0x1_0000_0000);
}
