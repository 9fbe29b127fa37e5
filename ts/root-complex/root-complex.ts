// The root complex: finds the endpoint on the bus, and attaches and detaches its discs.

import { Command, Permission, Register, SECTOR_BYTES } from "../abi/layout.js";
import { type QueueLayout, queueLayout } from "../abi/queue-layout.js";
import type { Bus } from "../bus/bus.js";
import type { QueueGeometry } from "../engine/engine.js";
import { BlockptError, callBack, checkInteger } from "../errors.js";
import { CommandChannel, readDeviceNames } from "./commands.js";
import {
  type EndpointRegisters,
  msixOf,
  readEndpoint,
  sameRegisters,
} from "./endpoint-registers.js";
import { RemoteQueue } from "./queue.js";
import { type QueuePlace, QueuePlaces } from "./queue-places.js";
import { RemoteDisk } from "./remote-disk.js";

/** How a root complex looks for its endpoint. */
export interface ProbeOptions {
  /** How long a command may take, in milliseconds. Default 5000. */
  commandTimeoutMs?: number | undefined;
  /** Hears what the driver says, a line each, as the kernel's log shows it. */
  log?: ((line: string) => void) | undefined;
}

/** How a disc is attached. */
export interface AttachOptions {
  /** Descriptors of the queue, 16 to 65535: one more than requests may be in flight. Default 1024. */
  numDescriptors?: number | undefined;
  /** What the disk is called here. Default `pci-rd-` and the last component of its name. */
  localName?: string | undefined;
  /**
   * How long a request may take before it is given up, in milliseconds; that comes up to an eighth of
   * it later. Default 30000.
   */
  requestTimeoutMs?: number | undefined;
}

/** Where the function is: domain, bus, device, function. */
const PCI_ADDRESS = "0001:01:00.0";
/** Bytes between two interrupt words: a cache line each. */
const INTERRUPT_STRIDE = 64;
/** The longest time of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** Most queues that this side drives at once; one page of interrupt words. */
const MAX_QUEUES = 64;

/** An attached disk. */
interface Attachment {
  readonly disk: RemoteDisk;
  readonly place: QueuePlace;
}

/**
 * Attaches an endpoint's discs as disks (protocol, sections 2 and 3). One root complex
 * drives an endpoint at a time.
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 *
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("ram0", { numDescriptors: 256 });
 * await disk.write(new Uint8Array(4096).fill(7), 8192);
 * const back = new Uint8Array(4096);
 * await disk.read(back, 8192);
 * console.log(back[0]); // 7
 *
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class RootComplex {
  /** Where the function is, as `lspci` shows it. */
  readonly pciAddress = PCI_ADDRESS;
  readonly #bus: Bus;
  readonly #registers: EndpointRegisters;
  readonly #commands: CommandChannel;
  #closed = false;
  readonly #log: (line: string) => void;
  readonly #places: QueuePlaces;
  readonly #attached = new Map<string, Attachment>();
  /** Places of attaches that the endpoint did not answer. */
  readonly #unanswered = new Map<string, QueuePlace>();
  readonly #interruptPage: number;
  #devices: readonly string[] = [];
  #last: Promise<unknown> = Promise.resolve();

  private constructor(bus: Bus, registers: EndpointRegisters, options: ProbeOptions) {
    this.#bus = bus;
    this.#registers = registers;
    const { commandTimeoutMs = 5000, log = () => {} } = options;
    checkInteger("commandTimeoutMs", commandTimeoutMs, 1, MAX_TIMEOUT_MS);
    this.#commands = new CommandChannel(bus.barView(), commandTimeoutMs);
    this.#log = log;
    this.#places = new QueuePlaces(
      registers.availableQsize,
      Math.min(registers.vectors, MAX_QUEUES),
    );
    this.#interruptPage = claimInterruptPage(bus);
    bus.msix.locate(msixOf(registers), bus.bar.offset);
  }

  /**
   * Finds the endpoint by the magic in its BAR, and reads its devices.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT` if no endpoint is started;
   * `ERR_BLOCKPT_PROTOCOL` if its registers make no sense; `ERR_BLOCKPT_COMMAND_TIMEOUT`
   * if it does not answer
   */
  static async probe(bus: Bus, options: ProbeOptions = {}): Promise<RootComplex> {
    const rc = new RootComplex(bus, readEndpoint(bus), options);
    try {
      await rc.rescan();
    } catch (error) {
      rc.#releaseInterruptPage();
      throw error;
    }
    for (const device of rc.#devices) rc.#say(`Found ${device}`);
    rc.#say(`Found ${rc.#devices.length} devices`);
    return rc;
  }

  /** The discs that can be attached, as the endpoint listed them last. */
  get devices(): readonly string[] {
    return this.#devices;
  }

  /** The disks that are attached. */
  get disks(): RemoteDisk[] {
    return [...this.#attached.values()].map((attachment) => attachment.disk);
  }

  /**
   * Detaches every disk, and gives back what the root complex takes of the bus; it is of no more use.
   *
   * @throws {@link BlockptError} as `detach` does; what could not be detached stays attached
   */
  close(): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#closed) return;
      for (const device of [...this.#attached.keys()]) await this.#detach(device);
      for (const device of [...this.#unanswered.keys()]) await this.#stop(device);
      this.#closed = true;
      this.#releaseInterruptPage();
    });
  }

  /**
   * Asks the endpoint for its devices again.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT`, `ERR_BLOCKPT_COMMAND_TIMEOUT`
   */
  rescan(): Promise<readonly string[]> {
    return this.#inOrder(() => this.#getDevices());
  }

  /**
   * Attaches a disc.
   *
   * @param name - one of `devices`, or its last component
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC`, `ERR_BLOCKPT_ALREADY_ATTACHED`,
   * `ERR_BLOCKPT_NO_SPACE` if descriptor space or the vectors are used up (the message
   * says what would fit), `ERR_BLOCKPT_NO_ENDPOINT` if it was stopped, `ERR_BLOCKPT_COMMAND`,
   * `ERR_BLOCKPT_COMMAND_TIMEOUT`, `ERR_BLOCKPT_PROTOCOL`, `ERR_BLOCKPT_INVALID_ARGUMENT`
   */
  attach(name: string, options: AttachOptions = {}): Promise<RemoteDisk> {
    return this.#inOrder(() => this.#attach(name, options));
  }

  /**
   * Detaches a disk: the endpoint drains its queue, and what the disk took is given back.
   *
   * @param name - the device's name, its last component, or the disk's local name
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC` if it is not attached;
   * `ERR_BLOCKPT_BUSY` while requests are in flight; `ERR_BLOCKPT_COMMAND_TIMEOUT` if the
   * endpoint does not answer: the disk then stays attached
   */
  detach(name: string): Promise<void> {
    return this.#inOrder(() => this.#detach(name));
  }

  /** `dev_idx` counts in the list that was asked for last, so whoever asks finishes before the next. */
  #inOrder<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #getDevices(): Promise<readonly string[]> {
    if (this.#closed) {
      throw new BlockptError("ERR_BLOCKPT_STATE", "the root complex was closed");
    }
    // It may have been started anew as another one, whose table of vectors is elsewhere.
    if (!sameRegisters(readEndpoint(this.#bus), this.#registers)) {
      throw new BlockptError("ERR_BLOCKPT_PROTOCOL", "the endpoint has changed: probe again");
    }
    this.#devices = await this.#commands.run(Command.GET_DEVICES, {}, readDeviceNames);
    return this.#devices;
  }

  async #attach(name: string, options: AttachOptions): Promise<RemoteDisk> {
    const { numDescriptors = 1024, requestTimeoutMs = 30_000 } = options;
    const layout = queueLayout(numDescriptors);
    checkInteger("requestTimeoutMs", requestTimeoutMs, 1, MAX_TIMEOUT_MS);
    const devices = await this.#getDevices();
    const device = theOneNamed(name, devices);
    if (device === undefined) {
      const there = devices.length === 0 ? "nothing is" : `these are: ${devices.join(", ")}`;
      throw new BlockptError("ERR_BLOCKPT_NO_SUCH_DISC", `${name} is not exported; ${there}`);
    }
    if (this.#attached.has(device)) {
      throw new BlockptError("ERR_BLOCKPT_ALREADY_ATTACHED", `${device} is attached already`);
    }
    const devIdx = devices.indexOf(device);
    await this.#settle(device, devIdx);
    const disc = await this.#examine(device, devIdx);
    const place = this.#places.claim(numDescriptors, layout);
    let queue: RemoteQueue | undefined;
    try {
      queue = this.#openQueue(place, numDescriptors, layout, requestTimeoutMs);
      await this.#start(device, devIdx, place, numDescriptors, layout);
    } catch (error) {
      queue?.close();
      // An endpoint that did not answer may hold the place: it is not used before a STOP was answered.
      if (isTimeout(error)) this.#unanswered.set(device, place);
      else this.#places.release(place);
      throw error;
    }
    this.#say(`${device} capacity 0x${disc.sectors.toString(16)}`);
    const localName = options.localName ?? `pci-rd-${lastComponent(device)}`;
    const disk = new RemoteDisk(this.#bus, {
      name: device,
      localName,
      numDescriptors,
      queue,
      ...disc,
    });
    this.#attached.set(device, { disk, place });
    return disk;
  }

  async #detach(name: string): Promise<void> {
    const local = [...this.#attached].find(([, { disk }]) => disk.localName === name)?.[0];
    const device = theOneNamed(name, [...this.#attached.keys()]) ?? local;
    const attachment = device === undefined ? undefined : this.#attached.get(device);
    if (device === undefined || attachment === undefined) {
      throw new BlockptError("ERR_BLOCKPT_NO_SUCH_DISC", `${name} is not attached`);
    }
    const { disk, place } = attachment;
    if (disk.inFlight > 0) {
      throw new BlockptError(
        "ERR_BLOCKPT_BUSY",
        `${disk.localName} has requests in flight (${disk.inFlight}): wait for them first`,
      );
    }
    await this.#stop(device);
    this.#attached.delete(device);
    disk.close();
    this.#places.release(place);
  }

  /** Size and permission of a disc. The endpoint's numbers are checked. */
  async #examine(device: string, devIdx: number): Promise<{ sectors: number; readOnly: boolean }> {
    const command = Command.NUM_SECTORS | Command.GET_PERMISSION;
    const { sectors, readOnly } = await this.#commands.run(command, { devIdx }, (bar) => ({
      sectors: bar.getBigUint64(Register.numSectors, true),
      readOnly: (bar.getUint8(Register.perm) & Permission.READ_ONLY) !== 0,
    }));
    if (sectors === 0n || sectors * BigInt(SECTOR_BYTES) > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new BlockptError("ERR_BLOCKPT_PROTOCOL", `${device} claims to have ${sectors} sectors`);
    }
    return { sectors: Number(sectors), readOnly };
  }

  async #start(
    device: string,
    devIdx: number,
    place: QueuePlace,
    numDescriptors: number,
    layout: QueueLayout,
  ): Promise<void> {
    const name = lastComponent(device);
    this.#say(
      `${name}: Setting queue addr. #Descriptors ${numDescriptors} (${layout.bytes} Bytes)`,
    );
    const { queueOffset, vector } = place;
    let command: number = Command.SET_QUEUE;
    let irq = 0;
    if (vector !== undefined) {
      // Stays masked until a ladder comes to the end of its looks.
      this.#bus.msix.mask(vector);
      irq = vector + 1;
      this.#bus.msix.program(vector, this.#interruptPage + vector * INTERRUPT_STRIDE, irq);
      command |= Command.SET_IRQ;
    }
    const args = {
      devIdx,
      qidx: 0,
      irq,
      queueOffset,
      drvOffset: layout.driverOffset,
      devOffset: layout.deviceOffset,
      numDesc: numDescriptors,
      qsize: layout.bytes,
    };
    await this.#commands.run(command, args, () => undefined);
    try {
      await this.#commands.run(Command.START, { devIdx }, () => undefined);
    } catch (error) {
      // The endpoint holds the queue that it did not start: STOP has it forget that.
      if (isRefusal(error)) await this.#tryStop(devIdx);
      throw error;
    }
  }

  /** After this the endpoint does not touch the disc's queue, or it said that it did not before. */
  async #stop(device: string): Promise<void> {
    let devices: readonly string[];
    try {
      devices = await this.#getDevices();
    } catch (error) {
      // One that was stopped, or started anew as another, has left all queues.
      if (isTimeout(error)) throw error;
      return;
    }
    const devIdx = devices.indexOf(device);
    if (devIdx >= 0) await this.#tryStop(devIdx);
  }

  /** Takes an attach back that the endpoint may have served after it was given up. */
  async #settle(device: string, devIdx: number): Promise<void> {
    const place = this.#unanswered.get(device);
    if (place === undefined) return;
    await this.#tryStop(devIdx);
    this.#unanswered.delete(device);
    this.#places.release(place);
  }

  /** STOP; an error says that the disc was not started, and that is as good. */
  async #tryStop(devIdx: number): Promise<void> {
    try {
      await this.#commands.run(Command.STOP, { devIdx }, () => undefined);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }

  #openQueue(
    place: QueuePlace,
    numDescriptors: number,
    layout: QueueLayout,
    requestTimeoutMs: number,
  ): RemoteQueue {
    const geometry = this.#geometry(place.queueOffset, numDescriptors, layout);
    const word = place.vector ?? MAX_QUEUES - 1;
    const interruptAddress = this.#interruptPage + word * INTERRUPT_STRIDE;
    return new RemoteQueue(this.#bus, geometry, place.vector, interruptAddress, requestTimeoutMs);
  }

  #releaseInterruptPage(): void {
    this.#bus.iommu?.unmap(this.#interruptPage, MAX_QUEUES * INTERRUPT_STRIDE);
    this.#bus.hostPages.release(this.#interruptPage);
  }

  /** Where the queue's parts are in the bus; its bytes are cleared, as another queue was there. */
  #geometry(queueOffset: number, numDescriptors: number, layout: QueueLayout): QueueGeometry {
    const start = this.#bus.bar.offset + this.#registers.queueBarOffset + queueOffset;
    this.#bus.engine.fill(start, 0, layout.bytes);
    return {
      descriptors: start,
      driverRing: start + layout.driverOffset,
      deviceRing: start + layout.deviceOffset,
      numDescriptors,
    };
  }

  #say(line: string): void {
    callBack(this.#log, `pci-remote-disk ${this.pciAddress}: ${line}`);
  }
}

/** The page that vectors write to; with an IOMMU the endpoint must reach it. */
function claimInterruptPage(bus: Bus): number {
  const page = bus.hostPages.claim(MAX_QUEUES * INTERRUPT_STRIDE);
  if (page === undefined) {
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", "host memory has no page for interrupts");
  }
  bus.iommu?.map(page, MAX_QUEUES * INTERRUPT_STRIDE);
  return page;
}

/** Whether the endpoint answered a command with an error. */
function isRefusal(error: unknown): boolean {
  return error instanceof BlockptError && error.code === "ERR_BLOCKPT_COMMAND";
}

/** Whether the endpoint did not answer. */
function isTimeout(error: unknown): boolean {
  return error instanceof BlockptError && error.code === "ERR_BLOCKPT_COMMAND_TIMEOUT";
}

/** The device of that name, else the only one with that last component. */
function theOneNamed(name: string, devices: readonly string[]): string | undefined {
  if (devices.includes(name)) return name;
  const ending = devices.filter((device) => lastComponent(device) === name);
  if (ending.length > 1) {
    throw new BlockptError(
      "ERR_BLOCKPT_NO_SUCH_DISC",
      `${name} may be ${ending.join(" or ")}: give the whole name`,
    );
  }
  return ending[0];
}

function lastComponent(device: string): string {
  return device.slice(device.lastIndexOf("/") + 1);
}
