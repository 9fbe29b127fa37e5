// Single steps: the driver's side by its bytes alone, one descriptor at a time, on a disc that no root complex has.

import type { Bus } from "blockpt";
import { Command, DESCRIPTOR_BYTES, Feature, Operation, Status } from "blockpt/abi";
import { RawDriver, type RawQueue } from "blockpt/testing";
import type { QueuePlace } from "../model/rings.js";
import { descriptorOf, nextStage, type Stage, type StepRequest } from "../model/step.js";

const DESCRIPTORS = 16;
/** Into host memory, away from its first page. */
const DATA_OFFSET = 1024 * 1024;
/** Shown of the data. */
const SHOWN_BYTES = 64;
const ANSWER_MS = 5000;
const LOOK_MS = 4;
const FEATURES =
  Feature.DOORBELL | Feature.FLUSH | Feature.DISCARD | Feature.WRITE_ZEROES | Feature.FUA;

/** What can be seen after a step. */
export interface StepView {
  readonly stage: Stage;
  /** Which descriptor. */
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly driverRing: readonly number[];
  readonly driverIdx: number;
  readonly deviceRing: readonly number[];
  readonly deviceIdx: number;
  /** Where this descriptor's number stands in each ring. */
  readonly driverSlot: number;
  readonly deviceSlot: number;
  /** The first bytes of the data buffer, and its bus address. */
  readonly data: Uint8Array;
  readonly dataAddress: number;
}

export class Stepper {
  readonly #bus: Bus;
  readonly #driver: RawDriver;
  readonly #queue: RawQueue;
  readonly #dataAddress: number;
  #stage: Stage = "free";
  #index = 0;
  #driverSlot = 0;
  #deviceSlot = 0;

  private constructor(bus: Bus, driver: RawDriver, queue: RawQueue) {
    this.#bus = bus;
    this.#driver = driver;
    this.#queue = queue;
    this.#dataAddress = bus.hostMemory.offset + DATA_OFFSET;
  }

  /** Sets a queue of 16 descriptors, and starts the disc. */
  static async begin(bus: Bus): Promise<Stepper> {
    const driver = new RawDriver(bus);
    await driver.command(Command.GET_DEVICES);
    const queue = driver.openQueue({ numDescriptors: DESCRIPTORS, doorbell: true });
    const args = { ...queue.arguments, extEnabled: FEATURES };
    const status = await driver.command(Command.SET_QUEUE | Command.START, args);
    if (status !== Status.SUCCESS) {
      throw new Error(`SET_QUEUE and START were answered with status 0x${status.toString(16)}`);
    }
    return new Stepper(bus, driver, queue);
  }

  /** Where its queue is, for whoever draws it. */
  get place(): QueuePlace {
    const { range, layout, numDescriptors } = this.#queue;
    const start = range.offset - this.#bus.bar.offset;
    return {
      numDescriptors,
      driverRing: start + layout.driverOffset,
      deviceRing: start + layout.deviceOffset,
    };
  }

  /** Takes the next step of the one descriptor. */
  async step(request: StepRequest): Promise<void> {
    const queue = this.#queue;
    switch (this.#stage) {
      case "free":
        this.#fillData(request);
        queue.fill(this.#index, descriptorOf(request, this.#dataAddress));
        break;
      case "filled":
        this.#driverSlot = queue.driverPosition;
        this.#deviceSlot = queue.devicePosition;
        queue.push(this.#index);
        this.#stage = "published";
        await this.#answered();
        return;
      case "published":
        await this.#answered();
        queue.take();
        break;
      case "taken":
        queue.clearDescriptor(this.#index);
        this.#index = (this.#index + 1) % DESCRIPTORS;
        break;
    }
    this.#stage = nextStage(this.#stage);
  }

  get view(): StepView {
    const queue = this.#queue;
    const words = (at: number): number[] => [
      ...new Uint16Array(this.#bus.buffer, queue.range.offset + at, 1 + DESCRIPTORS),
    ];
    const [driverIdx = 0, ...driverRing] = words(queue.layout.driverOffset);
    const [deviceIdx = 0, ...deviceRing] = words(queue.layout.deviceOffset);
    const at = queue.range.offset + this.#index * DESCRIPTOR_BYTES;
    return {
      stage: this.#stage,
      index: this.#index,
      bytes: new Uint8Array(this.#bus.buffer, at, DESCRIPTOR_BYTES).slice(),
      ...{ driverRing, driverIdx, deviceRing, deviceIdx },
      driverSlot: this.#driverSlot,
      deviceSlot: this.#deviceSlot,
      data: new Uint8Array(this.#bus.buffer, this.#dataAddress, SHOWN_BYTES).slice(),
      dataAddress: this.#dataAddress,
    };
  }

  /** Stops the disc: whoever comes next can have it. */
  async end(): Promise<void> {
    await this.#driver.command(Command.STOP, { devIdx: this.#queue.devIdx, extEnabled: FEATURES });
    this.#driver.writeArguments({ extEnabled: 0 });
  }

  #fillData({ opf, text, lenBytes }: StepRequest): void {
    const room = Math.min(lenBytes, 1024 * 1024);
    const data = new Uint8Array(this.#bus.buffer, this.#dataAddress, Math.max(room, SHOWN_BYTES));
    data.fill(0);
    if (opf === Operation.WRITE) data.set(new TextEncoder().encode(text).subarray(0, room));
  }

  /** Looks until the endpoint has moved its ring: a fault may keep it for long. */
  async #answered(): Promise<void> {
    const deadline = performance.now() + ANSWER_MS;
    while (this.#queue.deviceIdx === this.#queue.devicePosition) {
      if (performance.now() > deadline) {
        throw new Error(`the endpoint has not answered in ${ANSWER_MS / 1000} s: look again`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}
