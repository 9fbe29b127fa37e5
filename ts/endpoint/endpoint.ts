// The endpoint: a controller with the function `pci_epf_blockpt` bound to it, the
// discs it exports, and the link.

import {
  BASE_CLASS,
  DEVICE_ID,
  MIN_DESCRIPTORS,
  REGISTERS_BYTES,
  Register,
  VENDOR_ID,
} from "../abi/layout.js";
import { queueLayout } from "../abi/queue-layout.js";
import type { Bus } from "../bus/bus.js";
import { checkIdentity, type FunctionIdentity, type MsixLocation } from "../bus/config-space.js";
import { setEndpointHere } from "../bus/local-endpoints.js";
import { Msix } from "../bus/msix.js";
import { checkDiscSize, type Disc } from "../discs/disc.js";
import type { FaultRule } from "../discs/faults/fault.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError, callBack, checkInteger } from "../errors.js";
import type { CommandRecorder } from "../trace/recorder.js";
import type { Trace } from "../trace/trace.js";
import { CommandHandler } from "./commands.js";
import type {
  BoundController,
  Controller,
  EndpointOptions,
  ExportChanges,
  ExportOptions,
} from "./endpoint-options.js";
import { ExportList } from "./export-list.js";
import type { ReportQueueStopped } from "./exported-disc.js";
import { FaultyLink } from "./faulty-link.js";
import {
  type DiscFacts,
  type EndpointReport,
  factsOf,
  inspectDisc,
  inspectMsix,
  inspectRegisters,
} from "./inspection.js";
import { HEARTBEAT_MS, registersOf, takeLink, writeRegisters } from "./link.js";
import type { LinkFaults, LinkFaultsReport } from "./link-faults.js";
import type { QueueSurroundings } from "./queue.js";
import type { QueueWorkerSource } from "./queue-thread.js";

const MAX_VECTORS = 2048;
const MAX_MSI_MESSAGES = 32;
/** What was completed last is taken by the root complex in this time; then its rings say that nobody answers. */
const GRACE_MS = 20;

/**
 * Exports discs on a bus (protocol, section 2).
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc } from "blockpt";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 * await endpoint.close();
 * ```
 */
export class Endpoint {
  /** The controller. */
  readonly controller: BoundController;
  /** MSI-X vectors. */
  readonly msixInterrupts: number;
  /** Messages of the MSI capability, 0 where there is none. */
  readonly msiInterrupts: number;
  readonly #bus: Bus;
  readonly #identity: FunctionIdentity;
  readonly #msix: MsixLocation;
  readonly #descriptorSpace: BusRange;
  readonly #exports: ExportList;
  readonly #log: (line: string) => void;
  readonly #onQueueStopped: ReportQueueStopped | undefined;
  readonly #trace: Trace | undefined;
  readonly #recorder: CommandRecorder | undefined;
  readonly #queueWorker: QueueWorkerSource | undefined;
  readonly #faultyLink = new FaultyLink(() => this.#raiseAll());
  #commands: CommandHandler | undefined;
  #heart: NodeJS.Timeout | undefined;
  #generation = 0;
  #closed = false;
  #stopping: Promise<void> | undefined;

  private constructor(bus: Bus, controller: BoundController, options: EndpointOptions) {
    this.#bus = bus;
    this.#exports = new ExportList(bus);
    this.controller = controller;
    this.msixInterrupts = options.msixInterrupts ?? 32;
    this.msiInterrupts = options.msiInterrupts ?? 0;
    this.#identity = {
      vendorId: options.vendorId ?? VENDOR_ID,
      deviceId: options.deviceId ?? DEVICE_ID,
      revisionId: 0,
      classCode: BASE_CLASS << 16,
      subsystemVendorId: 0,
      subsystemId: 0,
      cacheLineSize: 0,
      interruptPin: 0,
      ...options.identity,
    };
    checkIdentity(this.#identity);
    checkInteger("msixInterrupts", this.msixInterrupts, 1, controller.maxVectors);
    checkInteger("msiInterrupts", this.msiInterrupts, 0, MAX_MSI_MESSAGES);
    const msix = Msix.bytes(this.msixInterrupts);
    const available = bus.bar.length - REGISTERS_BYTES - msix.table - msix.pending;
    if (available < queueLayout(MIN_DESCRIPTORS).bytes) {
      throw new BlockptError(
        "ERR_BLOCKPT_BAR_TOO_SMALL",
        `a BAR of ${bus.bar.length} bytes has no room for the registers, ` +
          `${this.msixInterrupts} MSI-X vectors and one queue: createBus's barBytes has to be ` +
          `${leastBarBytes(this.msixInterrupts)} at least`,
      );
    }
    const tableOffset = REGISTERS_BYTES + available;
    this.#msix = {
      vectors: this.msixInterrupts,
      tableOffset,
      pendingOffset: tableOffset + msix.table,
    };
    this.#descriptorSpace = { offset: bus.bar.offset + REGISTERS_BYTES, length: available };
    this.#log = options.log ?? (() => {});
    this.#onQueueStopped = options.onQueueStopped;
    this.#trace = options.trace;
    this.#queueWorker = options.queueWorker;
    this.#recorder = options.trace?.recordCommands("endpoint");
    this.#faultyLink.replace(options.linkFaults ?? {});
  }

  /**
   * Binds the function to a controller. Nothing is seen on the bus before `start`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_BAR_TOO_SMALL` if the bus's BAR has no room for the
   * registers, the MSI-X table and one queue; `ERR_BLOCKPT_INVALID_ARGUMENT` if a
   * number is out of its range, or the controller fixes another size of the BAR
   */
  static async create(bus: Bus, options: EndpointOptions): Promise<Endpoint> {
    const given: Controller =
      typeof options.controller === "string" ? { name: options.controller } : options.controller;
    const controller: BoundController = { ...given, maxVectors: given.maxVectors ?? MAX_VECTORS };
    checkInteger("maxVectors", controller.maxVectors, 1, MAX_VECTORS);
    if (controller.fixedBarBytes !== undefined && controller.fixedBarBytes !== bus.bar.length) {
      throw new BlockptError(
        "ERR_BLOCKPT_INVALID_ARGUMENT",
        `${controller.name} has a BAR of ${controller.fixedBarBytes} bytes, the bus one of ${bus.bar.length}`,
      );
    }
    return new Endpoint(bus, controller, options);
  }

  /** Whether the link is up. */
  get started(): boolean {
    return this.#commands !== undefined;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Who the function is, in its configuration header. */
  get identity(): FunctionIdentity {
    return { ...this.#identity };
  }

  /** The exports' names, in the order in which the root complex sees the discs. */
  get exports(): string[] {
    return this.#exports.names;
  }

  /**
   * What the endpoint is doing, at any time: its registers, vectors, discs, queues, and what these have
   * done. A look and not a snapshot: the root complex and the queues' workers go on meanwhile. Whatever is
   * on the bus, it does not throw.
   *
   * @example
   * ```ts
   * import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
   *
   * const bus = await createBus();
   * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
   * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
   * await endpoint.start();
   * const rc = await RootComplex.probe(bus);
   * const disk = await rc.attach("ram0", { numDescriptors: 256 });
   * await disk.write(new Uint8Array(4096), 0);
   *
   * const [ram0] = endpoint.inspect().discs;
   * console.log(ram0?.attached, ram0?.queues[0]?.placed?.numDescriptors); // true 256
   *
   * await rc.close();
   * console.log(endpoint.exported("ram0").queues[0]?.statistics.bytesWritten); // 4096
   * await endpoint.close();
   * ```
   */
  inspect(): EndpointReport {
    const bus = this.#bus;
    return {
      started: this.started,
      controller: this.controller.name,
      generation: this.#generation >>> 0,
      registers: inspectRegisters(bus),
      msix: this.started ? inspectMsix(bus) : [],
      discs: this.#exports.entries.map(([name, exported]) => inspectDisc(bus, name, exported)),
    };
  }

  /**
   * What is known of one export without a look at the bus.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC`
   */
  exported(name: string): DiscFacts {
    return factsOf(name, this.#exports.named(name));
  }

  /**
   * Exports a disc, at any time. The endpoint then owns the disc, and closes it when
   * it is exported no more.
   *
   * @param name - what the export is called here
   * @throws {@link BlockptError} `ERR_BLOCKPT_NAME` if the disc's name cannot stand in the
   * register; `ERR_BLOCKPT_EXISTS` if either name, or the disc itself, is exported already, or one of the
   * two discs is a partition of the other; `ERR_BLOCKPT_TOO_MANY_DISCS` for the 17th;
   * `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no disc, a disc in the memory of another bus, or more queues than the
   * disc bears
   */
  async exportDisc(name: string, disc: Disc, options: ExportOptions = {}): Promise<void> {
    this.#exports.add(name, disc, options);
  }

  /**
   * Changes how a disc is exported, or which; the rest stays as it was, and so does its place in the list.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC`; `ERR_BLOCKPT_BUSY` while a root complex is attached;
   * and as `exportDisc` does. Nothing is changed then
   */
  async changeExport(name: string, changes: ExportChanges): Promise<void> {
    this.#exports.change(name, changes);
  }

  /**
   * Exports a disc no more, and closes it.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC`; `ERR_BLOCKPT_BUSY` while a root complex is attached
   */
  async unexportDisc(name: string): Promise<void> {
    this.#exports.remove(name);
  }

  /**
   * Gives an exported disc another size, and tells the root complex that is attached (protocol,
   * section 5, RESIZE).
   *
   * @param sizeBytes - the new size, a multiple of the disc's blocks; without it, what the disc's file
   * or device has become
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC`; `ERR_BLOCKPT_DISC_SIZE` if it cannot have
   * that size
   */
  async resizeDisc(name: string, sizeBytes?: number | undefined): Promise<void> {
    const exported = this.#exports.named(name);
    if (sizeBytes !== undefined) checkDiscSize(name, sizeBytes, exported.disc.logicalBlockBytes);
    await exported.resize(this.#bus, sizeBytes);
  }

  /**
   * Has things go wrong on an exported disc on purpose, whatever disc that is: errors, delays, stalls, torn writes,
   * lost flushes, corrupt reads. At any time, also while a root complex is attached, and in place of all faults that
   * it had; counts start at 0. `exported(name).faults` tells what has come of them. While there are none they
   * cost nothing.
   *
   * @param faults - rules, or texts as `parseFault` takes them, at most 32; none has all go well again
   * @returns once every queue goes by them
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SUCH_DISC`; `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no rule.
   * Nothing is changed then
   *
   * @example
   * ```ts
   * import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
   *
   * const bus = await createBus();
   * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
   * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
   * await endpoint.start();
   * const rc = await RootComplex.probe(bus);
   * const disk = await rc.attach("ram0", { numDescriptors: 256 });
   *
   * await endpoint.setFaults("ram0", ["delay=5ms:flush", { kind: "error", status: "NOSPC", operations: ["write"], every: 3 }]);
   * const codes = [];
   * for (let sector = 0; sector < 6; sector++) {
   *   codes.push(await disk.write(new Uint8Array(512), sector * 512).then(() => 0, (error) => error.blkStatus));
   * }
   * console.log(codes.join()); // 0,0,3,0,0,3
   * console.log(endpoint.exported("ram0").faults[1]?.hits); // 2
   * await endpoint.setFaults("ram0", []);
   * await rc.close();
   * await endpoint.close();
   * ```
   */
  async setFaults(name: string, faults: readonly (FaultRule | string)[]): Promise<void> {
    const exported = this.#exports.named(name);
    exported.faults.replace(faults);
    await exported.changed();
  }

  /**
   * Has things go wrong between the endpoint and the root complex on purpose: interrupts that get lost or come for
   * nothing, an endpoint that is slow. At any time, and in place of all that went wrong before; counts start at 0.
   *
   * @param faults - `{}` has all go well again
   * @returns once every queue goes by them
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no such fault; nothing is changed then
   */
  async setLinkFaults(faults: LinkFaults): Promise<void> {
    this.#faultyLink.replace(faults);
    await Promise.all(this.#exports.all.map((exported) => exported.changed()));
  }

  /** What goes wrong between the endpoint and the root complex on purpose, and has. */
  get linkFaults(): LinkFaultsReport {
    return this.#faultyLink.report;
  }

  /**
   * Has the endpoint end as a process does that is killed: the threads of its queues are ended wherever they are,
   * commands are not answered, the heart stands still, and nothing is said on the bus of all that. The link
   * stays up for whoever looks, until another endpoint takes it over, after two seconds. This one is closed.
   *
   * @returns the discs that it exported, by the exports' names: they are open, and the caller's to export again or close
   * @throws {@link BlockptError} `ERR_BLOCKPT_STATE` if it is not started, or is being stopped
   *
   * @example
   * ```ts
   * import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
   *
   * const bus = await createBus();
   * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
   * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
   * await endpoint.start();
   * const rc = await RootComplex.probe(bus);
   * const disk = await rc.attach("ram0", { numDescriptors: 256 });
   *
   * const discs = await endpoint.kill();
   * const error = await disk.read(new Uint8Array(512), 0).catch((error) => error);
   * console.log(error.code); // ERR_BLOCKPT_OFFLINE
   *
   * const next = await Endpoint.create(bus, { controller: "44100000.pcie" });
   * for (const [name, disc] of discs) await next.exportDisc(name, disc);
   * await next.start();
   * await disk.whenOnline();
   * await disk.read(new Uint8Array(512), 0);
   * await rc.close();
   * await next.close();
   * ```
   */
  async kill(): Promise<ReadonlyMap<string, Disc>> {
    if (this.#commands === undefined || this.#stopping !== undefined) {
      throw new BlockptError("ERR_BLOCKPT_STATE", "the link is not up, or goes down");
    }
    this.#commands.abandon();
    this.#commands = undefined;
    this.#closed = true;
    clearInterval(this.#heart);
    this.#faultyLink.setUp(false);
    setEndpointHere(this.#bus.buffer, false);
    const exports = this.#exports.clear();
    await Promise.all(exports.map(([, exported]) => exported.kill()));
    return new Map(exports.map(([name, { disc }]) => [name, disc]));
  }

  /**
   * Brings the link up: from here on a root complex finds the endpoint. Keeps the
   * process alive until `stop`. Its thread shall not block for more than a second: a root complex that
   * hears no heartbeat for two takes it for dead. An endpoint whose thread has died without a `stop` is taken over
   * after two seconds without a heartbeat.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_STATE` if it is up, or another endpoint is on the bus
   */
  async start(): Promise<void> {
    const generation = this.#commands === undefined ? await this.#takeLink() : 0;
    if (this.#closed) {
      if (generation !== 0) this.#bus.owners.releaseLink();
      throw new BlockptError("ERR_BLOCKPT_STATE", "the endpoint was closed");
    }
    if (generation === 0) {
      const what = this.#commands === undefined ? "another endpoint has" : "the endpoint has";
      throw new BlockptError("ERR_BLOCKPT_STATE", `the link of the bus is up already: ${what} it`);
    }
    this.#generation = generation;
    this.#bus.msix.locate(this.#msix, this.#bus.bar.offset);
    this.#bus.msix.reset();
    writeRegisters(this.#bus, {
      generation,
      availableQsize: this.#descriptorSpace.length,
      numQueues: Math.max(1, ...this.#exports.all.map(({ queues }) => queues.length)),
    });
    const { configSpace, bar } = this.#bus;
    configSpace.linkUp(this.#identity, bar.offset, this.#msix, this.msiInterrupts);
    const surroundings = this.#surroundings;
    this.#commands = new CommandHandler(this.#bus.barView(), {
      listDevices: () => this.#exports.all,
      start: (exported) => exported.start(surroundings, this.#queueStopped),
      stop: (exported) => exported.stop(),
      descriptorSpace: this.#descriptorSpace,
      vectors: this.msixInterrupts,
      isCurrent: () => this.#isCurrent(),
      recorder: this.#recorder,
      commandDelayMs: () => this.#faultyLink.commandDelayMs,
      log: (line) => this.#say(line),
    });
    setEndpointHere(this.#bus.buffer, true);
    this.#faultyLink.setUp(true);
    this.#heart = setInterval(() => {
      if (!this.#isCurrent()) return;
      // A root complex that wrote to it would take the endpoint for another one.
      Atomics.store(registersOf(this.#bus), Register.generation / 4, generation);
      Atomics.add(registersOf(this.#bus), Register.heartbeat / 4, 1);
    }, HEARTBEAT_MS);
  }

  /**
   * Takes the link down: what is outstanding is finished, then the endpoint is seen no
   * more. The exports stay.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_STATE` if it is not up
   */
  async stop(): Promise<void> {
    if (this.#commands === undefined) {
      throw new BlockptError("ERR_BLOCKPT_STATE", "the link is not up");
    }
    this.#stopping ??= this.#stop(this.#commands).finally(() => {
      this.#stopping = undefined;
    });
    await this.#stopping;
  }

  async #stop(commands: CommandHandler): Promise<void> {
    await commands.stop();
    const exported = this.#exports.all;
    await Promise.all(exported.map((each) => each.drain()));
    if (exported.some((each) => each.started)) {
      await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    }
    clearInterval(this.#heart);
    this.#faultyLink.setUp(false);
    setEndpointHere(this.#bus.buffer, false);
    const isCurrent = this.#isCurrent();
    // First: who learns that a queue was left shall not look for the endpoint.
    if (isCurrent) this.#bus.barView().setUint32(Register.magic, 0, true);
    for (const each of exported) each.leave(this.#surroundings);
    if (isCurrent) {
      this.#bus.configSpace.linkDown();
      this.#bus.owners.releaseLink();
    }
    this.#commands = undefined;
  }

  /** Stops, if it is started, and closes every exported disc; the endpoint is of no more use. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.started) await this.stop();
    for (const [, { disc }] of this.#exports.clear()) disc.close();
  }

  get #surroundings(): QueueSurroundings {
    const trace = this.#trace?.handle;
    const linkFaults = this.#faultyLink.buffer;
    return {
      bus: this.#bus,
      msix: this.#msix,
      generation: this.#generation,
      trace,
      linkFaults,
      queueWorker: this.#queueWorker,
    };
  }

  /** Raises the vector of each queue that is served; says of how many. */
  #raiseAll(): number {
    const queues = this.#exports.all
      .filter(({ started }) => started)
      .flatMap((exported) => exported.queues);
    return this.#isCurrent() ? queues.filter((queue) => queue.raise(this.#bus)).length : 0;
  }

  /** Whether no other endpoint has taken the bus over. */
  #isCurrent(): boolean {
    return this.#bus.owners.generation === this.#generation;
  }

  #takeLink(): Promise<number> {
    return takeLink(this.#bus, () =>
      this.#say("the endpoint that had the link is gone, and is taken over"),
    );
  }

  #say(line: string): void {
    callBack(this.#log, `pci_epf_blockpt: ${line}`);
  }

  readonly #queueStopped: ReportQueueStopped = (report) => {
    this.#recorder?.stopped(report.discName, report.queue, report.reason);
    this.#say(`${report.discName}: queue ${report.queue} stopped: ${report.reason}`);
    callBack(this.#onQueueStopped, report);
  };
}

/** The smallest BAR for so many vectors: a power of two. */
function leastBarBytes(vectors: number): number {
  const msix = Msix.bytes(vectors);
  const used = REGISTERS_BYTES + msix.table + msix.pending + queueLayout(MIN_DESCRIPTORS).bytes;
  return 2 ** Math.ceil(Math.log2(used));
}
