// A queue by its bytes alone: descriptors and both rings, with nothing checked and nothing remembered but how far
// this side has written and read.

import { type Descriptor, decodeDescriptor, encodeDescriptor } from "../../abi/descriptor.js";
import {
  DESCRIPTOR_BYTES,
  DescriptorFlag,
  DOORBELL_ALIGNMENT,
  DOORBELL_BYTES,
  Feature,
  Operation,
  RING_GONE,
} from "../../abi/layout.js";
import {
  isMultiple,
  type QueueLayout,
  queueLayout,
  ringBytes,
  roundUp,
} from "../../abi/queue-layout.js";
import type { Bus } from "../../bus/bus.js";
import { Doorbell } from "../../bus/doorbell.js";
import type { BusRange } from "../../engine/engine.js";
import { BlockptError } from "../../errors.js";
import { until } from "../wait.js";
import type { RawArguments } from "./raw-driver.js";

/** What a {@link RawQueue} is to be like. */
export interface RawQueueOptions {
  /** Which disc. Default 0. */
  devIdx?: number | undefined;
  /** Which of its queues. Default 0. */
  qidx?: number | undefined;
  /** Descriptors: 16 to 65535. Default 16. */
  numDescriptors?: number | undefined;
  /** Where it starts, in bytes from `queue_bar_offset`. Default 0. */
  queueOffset?: number | undefined;
  /** Whether it has a doorbell block (protocol, section 5), and rings it. Default false. */
  doorbell?: boolean | undefined;
  /** Where its parts are, if not where `queueLayout` puts them: rings at even offsets, a doorbell block at a multiple of 4. */
  layout?: QueueLayout | undefined;
}

/** What the device has put on its ring. */
export interface RawCompletion {
  /** The entry: a descriptor's index, if the device is honest. */
  readonly index: number;
  /** The status in that descriptor, one of `BlkStatus`; undefined if there is no such descriptor. */
  readonly status: number | undefined;
}

/**
 * The driver's half of a queue by its bytes (protocol, section 3): any descriptor, any entry, any `idx`. Made by
 * {@link RawDriver.openQueue}.
 */
export class RawQueue {
  /** Which disc. */
  readonly devIdx: number;
  /** Which of its queues. */
  readonly qidx: number;
  /** Descriptors. */
  readonly numDescriptors: number;
  /** Where its parts are, in bytes from its start. */
  readonly layout: QueueLayout;
  /** Its bytes in the bus. */
  readonly range: BusRange;
  /** Where the next entry goes on the driver ring. {@link push} counts it, {@link publish} does not. */
  driverPosition = 0;
  /** Where the next entry is taken from on the device ring. {@link take} counts it. */
  devicePosition = 0;
  readonly #queueOffset: number;
  readonly #hostMemory: number;
  readonly #bytes: Uint8Array;
  readonly #driverRing: Uint16Array;
  readonly #deviceRing: Uint16Array;
  readonly #doorbell: Doorbell | undefined;
  readonly #answerTimeoutMs: number;

  /** @internal */
  constructor(
    bus: Bus,
    descriptorSpace: number,
    answerTimeoutMs: number,
    options: RawQueueOptions,
  ) {
    const { numDescriptors = 16, queueOffset = 0, doorbell = false } = options;
    const layout = options.layout ?? queueLayout(numDescriptors, { doorbell });
    const offset = descriptorSpace + queueOffset;
    if (offset + layout.bytes > bus.bar.offset + bus.bar.length) {
      const why = `a queue of ${layout.bytes} bytes at ${queueOffset} does not lie in the BAR`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    checkLayout(queueOffset, numDescriptors, layout);
    this.devIdx = options.devIdx ?? 0;
    this.qidx = options.qidx ?? 0;
    this.numDescriptors = numDescriptors;
    this.layout = layout;
    this.range = { offset, length: layout.bytes };
    this.#queueOffset = queueOffset;
    this.#hostMemory = bus.hostMemory.offset;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#bytes = new Uint8Array(bus.buffer, offset, layout.bytes);
    const ring = (at: number): Uint16Array =>
      new Uint16Array(bus.buffer, offset + at, 1 + numDescriptors);
    this.#driverRing = ring(layout.driverOffset);
    this.#deviceRing = ring(layout.deviceOffset);
    if (layout.doorbellOffset !== undefined) {
      this.#doorbell = Doorbell.ofQueue(bus.buffer, offset + layout.doorbellOffset);
    }
    this.clear();
  }

  /** What SET_QUEUE, SET_IRQ (vector 1) and START read, told truly; spread it, and lie where you want to. */
  get arguments(): RawArguments {
    return {
      devIdx: this.devIdx,
      qidx: this.qidx,
      irq: 1,
      queueOffset: this.#queueOffset,
      drvOffset: this.layout.driverOffset,
      devOffset: this.layout.deviceOffset,
      numDesc: this.numDescriptors,
      qsize: this.layout.bytes,
      ...(this.#doorbell === undefined ? {} : { extEnabled: Feature.DOORBELL }),
    };
  }

  /** As before its first use: every byte 0, both positions too. */
  clear(): void {
    this.#bytes.fill(0);
    this.driverPosition = 0;
    this.devicePosition = 0;
  }

  /** An honest read of the first sector to the start of host memory, but for what is said. */
  read(changes: Partial<Descriptor> = {}): Descriptor {
    return {
      startSector: 0n,
      address: BigInt(this.#hostMemory),
      lenBytes: 512,
      opf: Operation.READ,
      status: 0xff, // one that is never answered is seen
      flags: DescriptorFlag.IN_USE,
      ...changes,
    };
  }

  /** Writes a descriptor: 0 to `numDescriptors` − 1. */
  fill(index: number, descriptor: Descriptor): void {
    encodeDescriptor(this.#bytes, index * DESCRIPTOR_BYTES, descriptor);
  }

  /** Zeroes a descriptor, as a driver does that has taken its status: 0 to `numDescriptors` − 1. */
  clearDescriptor(index: number): void {
    this.#bytes.fill(0, index * DESCRIPTOR_BYTES, (index + 1) * DESCRIPTOR_BYTES);
  }

  /** A descriptor as it is now: 0 to `numDescriptors` − 1. */
  descriptor(index: number): Descriptor {
    return decodeDescriptor(this.#bytes, index * DESCRIPTOR_BYTES);
  }

  /** Puts entries on the driver ring, true or not (each 0 to 65535), publishes them, and rings. */
  push(...entries: number[]): void {
    for (const entry of entries) {
      this.#driverRing[1 + this.driverPosition] = entry;
      this.driverPosition = (this.driverPosition + 1) % this.numDescriptors;
    }
    this.publish(this.driverPosition);
  }

  /** Publishes any `idx` on the driver ring, 0 to 65535, and rings. */
  publish(idx: number): void {
    Atomics.store(this.#driverRing, 0, idx);
    this.#doorbell?.ring();
  }

  /** The `idx` of the device ring. */
  get deviceIdx(): number {
    return Atomics.load(this.#deviceRing, 0);
  }

  /** Whether the endpoint says that it serves the queue no more: only to a driver that has enabled section 5. */
  get gone(): boolean {
    return this.deviceIdx === RING_GONE;
  }

  /** Takes what the device has put on its ring and nobody has taken; nothing if its `idx` is no place on the ring. */
  take(): RawCompletion[] {
    const { deviceIdx } = this;
    const taken: RawCompletion[] = [];
    while (deviceIdx < this.numDescriptors && this.devicePosition !== deviceIdx) {
      const index = this.#deviceRing[1 + this.devicePosition] as number;
      this.devicePosition = (this.devicePosition + 1) % this.numDescriptors;
      const status = index < this.numDescriptors ? this.descriptor(index).status : undefined;
      taken.push({ index, status });
    }
    return taken;
  }

  /**
   * Takes so many completions, waiting for them.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_TIMEOUT` if they do not come
   */
  async completions(count: number): Promise<RawCompletion[]> {
    const taken: RawCompletion[] = [];
    const what = `${count} completions`;
    await until(what, "ERR_BLOCKPT_TIMEOUT", this.#answerTimeoutMs, () => {
      taken.push(...this.take());
      return taken.length >= count;
    });
    return taken;
  }

  /**
   * Has one descriptor served, while no other is outstanding; its status, one of `BlkStatus`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_TIMEOUT` if it is not answered; `ERR_BLOCKPT_PROTOCOL` if another one is
   */
  async submit(index: number, descriptor: Descriptor): Promise<number> {
    this.fill(index, descriptor);
    this.push(index);
    const [completion] = await this.completions(1);
    if (completion?.index !== index || completion.status === undefined) {
      const why = `descriptor ${index} was submitted, and ${completion?.index} completed`;
      throw new BlockptError("ERR_BLOCKPT_PROTOCOL", why);
    }
    return completion.status;
  }
}

/** The queue that SET_QUEUE with these arguments is about. */
export function queueOptionsOf(args: Required<Omit<RawArguments, "irq">>): RawQueueOptions {
  const { devIdx, qidx, queueOffset = 0, numDesc = 0, qsize = 0, extEnabled = 0 } = args;
  const { drvOffset: driverOffset = 0, devOffset: deviceOffset = 0 } = args;
  const rings = Math.max(driverOffset, deviceOffset) + ringBytes(numDesc);
  const bell = roundUp(rings, DOORBELL_ALIGNMENT);
  const hasBell =
    (extEnabled & Feature.DOORBELL) !== 0 &&
    bell + DOORBELL_BYTES <= qsize &&
    isMultiple(queueOffset, DOORBELL_ALIGNMENT);
  const doorbellOffset = hasBell ? bell : undefined;
  const layout = { bytes: qsize, driverOffset, deviceOffset, doorbellOffset };
  return { devIdx, qidx, numDescriptors: numDesc, queueOffset, layout };
}

/** A view of its parts can be had: they are in its bytes, and rings where their words can be. */
function checkLayout(queueOffset: number, numDescriptors: number, layout: QueueLayout): void {
  const { bytes, driverOffset, deviceOffset, doorbellOffset = 0 } = layout;
  const ring = ringBytes(numDescriptors);
  const ends = [numDescriptors * DESCRIPTOR_BYTES, driverOffset + ring, deviceOffset + ring];
  const isEven = [queueOffset, driverOffset, deviceOffset].every((at) => isMultiple(at, 2));
  const hasWords =
    layout.doorbellOffset === undefined || isMultiple(queueOffset + doorbellOffset, 4);
  if (Math.max(...ends, doorbellOffset) <= bytes && isEven && hasWords) return;
  const why = `a queue of ${bytes} bytes at ${queueOffset} with rings at ${driverOffset} and ${deviceOffset} cannot be: parts lie in it, rings at even offsets`;
  throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
}
