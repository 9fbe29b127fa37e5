// The recorded root complex once more, against a real endpoint: its commands, and its requests with as many in flight as
// there were.

import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Bus,
  createBus,
  type Disc,
  Endpoint,
  type EngineChoice,
  FileDisc,
  MemoryDisc,
  openDiscNamed,
  type TraceCommand,
  type TraceDescriptor,
  type TraceHeader,
  type TraceScript,
  type TraceScriptDisc,
} from "blockpt";
import { bitNames, Command, Feature, Operation, type Registers, Status } from "blockpt/abi";
import type { Cleanup } from "../cleanup.js";
import { CliError } from "../failure.js";
import { Outcome } from "./outcome.js";
import { Pace, settle, type Timing } from "./pace.js";
import { lastComponent } from "./read.js";
import { ReplayDriver } from "./replay-driver.js";

export interface ReplayOptions {
  readonly engine: EngineChoice | undefined;
  readonly timing: Timing;
  readonly seed: number;
  /** Paths by the last component of a disc's name. */
  readonly discs: ReadonlyMap<string, string>;
}

/** Most bytes of all memory discs together. */
const MOST_MEMORY_BYTES = 2 ** 30;
const MEMORY_UNIT = 65536;

export async function replayRootComplex(
  header: TraceHeader,
  script: TraceScript,
  options: ReplayOptions,
  cleanup: Cleanup,
): Promise<Outcome> {
  const bus = await busFor(header, script, options.engine);
  const endpoint = await Endpoint.create(bus, {
    controller: "44100000.pcie",
    msixInterrupts: script.vectors,
  });
  cleanup.add(() => endpoint.close());
  for (const disc of script.discs) {
    const opened = await openDisc(bus, disc, options.discs, cleanup);
    const { name: discName, queues, readOnly } = disc;
    await endpoint.exportDisc(discName, opened, { discName, queues, readOnly });
  }
  await endpoint.start();
  bus.iommu?.map(bus.hostMemory.offset, bus.hostMemory.length);
  return new Replay(bus, header, script, options).run();
}

class Replay {
  readonly #bus: Bus;
  readonly #header: TraceHeader;
  readonly #script: TraceScript;
  readonly #options: ReplayOptions;
  readonly #outcome = new Outcome();
  readonly #driver: ReplayDriver;
  /** How many requests of a queue had not ended when a record was made. */
  readonly #recorded = new Map<string, number>();
  #devices: string[] = [];

  constructor(bus: Bus, header: TraceHeader, script: TraceScript, options: ReplayOptions) {
    this.#bus = bus;
    this.#header = header;
    this.#script = script;
    this.#options = options;
    this.#driver = new ReplayDriver(bus, (request, status) => {
      this.#outcome.compareRequest(request, script.ends.get(request), status);
    });
  }

  async run(): Promise<Outcome> {
    const { steps } = this.#script;
    const pace = new Pace(this.#options.timing, steps[0]?.timeUs ?? 0);
    for (const step of steps) {
      if (step.event !== "completion") await pace.reach(step.timeUs);
      const queue = "queue" in step ? `${step.disc} ${step.queue}` : "";
      const inFlight = this.#recorded.get(queue) ?? 0;
      if (step.event === "command") {
        await this.#command(step);
      } else if (step.event === "descriptor") {
        await this.#request(step, inFlight);
        this.#recorded.set(queue, inFlight + 1);
      } else {
        this.#recorded.set(queue, Math.max(0, inFlight - 1));
      }
    }
    await this.#settleAll();
    return this.#outcome;
  }

  async #command(step: TraceCommand): Promise<void> {
    await this.#settleAll();
    const { commandBits, arguments: args } = step;
    const disc = this.#devices[args.devIdx] ?? "";
    const recorded = this.#script.answers.get(step);
    const isRefused = recorded !== undefined && recorded.status !== "SUCCESS";
    const registers = await this.#driver.command(commandBits, args, disc, isRefused);
    this.#outcome.commands++;
    if (registers !== undefined && (commandBits & Command.GET_DEVICES) !== 0) {
      this.#devices = registers.devName.split(";").slice(0, -1);
    }
    if (recorded === undefined) return;
    const what = step.command.join(" + ");
    const status = registers === undefined ? "NONE" : bitNames(Status, registers.status).join("+");
    this.#outcome.compare(step.timeUs, what, recorded.status, status);
    if (registers === undefined || recorded.status !== "SUCCESS" || status !== "SUCCESS") return;
    const { numSectors, perm } = recorded.values;
    this.#compareValue(step, Command.NUM_SECTORS, "num_sectors", numSectors, registers);
    this.#compareValue(step, Command.GET_PERMISSION, "perm", perm, registers);
  }

  #compareValue(
    { commandBits, timeUs, command }: TraceCommand,
    bit: number,
    name: "num_sectors" | "perm",
    recorded: number | string,
    registers: Registers,
  ): void {
    if ((commandBits & bit) === 0) return;
    const value = name === "perm" ? registers.perm : registers.numSectors;
    const what = command.join(" + ");
    this.#outcome.compare(timeUs, what, `${name} ${recorded}`, `${name} ${value}`);
  }

  /** Puts a request once no more are in flight than there were. */
  async #request(step: TraceDescriptor, inFlight: number): Promise<void> {
    const { disc, queue } = step;
    const driver = this.#driver;
    await settle(
      () => driver.reap(),
      () => driver.outstanding(disc, queue) <= inFlight && driver.hasRoom(disc, queue),
    );
    const address = this.#addressOf(step);
    if (driver.hasRoom(disc, queue) && driver.put(step, address)) return;
    this.#outcome.compareRequest(step, this.#script.ends.get(step), undefined);
  }

  /** Where the data is here, where it was in host memory; and for a write, the data. */
  #addressOf({ address: recorded, lenBytes, opf, startSector }: TraceDescriptor): bigint {
    const { offset, length } = this.#header.hostMemory;
    const within = BigInt(recorded) - BigInt(offset);
    if (within < 0n || within + BigInt(lenBytes) > BigInt(length)) return BigInt(recorded);
    const address = this.#bus.hostMemory.offset + Number(within);
    if (opf === Operation.WRITE) {
      const words = new Uint32Array(this.#bus.buffer, address & ~3, lenBytes >>> 2);
      let state = (this.#options.seed ^ Number(BigInt(startSector) & 0xffff_ffffn)) >>> 0;
      for (let word = 0; word < words.length; word++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        words[word] = state;
      }
    }
    return BigInt(address);
  }

  /** Waits for all answers that had come; what was never answered is left. */
  async #settleAll(): Promise<void> {
    const inFlight = [...this.#recorded.values()].reduce((sum, each) => sum + each, 0);
    await settle(
      () => this.#driver.reap(),
      () => this.#driver.outstanding() <= inFlight,
    );
  }
}

/** A bus as it was, so that a recorded address means the same, with room for the discs. */
function busFor(
  header: TraceHeader,
  script: TraceScript,
  engine: EngineChoice | undefined,
): Promise<Bus> {
  const units = script.discs.map(({ sizeBytes }) => Math.ceil(sizeBytes / MEMORY_UNIT) + 1);
  const wanted = units.reduce((sum, each) => sum + each, 0) * MEMORY_UNIT;
  return createBus({
    engine,
    hostMemoryBytes: header.hostMemory.length,
    barBytes: header.bar.length,
    endpointMemoryBytes: Math.max(header.endpointMemoryBytes, Math.min(wanted, MOST_MEMORY_BYTES)),
    iommu: header.iommu,
  });
}

/** The disc that is given for it; else one of its size: in memory, or if it was a file a file with holes alone. */
async function openDisc(
  bus: Bus,
  { name, sizeBytes, features }: TraceScriptDisc,
  given: ReadonlyMap<string, string>,
  cleanup: Cleanup,
): Promise<Disc> {
  const path = given.get(lastComponent(name));
  if (path !== undefined) return openDiscNamed(bus, path);
  const isFile = (features & Feature.RESIZE) !== 0;
  if (!isFile && sizeBytes <= MOST_MEMORY_BYTES) return MemoryDisc.create(bus, sizeBytes);
  const folder = mkdtempSync(join(tmpdir(), "blockpt-replay-"));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "disc.img");
  try {
    writeFileSync(file, "");
    truncateSync(file, sizeBytes);
  } catch (error) {
    const message = `${name} has ${sizeBytes} bytes, more than a file can be here: give --disc ${lastComponent(name)}=PATH`;
    throw new CliError({ code: "ERR_TRACE_REPLAY", message: `${message} (${String(error)})` });
  }
  return FileDisc.open(file);
}
