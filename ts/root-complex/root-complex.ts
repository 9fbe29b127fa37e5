// The root complex: finds the endpoint on the bus, attaches and detaches its discs, and attaches
// them again when the endpoint was gone and is back.

import { Feature } from "../abi/layout.js";
import { queueLayout } from "../abi/queue-layout.js";
import type { Bus } from "../bus/bus.js";
import { BlockptError, callBack, checkInteger } from "../errors.js";
import { unref } from "../platform/turns.js";
import type { Trace } from "../trace/trace.js";
import { Attachment, INTERRUPT_STRIDE, MAX_VECTORS } from "./attachment.js";
import { CommandChannel } from "./commands.js";
import { DeviceCommands, isTimeout } from "./device-commands.js";
import {
  type EndpointRegisters,
  msixOf,
  readEndpoint,
  sameRegisters,
} from "./endpoint-registers.js";
import { EndpointWatch, LOOK_MS } from "./endpoint-watch.js";
import { type DiskPlace, QueuePlaces } from "./queue-places.js";
import type { RemoteDisk } from "./remote-disk.js";

/** How a root complex looks for its endpoint. */
export interface ProbeOptions {
  /** How long a command may take, in milliseconds. Default 5000. */
  commandTimeoutMs?: number | undefined;
  /** Hears what the driver says, a line each, as the kernel's log shows it. */
  log?: ((line: string) => void) | undefined;
  /**
   * Takes the endpoint from a root complex that died without `close`: what that one had submitted is finished
   * first, and its disks are detached. One that lives would lose them, and never know. Default false.
   */
  takeOver?: boolean | undefined;
  /**
   * Whether the extension block is used where the endpoint has one (protocol, section 5). False speaks as
   * the reference driver does: polled, and without flush. Default true.
   */
  extension?: boolean | undefined;
  /** Where commands, descriptors and completions are recorded, as the root complex has them. Default: nowhere. */
  trace?: Trace | undefined;
}

/** How a disc is attached. */
export interface AttachOptions {
  /** Descriptors of each queue, 16 to 65535: one more than requests may be in flight. Default 1024. */
  numDescriptors?: number | undefined;
  /**
   * Queues, each served by a thread of the endpoint: the disk's own, and those that `openQueue` gives
   * to other threads. At most as many as the disc is exported with. Each takes descriptor space (28864
   * bytes with 1024 descriptors, 7360 with 256; a BAR of 128 KiB and 32 vectors has some 129000) and an
   * MSI-X vector. Default 1.
   */
  queues?: number | undefined;
  /** What the disk is called here. Default `pci-rd-` and the last component of its name. */
  localName?: string | undefined;
  /**
   * How long a request may take before it is given up, in milliseconds; that may be up to an eighth of
   * it later. Default 30000.
   */
  requestTimeoutMs?: number | undefined;
  /** Hears that the disc has another size: `disk.sectors`. */
  onResize?: ((disk: RemoteDisk) => void) | undefined;
  /** Hears that the endpoint is gone: what is in flight is rejected, and so is what is submitted until it is back. */
  onOffline?: ((disk: RemoteDisk) => void) | undefined;
  /** Hears that the endpoint is back, and the disk attached again. */
  onOnline?: ((disk: RemoteDisk) => void) | undefined;
}

/** Where the function is: domain, bus, device, function. */
export const PCI_ADDRESS = "0001:01:00.0";
/** The longest time of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;
/** Most queues of a disk: `qidx` counts to 254, and 255 is the disc's events. */
const MAX_QUEUES = 255;

/** An attached disk, and who hears of it. */
interface Attached {
  readonly attachment: Attachment;
  readonly options: AttachOptions;
  /** Why it could not be attached again, said once. */
  complaint: string;
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
  readonly #commands: DeviceCommands;
  readonly #log: (line: string) => void;
  readonly #places: QueuePlaces;
  readonly #attached = new Map<string, Attached>();
  /** Places of attaches that the endpoint did not answer. */
  readonly #unanswered = new Map<string, DiskPlace>();
  readonly #interruptPage: number;
  readonly #trace: Trace | undefined;
  readonly #timer: NodeJS.Timeout;
  #watch: EndpointWatch;
  #recovering = false;
  #closed = false;
  #devices: readonly string[] = [];
  #last: Promise<unknown> = Promise.resolve();

  private constructor(bus: Bus, options: ProbeOptions) {
    const { commandTimeoutMs = 5000, log = () => {}, extension = true, takeOver = false } = options;
    const registers = readEndpoint(bus);
    checkInteger("commandTimeoutMs", commandTimeoutMs, 1, MAX_TIMEOUT_MS);
    if (!bus.owners.becomeRootComplex(bus.owner, takeOver)) {
      throw new BlockptError(
        "ERR_BLOCKPT_STATE",
        "a root complex drives the endpoint: close it first, or if it died probe with { takeOver: true }",
      );
    }
    this.#bus = bus;
    this.#registers = registers;
    const hasExtension = extension && registers.hasExtension;
    // The endpoint may sleep if it is told so; nobody else shall find it asleep.
    const channel = new CommandChannel(
      bus.barView(),
      commandTimeoutMs,
      registers.hasExtension,
      options.trace?.recordCommands("root-complex"),
    );
    this.#trace = options.trace;
    this.#commands = new DeviceCommands(channel, bus.barView(), hasExtension);
    this.#log = log;
    this.#places = new QueuePlaces(
      registers.availableQsize,
      Math.min(registers.vectors, MAX_VECTORS),
    );
    try {
      this.#interruptPage = claimInterruptPage(bus);
    } catch (error) {
      bus.owners.leaveRootComplex(bus.owner);
      throw error;
    }
    bus.msix.locate(msixOf(registers), bus.bar.offset);
    this.#commands.enable(Feature.DOORBELL);
    this.#watch = new EndpointWatch(bus);
    this.#timer = setInterval(this.#look, LOOK_MS);
    unref(this.#timer);
  }

  /**
   * Finds the endpoint by the magic in its BAR, and reads its devices.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT` if no endpoint is started;
   * `ERR_BLOCKPT_STATE` if another root complex was not closed; `ERR_BLOCKPT_PROTOCOL` if its
   * registers make no sense; `ERR_BLOCKPT_COMMAND_TIMEOUT` if it does not answer;
   * `ERR_BLOCKPT_NO_SPACE` if host memory has no page left
   */
  static async probe(bus: Bus, options: ProbeOptions = {}): Promise<RootComplex> {
    const rc = new RootComplex(bus, options);
    try {
      await rc.rescan();
      if (options.takeOver) await rc.#inOrder(() => rc.#stopAll());
    } catch (error) {
      rc.#release();
      throw error;
    }
    for (const device of rc.#devices) rc.#say(`Found ${device}`);
    rc.#say(`Found ${rc.#devices.length} devices`);
    return rc;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The discs that can be attached, as the endpoint listed them last. */
  get devices(): readonly string[] {
    return this.#devices;
  }

  /** The disks that are attached. */
  get disks(): RemoteDisk[] {
    return [...this.#attached.values()].map(({ attachment }) => attachment.disk);
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
      // The next one may be a driver that does not ring.
      this.#commands.enable(0);
      this.#release();
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
   * `ERR_BLOCKPT_NO_SPACE` if descriptor space, the vectors or the disc's queues are used up (the
   * message says what would fit), `ERR_BLOCKPT_NO_ENDPOINT` if it was stopped, `ERR_BLOCKPT_COMMAND`,
   * `ERR_BLOCKPT_COMMAND_TIMEOUT`, `ERR_BLOCKPT_PROTOCOL`, `ERR_BLOCKPT_INVALID_ARGUMENT`
   */
  attach(name: string, options: AttachOptions = {}): Promise<RemoteDisk> {
    return this.#inOrder(() => this.#attach(name, options));
  }

  /**
   * Detaches a disk: the endpoint drains its queues, and what the disk took is given back.
   *
   * @param name - the device's name, its last component, or the disk's local name
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC` if it is not attached;
   * `ERR_BLOCKPT_BUSY` while requests are in flight, or a queue of it is open; `ERR_BLOCKPT_COMMAND_TIMEOUT`
   * if the endpoint does not answer: the disk then stays attached
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
    this.#devices = await this.#commands.getDevices();
    return this.#devices;
  }

  async #attach(name: string, options: AttachOptions): Promise<RemoteDisk> {
    const { numDescriptors = 1024, requestTimeoutMs = 30_000, queues = 1 } = options;
    queueLayout(numDescriptors);
    checkInteger("requestTimeoutMs", requestTimeoutMs, 1, MAX_TIMEOUT_MS);
    checkInteger("queues", queues, 1, MAX_QUEUES);
    const devices = await this.#getDevices();
    // Of the endpoint that answered: one that was started anew since the last look is not gone at the next.
    this.#look();
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
    const facts = await this.#commands.examine(device, devIdx);
    if (queues > facts.queues) {
      const why = `${device} is exported with ${facts.queues} queues, ${queues} were asked for`;
      throw new BlockptError("ERR_BLOCKPT_NO_SPACE", `${why}: ${facts.queues} would fit`);
    }
    const doorbell = (facts.features & Feature.DOORBELL) !== 0;
    const resizes = (facts.features & Feature.RESIZE) !== 0;
    const place = this.#places.claim(queues, numDescriptors, doorbell, resizes);
    let attachment: Attachment | undefined;
    try {
      attachment = new Attachment({
        bus: this.#bus,
        registers: this.#registers,
        commands: this.#commands,
        interruptPage: this.#interruptPage,
        device,
        localName: options.localName ?? `pci-rd-${lastComponent(device)}`,
        facts,
        place,
        numDescriptors,
        requestTimeoutMs,
        trace: this.#trace?.handle,
        onSuspect: this.#look,
        onEvent: () => this.#examineAgain(device),
        reclaim: (owner) => this.#reclaim(owner, requestTimeoutMs),
      });
      // As the user guide has it: without a doorbell.
      const { bytes } = queueLayout(numDescriptors);
      this.#say(
        `${lastComponent(device)}: Setting queue addr. #Descriptors ${numDescriptors} (${bytes} Bytes)`,
      );
      await attachment.start(devIdx);
    } catch (error) {
      attachment?.close(!isTimeout(error));
      // An endpoint that did not answer may hold the place: it is not used before a STOP was answered.
      if (isTimeout(error)) this.#unanswered.set(device, place);
      else this.#places.release(place);
      throw error;
    }
    this.#say(`${device} capacity 0x${facts.sectors.toString(16)}`);
    this.#attached.set(device, { attachment, options, complaint: "" });
    return attachment.disk;
  }

  async #detach(name: string): Promise<void> {
    const local = this.disks.find((disk) => disk.localName === name)?.name;
    const device = theOneNamed(name, [...this.#attached.keys()]) ?? local;
    const attached = device === undefined ? undefined : this.#attached.get(device);
    if (device === undefined || attached === undefined) {
      throw new BlockptError("ERR_BLOCKPT_NO_SUCH_DISC", `${name} is not attached`);
    }
    const { disk, place } = attached.attachment;
    const busy =
      disk.inFlight > 0
        ? `has requests in flight (${disk.inFlight}): wait for them first`
        : disk.openQueues > 0
          ? `has queues that are open (${disk.openQueues}): close them, or reclaimQueue() those whose thread has ended`
          : undefined;
    if (busy !== undefined) {
      throw new BlockptError("ERR_BLOCKPT_BUSY", `${disk.localName} ${busy}`);
    }
    // Nobody opens a queue meanwhile.
    const giveBack = disk.takeQueues();
    let hasLeft: boolean;
    try {
      hasLeft = await this.#stop(device);
    } catch (error) {
      giveBack();
      throw error;
    }
    this.#attached.delete(device);
    attached.attachment.close(hasLeft);
    // One that only stalls may find its queues where they were: their place waits for a STOP.
    if (hasLeft) this.#places.release(place);
    else this.#unanswered.set(device, place);
  }

  /**
   * True if the endpoint does not touch the disc's queues after this; false if nobody knows, as its heart
   * stands still.
   */
  async #stop(device: string): Promise<boolean> {
    if (!this.#watch.lives()) return this.#watch.hasLeft();
    let devices: readonly string[];
    try {
      devices = await this.#getDevices();
    } catch (error) {
      // One that was stopped, or started anew as another, has left all queues.
      if (isTimeout(error)) throw error;
      return true;
    }
    const devIdx = devices.indexOf(device);
    if (devIdx >= 0) await this.#commands.stop(devIdx);
    return true;
  }

  /**
   * Takes back what a view of the bus held whose thread has ended: its queues, of whatever disk, once the
   * endpoint has done what was submitted on them; then its pages, which no request uses any more.
   */
  async #reclaim(owner: number, timeoutMs: number): Promise<void> {
    const idx = (ring: number): number =>
      Atomics.load(new Uint16Array(this.#bus.buffer, ring, 1), 0);
    const deadline = performance.now() + timeoutMs;
    const all = [...this.#attached.values()].map(({ attachment }) => attachment);
    const held = all.flatMap((attachment) =>
      attachment.queuesOf(owner).map((queue) => ({ queue, state: attachment.state })),
    );
    for (const { queue, state } of held) {
      const { driverRing, deviceRing } = queue.geometry;
      const { epoch } = state;
      // A disk that was offline starts all its queues anew.
      while (state.epoch === epoch && state.isOnline && idx(driverRing) !== idx(deviceRing)) {
        if (performance.now() > deadline) {
          const why = `queue ${queue.index} of ${queue.diskName} was not drained within ${timeoutMs} ms`;
          throw new BlockptError("ERR_BLOCKPT_TIMEOUT", why);
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      const position = idx(driverRing) % queue.geometry.numDescriptors;
      if (state.owner(queue.index) === owner) state.release(queue.index, position, epoch);
    }
    if (held.length > 0) this.#bus.reclaim(owner);
  }

  /** Detaches what another root complex had attached. */
  async #stopAll(): Promise<void> {
    for (const devIdx of this.#devices.keys()) await this.#commands.stop(devIdx);
  }

  /** Takes an attach back that the endpoint may have served after it was given up. */
  async #settle(device: string, devIdx: number): Promise<void> {
    const place = this.#unanswered.get(device);
    if (place === undefined) return;
    await this.#commands.stop(devIdx);
    this.#unanswered.delete(device);
    this.#places.release(place);
  }

  /** Looks whether the endpoint lives, and every disk is attached to the one that does. */
  readonly #look = (): void => {
    const lives = this.#watch.lives();
    for (const { attachment, options } of this.#attached.values()) {
      if (!attachment.isOnline || (lives && !attachment.isSuspect)) continue;
      this.#say(`${attachment.device}: the endpoint is gone`);
      attachment.goOffline();
      callBack(options.onOffline, attachment.disk);
    }
    if (!lives && this.#watch.isAnother()) this.#watch = new EndpointWatch(this.#bus);
    else if (!lives) return;
    const offline = [...this.#attached.values()].filter(({ attachment }) => !attachment.isOnline);
    if (offline.length === 0 || this.#recovering) return;
    this.#recovering = true;
    void this.#inOrder(() => this.#recover(offline)).finally(() => {
      this.#recovering = false;
    });
  };

  /** Attaches disks again whose endpoint was gone; what cannot be is tried again at the next look. */
  async #recover(disks: readonly Attached[]): Promise<void> {
    for (const attached of disks) {
      const { attachment, options } = attached;
      const { device, disk } = attachment;
      if (this.#closed || this.#attached.get(device) !== attached) continue;
      try {
        const devIdx = (await this.#getDevices()).indexOf(device);
        if (devIdx < 0) {
          const why = `${device} is not exported any more`;
          throw new BlockptError("ERR_BLOCKPT_NO_SUCH_DISC", why);
        }
        await this.#commands.stop(devIdx);
        const facts = await this.#commands.examine(device, devIdx);
        const { sectors } = disk;
        await attachment.comeBack(devIdx, facts);
        attached.complaint = "";
        this.#say(`${device}: attached again`);
        callBack(options.onOnline, disk);
        if (disk.sectors !== sectors) callBack(options.onResize, disk);
      } catch (error) {
        const complaint = error instanceof Error ? error.message : String(error);
        if (complaint !== attached.complaint) this.#say(`${device} stays offline: ${complaint}`);
        attached.complaint = complaint;
      }
    }
  }

  /** The endpoint says that something of a disc has changed. */
  #examineAgain(device: string): Promise<void> {
    return this.#inOrder(async () => {
      const attached = this.#attached.get(device);
      if (this.#closed || attached === undefined || !attached.attachment.isOnline) return;
      const devIdx = (await this.#getDevices()).indexOf(device);
      if (devIdx < 0) return;
      const { sectors } = await this.#commands.examine(device, devIdx);
      if (!attached.attachment.resize(sectors)) return;
      this.#say(`${device} capacity 0x${sectors.toString(16)}`);
      callBack(attached.options.onResize, attached.attachment.disk);
    }).catch((error: unknown) => this.#say(`${device} cannot be examined: ${String(error)}`));
  }

  #release(): void {
    clearInterval(this.#timer);
    this.#bus.owners.leaveRootComplex(this.#bus.owner);
    this.#bus.iommu?.unmap(this.#interruptPage, MAX_VECTORS * INTERRUPT_STRIDE);
    this.#bus.hostPages.release(this.#interruptPage);
  }

  #say(line: string): void {
    callBack(this.#log, `pci-remote-disk ${this.pciAddress}: ${line}`);
  }
}

/** The page that vectors write to; with an IOMMU the endpoint must reach it. */
function claimInterruptPage(bus: Bus): number {
  const page = bus.hostPages.claim(MAX_VECTORS * INTERRUPT_STRIDE);
  if (page === undefined) {
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", "host memory has no page for interrupts");
  }
  bus.iommu?.map(page, MAX_VECTORS * INTERRUPT_STRIDE);
  return page;
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
