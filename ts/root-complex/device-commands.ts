// The commands that a root complex gives (protocol, section 2), and what the endpoint answers,
// checked. `dev_idx` counts in the list that was asked for last, so whoever asks for it gives his
// commands before the next one does.

import {
  Command,
  EVENTS_QIDX,
  Feature,
  MAX_LEN_BYTES,
  Permission,
  Register,
  SECTOR_BYTES,
} from "../abi/layout.js";
import { isLogicalBlock } from "../abi/logical-block.js";
import { queueLayout } from "../abi/queue-layout.js";
import { BlockptError } from "../errors.js";
import { type CommandChannel, readDeviceNames } from "./commands.js";
import type { QueuePlace } from "./queue-places.js";

/** What a disc is like, as the endpoint says. */
export interface DiscFacts {
  readonly sectors: number;
  readonly readOnly: boolean;
  /** Most queues. */
  readonly queues: number;
  /** What it offers: bits of `Feature`. */
  readonly features: number;
  readonly logicalBlockBytes: number;
  readonly maxLenBytes: number;
}

/** What this side knows to use. */
const KNOWN_FEATURES = Object.values(Feature).reduce((all: number, bit) => all | bit, 0);

export class DeviceCommands {
  readonly #channel: CommandChannel;
  readonly #bar: DataView;
  readonly #hasExtension: boolean;

  constructor(channel: CommandChannel, bar: DataView, hasExtension: boolean) {
    this.#channel = channel;
    this.#bar = bar;
    this.#hasExtension = hasExtension;
  }

  /** What is used of the extension block; read by the endpoint with SET_QUEUE. */
  enable(features: number): void {
    if (!this.#hasExtension) return;
    this.#bar.setUint32(Register.extEnabled, features, true);
    // One that sleeps shall know whether it will be rung.
    this.#channel.ring();
  }

  getDevices(): Promise<string[]> {
    return this.#channel.run(Command.GET_DEVICES, {}, readDeviceNames);
  }

  async examine(device: string, devIdx: number): Promise<DiscFacts> {
    const command = Command.NUM_SECTORS | Command.GET_PERMISSION;
    const answer = await this.#channel.run(command, { devIdx }, (bar) => ({
      sectors: bar.getBigUint64(Register.numSectors, true),
      readOnly: (bar.getUint8(Register.perm) & Permission.READ_ONLY) !== 0,
      queues: bar.getUint32(Register.numQueues, true),
      features: bar.getUint32(Register.extFeatures, true) & KNOWN_FEATURES,
      logicalBlockBytes: bar.getUint32(Register.logicalBlockSize, true),
      maxLenBytes: Math.min(bar.getUint32(Register.maxLen, true), MAX_LEN_BYTES),
    }));
    const { sectors, readOnly, queues } = answer;
    if (sectors === 0n || sectors * BigInt(SECTOR_BYTES) > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new BlockptError("ERR_BLOCKPT_PROTOCOL", `${device} claims to have ${sectors} sectors`);
    }
    const plain = { sectors: Number(sectors), readOnly, queues: Math.max(1, queues) };
    if (!this.#hasExtension) {
      const [logicalBlockBytes, maxLenBytes] = [SECTOR_BYTES, MAX_LEN_BYTES];
      return { ...plain, features: 0, logicalBlockBytes, maxLenBytes };
    }
    const { features, logicalBlockBytes, maxLenBytes } = answer;
    if (!isLogicalBlock(logicalBlockBytes) || maxLenBytes < logicalBlockBytes) {
      throw new BlockptError(
        "ERR_BLOCKPT_PROTOCOL",
        `${device} claims to have blocks of ${logicalBlockBytes} bytes, and requests of at most ${maxLenBytes}`,
      );
    }
    return { ...plain, features, logicalBlockBytes, maxLenBytes };
  }

  async setQueue(
    devIdx: number,
    qidx: number,
    place: QueuePlace,
    numDescriptors: number,
    doorbell: boolean,
  ): Promise<void> {
    const layout = queueLayout(numDescriptors, { doorbell });
    const args = {
      devIdx,
      qidx,
      irq: place.vector === undefined ? 0 : place.vector + 1,
      queueOffset: place.queueOffset,
      drvOffset: layout.driverOffset,
      devOffset: layout.deviceOffset,
      numDesc: numDescriptors,
      qsize: layout.bytes,
    };
    const command = Command.SET_QUEUE | (place.vector === undefined ? 0 : Command.SET_IRQ);
    await this.#channel.run(command, args, nothing);
  }

  /** The vector, counted from 0, that the endpoint raises when the disc has another size. */
  async setEventsVector(devIdx: number, vector: number): Promise<void> {
    await this.#channel.run(
      Command.SET_IRQ,
      { devIdx, qidx: EVENTS_QIDX, irq: vector + 1 },
      nothing,
    );
  }

  async start(devIdx: number): Promise<void> {
    await this.#channel.run(Command.START, { devIdx }, nothing);
  }

  /** STOP; an error says that the disc was not started, and that is as good. */
  async stop(devIdx: number): Promise<void> {
    try {
      await this.#channel.run(Command.STOP, { devIdx }, nothing);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }
}

/** Whether the endpoint answered a command with an error. */
export function isRefusal(error: unknown): boolean {
  return error instanceof BlockptError && error.code === "ERR_BLOCKPT_COMMAND";
}

/** Whether the endpoint did not answer. */
export function isTimeout(error: unknown): boolean {
  return error instanceof BlockptError && error.code === "ERR_BLOCKPT_COMMAND_TIMEOUT";
}

function nothing(): void {}
