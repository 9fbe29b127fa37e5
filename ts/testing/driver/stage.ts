// The stage of a hostile driver: an endpoint's discs with a queue each, of which one is attacked, and all that must
// not be harmed by it. What lies where in host memory, in pages of 4096 bytes:
//
//   0         nothing, and not mapped where there is an IOMMU
//   1 … 8     data of the queue that is attacked
//   9         as page 0
//   10 … 17   data of the other queues
//   18        the words that interrupts write
//   last      data, too: addresses up to the end of host memory are attacked

import { Buffer } from "node:buffer";
import {
  Command,
  Feature,
  Permission,
  REGISTERS_BYTES,
  Register,
  Status,
} from "../../abi/layout.js";
import { roundUp } from "../../abi/queue-layout.js";
import type { BusRange } from "../../engine/engine.js";
import { HOST_PAGE_BYTES } from "../../engine/records.js";
import { BlockptError } from "../../errors.js";
import { complaintOf, type Stage } from "../attack.js";
import { Canary } from "../canary.js";
import { Seeded } from "../seeded.js";
import { Tamperer } from "../tamperer.js";
import { statusName } from "./outcomes.js";
import type { RawArguments, RawDriver } from "./raw-driver.js";
import type { RawQueue } from "./raw-queue.js";

/** A disc that the endpoint exports, as it says. */
export interface ExaminedDisc {
  readonly devIdx: number;
  readonly name: string;
  readonly sectors: bigint;
  readonly readOnly: boolean;
  readonly queues: number;
  readonly features: number;
}

/** A disc with a queue that is started. */
interface ServedDisc {
  readonly disc: ExaminedDisc;
  readonly queue: RawQueue;
  /** Where its data is moved to. */
  readonly data: BusRange;
  /** What it holds; undefined until it was read. */
  contents: Uint8Array | undefined;
}

/** What a stage is made with. */
export interface StageOptions {
  disc: string | undefined;
  watched: readonly BusRange[];
  rounds: number;
}

const PAGE = HOST_PAGE_BYTES;
const DATA_PAGES = 8;
const LEAST_HOST_BYTES = 32 * PAGE;
/** Attacks that write may change so many sectors at the start of the attacked disc. */
const SCRATCH_SECTORS = 16;
/** What is watched at each end of host memory, and read at each end of a disc. */
const WATCHED_HOST_BYTES = 2 * 1024 * 1024;
const WATCHED_DISC_SECTORS = 128n;
const NUM_DESCRIPTORS = 16;

export class DriverStage implements Stage {
  readonly driver: RawDriver;
  readonly tamperer: Tamperer;
  readonly rounds: number;
  readonly #options: StageOptions;
  readonly #chance: Seeded;
  #served: ServedDisc[] = [];
  #canary: Canary | undefined;
  #allowed: BusRange[] = [];
  #isSpoilt = false;
  #isReady = false;

  constructor(driver: RawDriver, seed: number, options: StageOptions) {
    const { length } = driver.bus.hostMemory;
    if (length < LEAST_HOST_BYTES) {
      const why = `attacks take ${LEAST_HOST_BYTES} bytes of host memory, the bus has ${length}: raise hostMemoryBytes`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    this.driver = driver;
    this.rounds = options.rounds;
    this.#options = options;
    this.#chance = new Seeded(seed);
    this.tamperer = new Tamperer(driver.bus, seed);
  }

  /** The disc that is attacked. */
  get disc(): ExaminedDisc {
    return this.#attacked.disc;
  }
  /** Its queue, which is set, started and idle when an attack begins. */
  get queue(): RawQueue {
    return this.#attacked.queue;
  }
  /** Where in host memory its data may be. */
  get data(): BusRange {
    return this.#attacked.data;
  }
  /** The queue of a disc that may not be written, if there is one. */
  get readOnly(): RawQueue | undefined {
    return this.#served.find(({ disc }) => disc.readOnly)?.queue;
  }
  /** The queue of a disc that is not attacked, if there is one. */
  get bystander(): RawQueue | undefined {
    return this.#served[1]?.queue;
  }
  /** The bytes of the queues that are not attacked. */
  get otherQueues(): BusRange[] {
    return this.#served.slice(1).map(({ queue }) => queue.range);
  }
  /** How many discs the endpoint lists. */
  deviceCount = 0;
  /** How many MSI-X vectors there are. */
  get vectors(): number {
    return this.driver.bus.configSpace.read()?.msix?.vectors ?? 0;
  }
  /** Host memory that is not mapped where there is an IOMMU: the page before the data, and the one behind it. */
  get unmapped(): { before: number; behind: number } {
    const { offset, length } = this.data;
    return { before: offset - PAGE, behind: offset + length };
  }
  /** What SET_QUEUE, SET_IRQ and START of the attacked queue read, told truly. */
  get arguments(): RawArguments {
    return { ...this.queue.arguments, irq: 1 };
  }
  /** The word that the vector of the attacked queue writes. */
  get interruptWord(): number {
    return this.driver.bus.hostMemory.offset + 18 * PAGE;
  }

  /** The attack leaves the queue in a state of its own: it is set anew before the next. */
  spoil(): void {
    this.#isSpoilt = true;
  }

  /** This, too, may be written by what the attack asks for. */
  allow(range: BusRange): void {
    this.#allowed.push(range);
  }

  /** What is there now must stay: for an attack that has written itself where nobody may. */
  watch(): void {
    this.#canary?.look();
  }

  async prepare(): Promise<void> {
    if (!this.#isReady) await this.#survey();
    if (this.#isSpoilt) await this.restart();
    this.#isReady = true;
    this.#allowed = [];
    this.watch();
  }

  /** Stops the attacked disc, and starts it with its queue. */
  async restart(): Promise<void> {
    await this.driver.command(Command.STOP, this.arguments);
    this.driver.writeMsixEntry(1, this.#entry(1));
    await this.#start(this.#attacked);
    this.#isSpoilt = false;
  }

  async lookOver({ writes: mayWrite }: { writes?: boolean }): Promise<string[]> {
    const changed = this.#canary?.changed(this.#mayChange()) ?? [];
    const harm = changed.map((at) => `wrote at ${this.#place(at)}`);
    try {
      if (this.#isSpoilt) await this.restart();
      for (const served of this.#served) {
        const { name } = served.disc;
        const before = served.contents;
        const now = await this.#read(served);
        served.contents = now;
        const scratch = mayWrite && served === this.#attacked ? SCRATCH_SECTORS * 512 : 0;
        const differs = now.findIndex((byte, at) => at >= scratch && byte !== before?.[at]);
        if (differs >= 0) harm.push(`${name} was changed at byte ${differs} of what is watched`);
      }
    } catch (error) {
      harm.push(`afterwards: ${complaintOf(error)}`);
    }
    // What is harmed would be found again and again.
    if (harm.length > 0) this.#isReady = false;
    return harm;
  }

  async close(): Promise<void> {
    await this.tamperer.close();
    for (const { disc } of this.#served) {
      await this.driver.command(Command.STOP, { devIdx: disc.devIdx });
    }
    this.driver.write("extEnabled", 0);
    if (this.#canary !== undefined)
      this.#map((iommu, range) => iommu.unmap(range.offset, range.length));
  }

  get #attacked(): ServedDisc {
    const [attacked] = this.#served;
    if (attacked === undefined) throw new BlockptError("ERR_BLOCKPT_STATE", "nothing was prepared");
    return attacked;
  }

  /** Sees what there is, and takes hold of it: one disc to attack, and two that must not suffer. */
  async #survey(): Promise<void> {
    const { driver } = this;
    const isFirst = this.#canary === undefined;
    const discs = await this.#examine();
    this.deviceCount = discs.length;
    const { disc: wanted } = this.#options;
    const attacked = discs.find(({ name, readOnly }) => (wanted ?? name) === name && !readOnly);
    if (attacked === undefined) {
      const names = discs.map(({ name }) => name).join(", ");
      const why = `no disc ${wanted ?? ""} that may be written: ${names || "none"} are there`;
      throw new BlockptError("ERR_BLOCKPT_NO_SUCH_DISC", why);
    }
    const others = discs.filter((disc) => disc !== attacked);
    const bystander = others.find(({ readOnly }) => !readOnly);
    const readOnly = others.find((disc) => disc.readOnly);
    if (isFirst) this.#layOut();
    driver.write("extEnabled", this.#extension);
    this.#served = [attacked, bystander, readOnly]
      .filter((disc) => disc !== undefined)
      .map((disc, index) => this.#open(disc, index));
    for (const served of this.#served) await this.#start(served);
    this.#isSpoilt = false;
    for (const served of this.#served) served.contents = await this.#read(served);
    this.#canary ??= new Canary(driver.bus.buffer, this.#watchedRanges());
  }

  async #examine(): Promise<ExaminedDisc[]> {
    const { driver } = this;
    const names = await driver.devices();
    const discs: ExaminedDisc[] = [];
    for (const [devIdx, name] of names.entries()) {
      await driver.command(Command.STOP, { devIdx });
      await driver.command(Command.NUM_SECTORS | Command.GET_PERMISSION, { devIdx });
      const { numSectors, numQueues, perm, extension } = driver.registers;
      discs.push({
        devIdx,
        name,
        sectors: numSectors,
        readOnly: (perm & Permission.READ_ONLY) !== 0,
        queues: numQueues,
        features: extension?.extFeatures ?? 0,
      });
    }
    return discs;
  }

  /** What of section 5 is used: doorbells, so that a queue that is stopped says so. */
  get #extension(): number {
    return this.driver.registers.extension === undefined ? 0 : Feature.DOORBELL;
  }

  #open(disc: ExaminedDisc, index: number): ServedDisc {
    const first = index === 0 ? 1 : 10;
    const data = {
      offset: this.driver.bus.hostMemory.offset + first * PAGE,
      length: DATA_PAGES * PAGE,
    };
    const doorbell = this.#extension !== 0;
    const bytes = roundUp(this.driver.openQueue({ doorbell, queueOffset: 0 }).layout.bytes, 64);
    const queue = this.driver.openQueue({
      devIdx: disc.devIdx,
      numDescriptors: NUM_DESCRIPTORS,
      queueOffset: index * bytes,
      doorbell,
    });
    return { disc, queue, data, contents: undefined };
  }

  async #start({ disc, queue }: ServedDisc): Promise<void> {
    queue.clear();
    const irq = this.#served.findIndex((served) => served.queue === queue) + 1;
    const bits = Command.SET_IRQ | Command.SET_QUEUE | Command.START;
    const status = await this.driver.command(bits, { ...queue.arguments, irq: Math.max(irq, 1) });
    if (status !== Status.SUCCESS) {
      const why = `${disc.name} cannot be started: ${statusName(status)}`;
      throw new BlockptError("ERR_BLOCKPT_COMMAND", why);
    }
  }

  /** Bytes by chance where nobody may write, so that zeros that are written are seen; vectors that are sent. */
  #layOut(): void {
    const { driver } = this;
    for (const range of [...this.#hostEnds(), driver.descriptorSpace]) {
      this.#chance.fill(new Uint8Array(driver.bus.buffer, range.offset, range.length));
    }
    for (let irq = 1; irq <= Math.min(3, this.vectors); irq++) {
      driver.writeMsixEntry(irq, this.#entry(irq));
    }
    this.#map((iommu, range) => iommu.map(range.offset, range.length));
  }

  #entry(irq: number): { addressLow: number; addressHigh: number; data: number; control: number } {
    return {
      addressLow: this.interruptWord + (irq - 1) * 64,
      addressHigh: 0,
      data: irq,
      control: 0,
    };
  }

  #map(change: (iommu: NonNullable<RawDriver["bus"]["iommu"]>, range: BusRange) => void): void {
    const { iommu, hostMemory } = this.driver.bus;
    if (iommu === undefined) return;
    const page = (first: number, count: number): BusRange => {
      return { offset: hostMemory.offset + first * PAGE, length: count * PAGE };
    };
    const last = hostMemory.length / PAGE - 1;
    for (const range of [page(1, DATA_PAGES), page(10, DATA_PAGES), page(18, 1), page(last, 1)]) {
      change(iommu, range);
    }
  }

  /** Reads what is watched of a disc: all of it, or both ends. */
  async #read({ disc, queue, data }: ServedDisc): Promise<Uint8Array> {
    const ends =
      disc.sectors <= 2n * WATCHED_DISC_SECTORS
        ? [[0n, disc.sectors] as const]
        : ([
            [0n, WATCHED_DISC_SECTORS],
            [disc.sectors - WATCHED_DISC_SECTORS, disc.sectors],
          ] as const);
    const most = BigInt(data.length / 512);
    const parts: Uint8Array[] = [];
    for (const [first, end] of ends) {
      for (let sector = first; sector < end; sector += most) {
        const lenBytes = Number(end - sector < most ? end - sector : most) * 512;
        const request = { startSector: sector, address: BigInt(data.offset), lenBytes };
        const status = await queue.submit(queue.driverPosition, queue.read(request));
        if (status !== 0) throw new Error(`${disc.name} cannot be read at ${sector}: ${status}`);
        parts.push(new Uint8Array(this.driver.bus.buffer, data.offset, lenBytes).slice());
      }
    }
    return Buffer.concat(parts);
  }

  #hostEnds(): BusRange[] {
    const { offset, length } = this.driver.bus.hostMemory;
    if (length <= 2 * WATCHED_HOST_BYTES) return [{ offset, length }];
    return [
      { offset, length: WATCHED_HOST_BYTES },
      { offset: offset + length - WATCHED_HOST_BYTES, length: WATCHED_HOST_BYTES },
    ];
  }

  /** The BAR but for registers that are written in the course of things, host memory, and what the user says. */
  #watchedRanges(): BusRange[] {
    const { bus } = this.driver;
    const registers = [
      [Register.magic, 4],
      [Register.queueBarOffset, 4],
      [Register.maxDevs, 4],
      [Register.availableQsize, 4],
      [Register.extMagic, 8],
      [Register.maxLen + 4, REGISTERS_BYTES - Register.maxLen - 4],
    ] as const;
    const { offset } = this.driver.descriptorSpace;
    return [
      ...registers.map(([at, bytes]) => ({ offset: bus.bar.offset + at, length: bytes })),
      { offset, length: bus.bar.offset + bus.bar.length - offset },
      ...this.#hostEnds(),
      ...this.#options.watched,
    ];
  }

  /** What an attack on the queue may change: its own bytes, its data, interrupts, and where others sleep. */
  #mayChange(): BusRange[] {
    const { bus, descriptorSpace } = this.driver;
    const table = descriptorSpace.offset + descriptorSpace.length + this.vectors * 16;
    return [
      ...this.#allowed,
      this.queue.range,
      this.data,
      { offset: table, length: bus.bar.offset + bus.bar.length - table },
      { offset: this.interruptWord, length: 3 * 64 },
      ...this.#served.map(({ queue }) => {
        const { doorbellOffset = queue.layout.bytes } = queue.layout;
        const offset = queue.range.offset + doorbellOffset;
        return { offset, length: queue.layout.bytes - doorbellOffset };
      }),
    ];
  }

  #place(at: number): string {
    const { bar, hostMemory } = this.driver.bus;
    const offsetIn = ({ offset, length }: BusRange): string | undefined =>
      at >= offset && at < offset + length ? `0x${(at - offset).toString(16)}` : undefined;
    const [inBar, inHost] = [offsetIn(bar), offsetIn(hostMemory)];
    if (inBar !== undefined) return `${inBar} of the BAR`;
    return inHost === undefined ? `0x${at.toString(16)}` : `${inHost} of host memory`;
  }
}
