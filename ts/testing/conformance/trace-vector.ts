// A recorded session as a vector: what the root complex's side did, as steps, and what it was answered as what is due.

import {
  BlkStatus,
  Command,
  DescriptorFlag,
  Feature,
  Operation,
  SECTOR_BYTES,
  Status,
} from "../../abi/layout.js";
import { bitNames, nameOf } from "../../abi/names.js";
import { BlockptError } from "../../errors.js";
import { type TraceScript, type TraceScriptDisc, traceScript } from "../../trace/script.js";
import type { TraceContents } from "../../trace/trace-file.js";
import type { TraceCommand, TraceCompletion, TraceDescriptor } from "../../trace/trace-record.js";
import type { Amount } from "./amount.js";
import type {
  CommandStep,
  CompletionsStep,
  ConformanceVector,
  ListedDisc,
  OpenStep,
  Step,
} from "./vector.js";

/** What a vector of a trace is called. */
export interface VectorOfTraceOptions {
  /** What its clause calls the trace, as the name of its file. Default `a trace`. */
  name?: string | undefined;
}

/** Beyond this no disc ends and no host memory: what lies there is said outright. */
const FAR = 2n ** 53n;
const OF_A_QUEUE = Command.SET_QUEUE | Command.SET_IRQ;

/** What an operation is of section 5, where it is. */
const FEATURE_OF: ReadonlyMap<number, number> = new Map([
  [Operation.FLUSH, Feature.FLUSH],
  [Operation.DISCARD, Feature.DISCARD],
  [Operation.WRITE_ZEROES, Feature.WRITE_ZEROES],
]);

/**
 * A recorded session as a vector for {@link checkConformance}: commands and requests as the root complex's side gave
 * them, malformed ones too, with their statuses as what is due, in whatever order requests end. The trace's discs are
 * the endpoint's in the order of GET_DEVICES; where those are fewer or smaller the vector is skipped. Data are not recorded, and so not
 * compared; a request without a recorded end is left out. Data of a disc that may be written is overwritten.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` if records were lost, there is no GET_DEVICES or not the SET_QUEUE of a
 * queue that is used, or a disc that changed its size or its place meanwhile
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, readTraceFile, RootComplex, Trace, TraceFile } from "blockpt";
 * import { checkConformance, vectorOfTrace } from "blockpt/testing";
 *
 * const bus = await createBus();
 * const trace = new Trace();
 * const file = TraceFile.create("session.trace", trace, bus);
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus, { trace });
 * await (await rc.attach("ram0")).read(new Uint8Array(512), 0);
 * await rc.close();
 * file.close();
 *
 * const vector = vectorOfTrace(readTraceFile("session.trace"), { name: "session.trace" });
 * const [report] = await checkConformance(bus, { vectors: [vector] });
 * console.log(report?.outcome); // passed
 * await endpoint.close();
 * ```
 */
export function vectorOfTrace(
  contents: TraceContents,
  options: VectorOfTraceOptions = {},
): ConformanceVector {
  const { name = "a trace" } = options;
  const script = traceScript(contents);
  if (script.lost > 0) {
    throw refused(name, `${script.lost} records were lost: record it again, with more records`);
  }
  if (script.discs.length === 0) throw refused(name, "it has no GET_DEVICES that was answered");
  const changed = script.discs.find(({ hasChanged }) => hasChanged);
  if (changed !== undefined) {
    throw refused(name, `${changed.name} changed its size or its place in the list meanwhile`);
  }
  return new Writing(name, contents, script).vector();
}

function refused(name: string, why: string): BlockptError {
  return new BlockptError("ERR_BLOCKPT_TRACE_FILE", `${name} makes no vector: ${why}`);
}

/** Steps while they are made of a script. */
class Writing {
  readonly #name: string;
  readonly #contents: TraceContents;
  readonly #script: TraceScript;
  readonly #steps: Step[] = [];
  readonly #needs: Needs;
  /** Descriptors of the queues that were placed. */
  readonly #open = new Map<string, number>();
  readonly #requestOf: ReadonlyMap<TraceCompletion, TraceDescriptor>;
  #commands = 0;
  #requests = 0;

  constructor(name: string, contents: TraceContents, script: TraceScript) {
    this.#name = name;
    this.#contents = contents;
    this.#script = script;
    this.#needs = new Needs(script.discs);
    this.#requestOf = new Map([...script.ends].map(([request, end]) => [end, request]));
  }

  vector(): ConformanceVector {
    for (const step of this.#script.steps) {
      if (step.event === "command") this.#command(step);
      else if (step.event === "descriptor") this.#request(step);
      else this.#end(step);
    }
    const { list, spaceBytes, hostBytes } = this.#needs;
    return {
      section: "recorded",
      clause: `${this.#name}: ${this.#commands} commands and ${this.#requests} requests are answered as they were.`,
      disc: 0,
      list,
      room: { spaceBytes, hostBytes, vectors: this.#script.vectors },
      steps: this.#steps,
    };
  }

  #command(command: TraceCommand): void {
    this.#commands++;
    const { commandBits, arguments: args } = command;
    const answer = this.#script.answers.get(command);
    const places = (commandBits & Command.SET_QUEUE) !== 0 && answer?.status === "SUCCESS";
    const queue = places ? `${args.devIdx}.${args.qidx}` : undefined;
    if (places) this.#place(command);
    const isListed = args.devIdx < this.#script.discs.length;
    const { qidx, irq, queueOffset, drvOffset, devOffset, numDesc, qsize, extEnabled } = args;
    const where = { queueOffset, drvOffset, devOffset, numDesc, qsize };
    const told = {
      ...(isListed ? {} : { devIdx: args.devIdx }),
      ...((commandBits & OF_A_QUEUE) === 0 ? {} : { qidx, irq }),
      ...((commandBits & Command.SET_QUEUE) === 0 || places ? {} : where),
      extEnabled,
    };
    this.#steps.push({
      command: commandOf(commandBits),
      ...(queue === undefined ? { disc: isListed ? args.devIdx : 0 } : { queue }),
      with: told,
      status: statusOf(answer?.statusBits ?? 0),
    });
  }

  #place({ arguments: args }: TraceCommand): void {
    const { devIdx, qidx, queueOffset, numDesc, drvOffset, devOffset, qsize, extEnabled } = args;
    const name = `${devIdx}.${qidx}`;
    const open: OpenStep["open"] = {
      ...{ name, disc: devIdx, qidx, numDescriptors: numDesc, queueOffset },
      doorbell: (extEnabled & Feature.DOORBELL) !== 0,
      place: { drvOffset, devOffset, qsize },
    };
    this.#steps.push({ open });
    this.#open.set(name, numDesc);
    this.#needs.queue(devIdx, qidx, queueOffset + qsize);
  }

  #request(request: TraceDescriptor): void {
    const end = this.#script.ends.get(request);
    if (end === undefined) return;
    this.#requests++;
    const devIdx = this.#script.discs.findIndex(({ name }) => name === request.disc);
    const { index, opf, lenBytes, flagBits: flags } = request;
    const queue = `${devIdx}.${request.queue}`;
    if (index >= (this.#open.get(queue) ?? 0)) {
      const why = `descriptor ${index} of ${request.disc} queue ${request.queue} is on no queue that was set: record from the start`;
      throw refused(this.#name, why);
    }
    this.#needs.request(devIdx, request, end);
    const operation = nameOf(Operation, opf) ?? opf;
    const descriptor = {
      ...{ index, queue, operation },
      startSector: this.#sectorOf(devIdx, request),
      ...{ lenBytes, address: this.#addressOf(request), flags },
    };
    const before = this.#steps.at(-1);
    // Those that follow each other are published at once.
    if (before !== undefined && "push" in before && before.queue === queue) {
      this.#steps.splice(-1, 1, { descriptor }, { push: [...before.push, index], queue });
    } else {
      this.#steps.push({ descriptor }, { push: [index], queue });
    }
  }

  #end(end: TraceCompletion): void {
    const request = this.#requestOf.get(end);
    if (request === undefined) return;
    const devIdx = this.#script.discs.findIndex(({ name }) => name === end.disc);
    const queue = `${devIdx}.${end.queue}`;
    const completions = { [end.index]: this.#dueOf(end) };
    const before = this.#steps.at(-1);
    const joins = before !== undefined && "completions" in before && before.queue === queue;
    const all = joins ? { ...before.completions, ...completions } : completions;
    if (joins) this.#steps.pop();
    this.#steps.push({ completions: all, queue, others: true });
  }

  /** What an IOMMU let through is not recorded. */
  #dueOf({ status, blkStatus }: TraceCompletion): CompletionsStep["completions"][number] {
    const isKnown = Object.hasOwn(BlkStatus, status);
    const hangsOnMap = this.#contents.header.iommu && blkStatus === BlkStatus.INVAL;
    return isKnown && !hangsOnMap ? (status as keyof typeof BlkStatus) : "*";
  }

  /** From the disc's end, where it reaches beyond that. */
  #sectorOf(devIdx: number, { startSector, lenBytes }: TraceDescriptor): Amount {
    const { sizeBytes } = this.#script.discs[devIdx] as TraceScriptDisc;
    const sectors = BigInt(sizeBytes / SECTOR_BYTES);
    const start = BigInt(startSector);
    const end = start + BigInt(Math.ceil(lenBytes / SECTOR_BYTES));
    return end <= sectors || start >= FAR
      ? startSector
      : sumOf(`sectors.${devIdx}`, start - sectors);
  }

  /** From where host memory starts, or from its end where it reaches beyond that. */
  #addressOf({ address: recorded, lenBytes }: TraceDescriptor): Amount {
    const { offset, length } = this.#contents.header.hostMemory;
    const address = BigInt(recorded);
    if (address >= FAR) return recorded;
    const within = address - BigInt(offset);
    if (within + BigInt(lenBytes) > BigInt(length))
      return sumOf("host.end", within - BigInt(length));
    if (within < 0n) return recorded;
    this.#needs.host(Number(within) + lenBytes);
    return sumOf("host", within);
  }
}

/** What the endpoint has to have for what was done. */
class Needs {
  readonly list: { -readonly [Key in keyof ListedDisc]: ListedDisc[Key] }[];
  spaceBytes = 0;
  hostBytes = 0;

  constructor(discs: readonly TraceScriptDisc[]) {
    this.list = discs.map(({ sizeBytes }) => {
      return { sectors: sizeBytes / SECTOR_BYTES, queues: 1, features: 0 };
    });
  }

  queue(devIdx: number, qidx: number, endBytes: number): void {
    const disc = this.list[devIdx];
    if (disc !== undefined) disc.queues = Math.max(disc.queues, qidx + 1);
    this.spaceBytes = Math.max(this.spaceBytes, endBytes);
  }

  request(
    devIdx: number,
    { opf, flagBits }: TraceDescriptor,
    { blkStatus }: TraceCompletion,
  ): void {
    const disc = this.list[devIdx];
    if (disc === undefined || blkStatus !== BlkStatus.OK) {
      if (disc !== undefined && blkStatus === BlkStatus.PROTECTION) disc.readOnly = true;
      return;
    }
    disc.features |= FEATURE_OF.get(opf) ?? 0;
    if (opf === Operation.READ || opf === Operation.FLUSH) return;
    disc.readOnly = false;
    if (opf === Operation.WRITE && (flagBits & DescriptorFlag.FUA) !== 0) {
      disc.features |= Feature.FUA;
    }
  }

  host(endBytes: number): void {
    this.hostBytes = Math.max(this.hostBytes, endBytes);
  }
}

function commandOf(bits: number): CommandStep["command"] {
  return namesOfAll(Command, bits) ?? bits;
}

/** Any, where none was recorded or it has bits that nobody knows. */
function statusOf(bits: number): CommandStep["status"] {
  return (bits !== 0 && namesOfAll(Status, bits)) || "*";
}

/** The names of the bits that are set; undefined where one has none. */
function namesOfAll<Name extends string>(
  names: Readonly<Record<Name, number>>,
  bits: number,
): Name[] | undefined {
  const found = bitNames(names, bits);
  return found.every((name) => Object.hasOwn(names, name)) ? (found as Name[]) : undefined;
}

function sumOf(name: string, more: bigint): string {
  return more < 0n ? `${name} - ${-more}` : `${name} + ${more}`;
}
