// The command register: takes what the root complex writes, and serves it (protocol,
// section 2). Every register is untrusted; each command's are copied once, then checked.

import {
  Command,
  DESCRIPTOR_BYTES,
  DOORBELL_ALIGNMENT,
  DOORBELL_BYTES,
  EVENTS_QIDX,
  Feature,
  MAX_DESCRIPTORS,
  MAX_LEN_BYTES,
  MIN_DESCRIPTORS,
  Permission,
  REGISTERS_BYTES,
  Register,
  Status,
} from "../abi/layout.js";
import { ringBytes, roundUp } from "../abi/queue-layout.js";
import { Doorbell } from "../bus/doorbell.js";
import type { BusRange } from "../engine/engine.js";
import { onNextTurn, sleep } from "../platform/turns.js";
import type { CommandRecorder } from "../trace/recorder.js";
import type { ExportedDisc } from "./exported-disc.js";
import type { EndpointQueue, QueuePlace } from "./queue.js";

/** What a command works on. */
export interface CommandTarget {
  /** The discs as GET_DEVICES lists them: `dev_idx` counts in what it returned last. */
  listDevices(): readonly ExportedDisc[];
  /** START of a disc. */
  start(exported: ExportedDisc): boolean;
  /** STOP of a disc. */
  stop(exported: ExportedDisc): Promise<boolean>;
  /** Descriptor space, in the bus. */
  readonly descriptorSpace: BusRange;
  /** How many MSI-X vectors there are. */
  readonly vectors: number;
  /** Whether no other endpoint has taken the bus over. */
  isCurrent(): boolean;
  /** Where commands are recorded, if they are. */
  readonly recorder: CommandRecorder | undefined;
  /** How long a command waits before it is served, in milliseconds. */
  commandDelayMs(): number;
  /** Why a command failed, for whoever watches. */
  log(line: string): void;
}

/** The arguments of one command, as they were when it was taken. */
interface Arguments {
  readonly command: number;
  readonly devIdx: number;
  readonly qidx: number;
  readonly irq: number;
  readonly queueOffset: number;
  readonly drvOffset: number;
  readonly devOffset: number;
  readonly numDesc: number;
  readonly qsize: number;
  readonly extEnabled: number;
}

/** How often the register is looked at while nothing happens, and nobody rings: the kernel's interval. */
const POLL_MS = 5;
/** A root complex that rings may be gone, and one that does not have come: it is looked at now and then. */
const DOZE_MS = 500;
/** After a command, and at the start, the next is near, so the register is looked at on every turn of the event loop. */
const EAGER_MS = 20;

/** The order in which several bits of one write are served. */
const ORDER = [
  Command.GET_DEVICES,
  Command.SET_IRQ,
  Command.NUM_SECTORS,
  Command.SET_QUEUE,
  Command.GET_PERMISSION,
  Command.START,
  Command.STOP,
] as const;
const KNOWN = ORDER.reduce((all: number, bit) => all | bit, 0);

type Answer = number | Promise<number>;

export class CommandHandler {
  readonly #bar: DataView;
  readonly #words: Int32Array;
  readonly #target: CommandTarget;
  readonly #doorbell: Doorbell;
  #devices: readonly ExportedDisc[];
  #running = true;
  #abandoned = false;
  #eagerUntil = performance.now() + EAGER_MS;
  /** Settles when the command that is being served was answered. */
  #serving: Promise<void> = Promise.resolve();
  /** Settles when the handler sleeps no more. */
  #sleeping: Promise<void> = Promise.resolve();

  constructor(bar: DataView, target: CommandTarget) {
    this.#bar = bar;
    this.#words = new Int32Array(bar.buffer, bar.byteOffset, REGISTERS_BYTES / 4);
    this.#doorbell = Doorbell.ofCommands(bar);
    this.#target = target;
    this.#devices = target.listDevices();
    this.#poll();
  }

  /** Looks at the register no more; done once a command that is being served was answered. */
  async stop(): Promise<void> {
    this.#running = false;
    // Who comes after it sleeps on the same bell.
    this.#doorbell.wake();
    await this.#sleeping;
    await this.#serving;
  }

  /** As `stop`, but a command that is being served is not answered, and the registers stay as they are. */
  abandon(): void {
    this.#running = false;
    this.#abandoned = true;
  }

  readonly #poll = (): void => {
    if (!this.#running || this.#isSuperseded()) return;
    const command = Atomics.exchange(this.#words, Register.command / 4, 0) >>> 0;
    if (command !== 0) {
      this.#eagerUntil = performance.now() + EAGER_MS;
      // The next poll comes whatever happens; an error here is a bug of ours, and is heard of as such.
      this.#serving = this.#serve(command).finally(this.#pollLater);
    } else {
      this.#pollLater();
    }
  };

  readonly #pollLater = (): void => {
    if (!this.#running) return;
    if (performance.now() < this.#eagerUntil) onNextTurn(this.#poll);
    else if ((this.#word(Register.extEnabled) & Feature.DOORBELL) === 0) {
      setTimeout(this.#poll, POLL_MS);
    } else {
      this.#sleeping = this.#doorbell.sleepAsync(this.#hasCommand, DOZE_MS);
      void this.#sleeping.then(this.#poll);
    }
  };

  readonly #hasCommand = (): boolean => this.#word(Register.command) !== 0;

  #word(register: number): number {
    return Atomics.load(this.#words, register / 4);
  }

  /** Whether another endpoint has taken the bus over, as nothing was heard of this one. */
  #isSuperseded(): boolean {
    if (this.#target.isCurrent()) return false;
    this.#running = false;
    this.#target.log("another endpoint has taken the bus over");
    return true;
  }

  async #serve(command: number): Promise<void> {
    Atomics.store(this.#words, Register.status / 4, 0);
    const args = this.#copyArguments(command);
    const { recorder } = this.#target;
    recorder?.command(command, args);
    const delayMs = this.#target.commandDelayMs();
    if (delayMs > 0) await sleep(delayMs);
    if (this.#abandoned) return;
    const status = await this.#answer(args);
    if (this.#abandoned || this.#isSuperseded()) return;
    // Before the root complex can have seen it.
    recorder?.answer(command, status, this.#bar);
    Atomics.store(this.#words, Register.status / 4, status);
    Atomics.notify(this.#words, Register.status / 4);
  }

  async #answer(args: Arguments): Promise<number> {
    if ((args.command & ~KNOWN) !== 0) {
      return this.#refuse(`command 0x${args.command.toString(16)} has unknown bits`);
    }
    for (const bit of ORDER) {
      if ((args.command & bit) === 0) continue;
      const status = await this.#answerOne(bit, args);
      if (status !== Status.SUCCESS) return status;
    }
    return Status.SUCCESS;
  }

  #answerOne(bit: (typeof ORDER)[number], args: Arguments): Answer {
    if (bit === Command.GET_DEVICES) return this.#getDevices();
    const exported = this.#devices[args.devIdx];
    if (exported === undefined || !this.#target.listDevices().includes(exported)) {
      return this.#refuse(`dev_idx ${args.devIdx} is no disc of the list`);
    }
    switch (bit) {
      case Command.NUM_SECTORS:
        return this.#numSectors(exported);
      case Command.GET_PERMISSION:
        return this.#getPermission(exported);
      case Command.START:
        return this.#target.start(exported)
          ? Status.SUCCESS
          : this.#refuse(`${exported.discName} is started, or has no queue that can be`);
      case Command.STOP:
        return this.#stop(exported);
      case Command.SET_IRQ:
      case Command.SET_QUEUE: {
        const hasEvents = (args.extEnabled & exported.features & Feature.RESIZE) !== 0;
        if (bit === Command.SET_IRQ && args.qidx === EVENTS_QIDX && hasEvents) {
          return this.#setEventsIrq(exported, args);
        }
        const queue = exported.queues[args.qidx];
        if (queue === undefined) {
          return this.#refuse(
            `qidx ${args.qidx}: ${exported.discName} has ${exported.queues.length}`,
          );
        }
        return bit === Command.SET_IRQ
          ? this.#setIrq(queue, args)
          : this.#setQueue(exported, queue, args);
      }
    }
  }

  #getDevices(): number {
    this.#devices = this.#target.listDevices();
    const list = this.#devices.map((exported) => `${exported.discName};`).join("");
    // 16 names of at most 63 bytes, each with its `;`, and the NUL fill the register.
    const bytes = new TextEncoder().encode(`${list}\0`);
    for (const [index, byte] of bytes.entries()) this.#bar.setUint8(Register.devName + index, byte);
    return Status.SUCCESS;
  }

  #numSectors(exported: ExportedDisc): number {
    this.#bar.setBigUint64(Register.numSectors, BigInt(exported.sectors), true);
    this.#bar.setUint32(Register.numQueues, exported.queues.length, true);
    this.#bar.setUint32(Register.extFeatures, exported.features, true);
    this.#bar.setUint32(Register.logicalBlockSize, exported.disc.logicalBlockBytes, true);
    this.#bar.setUint32(Register.maxLen, MAX_LEN_BYTES, true);
    return Status.SUCCESS;
  }

  #getPermission(exported: ExportedDisc): number {
    this.#bar.setUint8(Register.perm, exported.readOnly ? Permission.READ_ONLY : 0);
    return Status.SUCCESS;
  }

  #setIrq(queue: EndpointQueue, args: Arguments): number {
    if (!this.#hasVector(args)) return this.#refuseVector(args);
    queue.setIrq(args.irq);
    return Status.SUCCESS;
  }

  #setEventsIrq(exported: ExportedDisc, args: Arguments): number {
    if (!this.#hasVector(args)) return this.#refuseVector(args);
    exported.eventsIrq = args.irq;
    return Status.SUCCESS;
  }

  #hasVector(args: Arguments): boolean {
    return args.irq >= 1 && args.irq <= this.#target.vectors;
  }

  #refuseVector(args: Arguments): number {
    return this.#refuse(`irq ${args.irq}: 1 to ${this.#target.vectors} are there`);
  }

  #setQueue(exported: ExportedDisc, queue: EndpointQueue, args: Arguments): number {
    const place = this.#placeOf(args, args.extEnabled & exported.features);
    if (exported.started) return this.#refuse(`${exported.discName} is started`);
    if (place === undefined || this.#isTaken(place.range, queue)) {
      this.#refuse(
        `no queue can be at ${args.queueOffset}: ${args.numDesc} descriptors, ${args.qsize} bytes, ` +
          `rings at ${args.drvOffset} and ${args.devOffset}`,
      );
      return Status.ERROR | Status.QUEUE_ADDRESS_INVALID;
    }
    // SET_QUEUE resets both positions: the device's ring starts at 0, and its worker too.
    Atomics.store(new Uint16Array(this.#bar.buffer, place.geometry.deviceRing, 1), 0, 0);
    queue.place = place;
    return Status.SUCCESS;
  }

  async #stop(exported: ExportedDisc): Promise<number> {
    // Not worth a line: a root complex makes sure by it.
    return (await this.#target.stop(exported)) ? Status.SUCCESS : Status.ERROR;
  }

  /** Where the arguments put a queue, if it can be there. All of them are below 2^32: no sum overflows. */
  #placeOf(args: Arguments, features: number): QueuePlace | undefined {
    const { queueOffset, drvOffset, devOffset, numDesc, qsize } = args;
    const space = this.#target.descriptorSpace;
    if (numDesc < MIN_DESCRIPTORS || numDesc > MAX_DESCRIPTORS) return undefined;
    if (queueOffset % 8 !== 0 || drvOffset % 2 !== 0 || devOffset % 2 !== 0) return undefined;
    if (queueOffset + qsize > space.length) return undefined;
    const ring = ringBytes(numDesc);
    const parts = [
      { offset: 0, length: numDesc * DESCRIPTOR_BYTES },
      { offset: drvOffset, length: ring },
      { offset: devOffset, length: ring },
    ] as const;
    if (parts.some((part) => part.offset + part.length > qsize)) return undefined;
    const [descriptors, driver, device] = parts;
    if (overlap(descriptors, driver) || overlap(descriptors, device) || overlap(driver, device)) {
      return undefined;
    }
    const start = space.offset + queueOffset;
    let doorbell: number | undefined;
    if ((features & Feature.DOORBELL) !== 0) {
      const rings = Math.max(driver.offset, device.offset) + ring;
      const offset = roundUp(rings, DOORBELL_ALIGNMENT);
      if (queueOffset % DOORBELL_ALIGNMENT !== 0 || offset + DOORBELL_BYTES > qsize) {
        return undefined;
      }
      doorbell = start + offset;
    }
    return {
      range: { offset: start, length: qsize },
      geometry: {
        descriptors: start,
        driverRing: start + drvOffset,
        deviceRing: start + devOffset,
        numDescriptors: numDesc,
      },
      doorbell,
      features,
    };
  }

  /** Whether another queue, of any disc, has a byte of the range. */
  #isTaken(range: BusRange, own: EndpointQueue): boolean {
    return this.#target
      .listDevices()
      .flatMap((exported) => exported.queues)
      .some(
        (queue) => queue !== own && queue.place !== undefined && overlap(queue.place.range, range),
      );
  }

  #copyArguments(command: number): Arguments {
    const u32 = (offset: number): number => this.#bar.getUint32(offset, true);
    return {
      command,
      devIdx: this.#bar.getUint8(Register.devIdx),
      qidx: this.#bar.getUint8(Register.qidx),
      irq: u32(Register.irq),
      queueOffset: u32(Register.queueOffset),
      drvOffset: u32(Register.drvOffset),
      devOffset: u32(Register.devOffset),
      numDesc: u32(Register.numDesc),
      qsize: u32(Register.qsize),
      extEnabled: u32(Register.extEnabled),
    };
  }

  #refuse(why: string): number {
    this.#target.log(why);
    return Status.ERROR;
  }
}

function overlap(one: BusRange, other: BusRange): boolean {
  return one.offset < other.offset + other.length && other.offset < one.offset + one.length;
}
