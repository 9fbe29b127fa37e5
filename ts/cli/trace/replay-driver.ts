// What a replay keeps of its raw driver: which queue is which disc's, what is outstanding on it, and how that ended.

import type { Bus, TraceArguments, TraceDescriptor } from "blockpt";
import { Command, type Registers, Status } from "blockpt/abi";
import { RawDriver, type RawQueue } from "blockpt/testing";
import { failureOf } from "../failure.js";

/** No answer has come for so long: none will. */
const GIVEN_UP_MS = 5000;

/** A queue that SET_QUEUE has placed. */
interface Placed {
  readonly queue: RawQueue;
  /** What is outstanding, by its descriptor. */
  readonly outstanding: Map<number, TraceDescriptor>;
}

export class ReplayDriver {
  readonly #driver: RawDriver;
  readonly #queues = new Map<string, Placed>();
  readonly #onEnd: (request: TraceDescriptor, status: number) => void;

  /** @param onEnd - hears how each request was answered */
  constructor(bus: Bus, onEnd: (request: TraceDescriptor, status: number) => void) {
    this.#driver = new RawDriver(bus, { answerTimeoutMs: GIVEN_UP_MS });
    this.#onEnd = onEnd;
  }

  /**
   * Gives a command; undefined if it is not answered.
   *
   * @param isRefused - whether it was when it was recorded: then it places no queue, whose bytes may be another's
   */
  async command(
    commandBits: number,
    args: TraceArguments,
    disc: string,
    isRefused: boolean,
  ): Promise<Registers | undefined> {
    const places = (commandBits & Command.SET_QUEUE) !== 0 && !isRefused;
    const queue = places ? this.#open(args) : undefined;
    let status: number;
    try {
      status = await this.#driver.command(commandBits, args);
    } catch (error) {
      if (failureOf(error).code !== "ERR_BLOCKPT_COMMAND_TIMEOUT") throw error;
      return undefined;
    }
    if (queue !== undefined && status === Status.SUCCESS) {
      this.#queues.set(keyOf(disc, args.qidx), { queue, outstanding: new Map() });
    }
    return { ...this.#driver.registers, status };
  }

  /** None where there can be none: SET_QUEUE's answer was not recorded, and the endpoint refuses it now. */
  #open(args: TraceArguments): RawQueue | undefined {
    try {
      return this.#driver.openQueueOf(args);
    } catch (error) {
      if (failureOf(error).code !== "ERR_BLOCKPT_INVALID_ARGUMENT") throw error;
      return undefined;
    }
  }

  /** Whether a queue has room for one more. */
  hasRoom(disc: string, queue: number): boolean {
    const found = this.#queues.get(keyOf(disc, queue));
    return found === undefined || found.outstanding.size < found.queue.numDescriptors - 1;
  }

  /** How many requests of a queue were not answered; of all queues, where none is named. */
  outstanding(disc?: string, queue?: number): number {
    if (disc !== undefined) return this.#queues.get(keyOf(disc, queue))?.outstanding.size ?? 0;
    return [...this.#queues.values()].reduce((sum, each) => sum + each.outstanding.size, 0);
  }

  /** Puts a request; false where there is no such queue. */
  put(request: TraceDescriptor, address: bigint): boolean {
    const placed = this.#queues.get(keyOf(request.disc, request.queue));
    if (placed === undefined) return false;
    const { queue, outstanding } = placed;
    let { index } = request;
    // As it is recorded, if that is free now.
    while (index >= queue.numDescriptors || outstanding.has(index)) {
      index = (index + 1) % queue.numDescriptors;
    }
    const { lenBytes, opf, flagBits: flags } = request;
    const startSector = BigInt(request.startSector);
    queue.fill(index, { startSector, address, lenBytes, opf, status: 0, flags });
    outstanding.set(index, request);
    queue.push(index);
    return true;
  }

  /** Takes what has been answered; says how many that were. */
  reap(): number {
    let count = 0;
    for (const { queue, outstanding } of this.#queues.values()) {
      for (const { index, status } of queue.take()) {
        count++;
        const request = outstanding.get(index);
        if (request === undefined || status === undefined) continue;
        outstanding.delete(index);
        queue.clearDescriptor(index);
        this.#onEnd(request, status);
      }
    }
    return count;
  }
}

function keyOf(disc: string, queue: number | undefined): string {
  return `${queue} ${disc}`;
}
