// What of a trace can be done again: one side's commands and requests in their order, how each ended, and what the discs
// were like.

import { Command, Permission, SECTOR_BYTES } from "../abi/layout.js";
import { TraceRequests } from "./requests.js";
import type { TraceContents } from "./trace-file.js";
import type {
  TraceAnswer,
  TraceCommand,
  TraceCompletion,
  TraceDescriptor,
  TraceOpen,
  TraceRecord,
} from "./trace-record.js";

/** A disc as the endpoint said it was, and the largest that it was. */
export interface TraceScriptDisc {
  /** Its name, as GET_DEVICES lists it. */
  readonly name: string;
  /** Bytes; a sector where nobody asked. */
  readonly sizeBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** Most queues. */
  readonly queues: number;
  /** What the endpoint offers for it: bits of `Feature`. */
  readonly features: number;
  /** Whether it had another size meanwhile, or another place in the list. */
  readonly hasChanged: boolean;
}

/** What somebody did: a step of a {@link TraceScript}. */
export type TraceStep = TraceCommand | TraceDescriptor | TraceCompletion;

/** What of a trace can be done again. */
export interface TraceScript {
  /** Whose records these are: the root complex's where there are any, as it is the one who asks. */
  readonly side: TraceRecord["side"];
  /** What was done, in the order of time. */
  readonly steps: readonly TraceStep[];
  /** What commands were answered. */
  readonly answers: ReadonlyMap<TraceCommand, TraceAnswer>;
  /** How requests ended. */
  readonly ends: ReadonlyMap<TraceDescriptor, TraceCompletion>;
  /** In the order in which GET_DEVICES listed them; none where nobody asked. */
  readonly discs: readonly TraceScriptDisc[];
  /** MSI-X vectors that the endpoint had at least. */
  readonly vectors: number;
  /** Records that the file lacks. */
  readonly lost: number;
}

/**
 * What of a trace can be done again: the commands and requests of one side, with how each ended.
 *
 * @throws {@link BlockptError} `ERR_BLOCKPT_TRACE_FILE` for a record that makes no sense
 *
 * @example
 * ```ts
 * import { createBus, Endpoint, MemoryDisc, readTraceFile, RootComplex, Trace, TraceFile, traceScript } from "blockpt";
 *
 * const bus = await createBus();
 * const trace = new Trace();
 * const file = TraceFile.create("example.trace", trace, bus);
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie", trace });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * await (await rc.attach("ram0")).read(new Uint8Array(512), 0);
 * await rc.close();
 * await endpoint.close();
 * file.close();
 *
 * const { side, discs, ends } = traceScript(readTraceFile("example.trace"));
 * console.log(side, discs[0]?.sizeBytes, ends.size); // endpoint 65536 1
 * ```
 */
export function traceScript(contents: TraceContents): TraceScript {
  const records: TraceRecord[] = [];
  let lost = 0;
  for (const record of contents.inOrder()) {
    if (record.event === "lost") lost += record.count;
    else records.push(record);
  }
  const isOfDriver = records.some(({ side }) => side === "root-complex");
  const side = isOfDriver ? "root-complex" : "endpoint";
  const collected = new Collected();
  for (const record of records) if (record.side === side) collected.add(record);
  return { side, lost, ...collected.script };
}

type Learnt = { -readonly [Key in keyof TraceScriptDisc]: TraceScriptDisc[Key] };

class Collected {
  readonly #discs: Learnt[] = [];
  readonly #steps: TraceStep[] = [];
  readonly #answers = new Map<TraceCommand, TraceAnswer>();
  readonly #ends = new Map<TraceDescriptor, TraceCompletion>();
  readonly #requests = new TraceRequests();
  readonly #sized = new Set<Learnt>();
  #asked: TraceCommand | undefined;
  #vectors = 1;

  get script(): Omit<TraceScript, "side" | "lost"> {
    return {
      steps: this.#steps,
      answers: this.#answers,
      ends: this.#ends,
      discs: this.#discs,
      vectors: this.#vectors,
    };
  }

  add(record: TraceRecord): void {
    const answered = this.#requests.see(record);
    if (answered !== undefined) this.#ends.set(answered.request, answered.completion);
    switch (record.event) {
      case "command":
        this.#asked = record;
        this.#steps.push(record);
        break;
      case "answer":
        if (this.#asked !== undefined) this.#learn(this.#asked, record);
        this.#asked = undefined;
        break;
      case "device":
        this.#list(record.disc, record.devIdx);
        break;
      case "open":
        this.#opened(record);
        break;
      case "resize":
        for (const disc of this.#discs) {
          if (disc.name === record.disc) this.#size(disc, record.numSectors);
        }
        break;
      case "descriptor":
      case "completion":
        this.#steps.push(record);
        break;
    }
  }

  #list(name: string, devIdx: number): void {
    const known = this.#discs.findIndex((disc) => disc.name === name);
    const found = this.#discs[known];
    if (found !== undefined) {
      found.hasChanged ||= known !== devIdx;
      return;
    }
    const unknown = { sizeBytes: SECTOR_BYTES, readOnly: false, queues: 1, features: 0 };
    this.#discs.push({ name, ...unknown, hasChanged: this.#discs.length !== devIdx });
  }

  /** What the endpoint's end of a queue knows, of a disc that the driver asked nothing about. */
  #opened({ disc: name, queue, numSectors, readOnly, features }: TraceOpen): void {
    const disc = this.#discs.find((each) => each.name === name);
    if (disc === undefined) return;
    disc.queues = Math.max(disc.queues, queue + 1);
    if (numSectors === 0) return;
    this.#size(disc, numSectors);
    disc.readOnly = readOnly;
    disc.features |= features;
  }

  #learn(command: TraceCommand, answer: TraceAnswer): void {
    this.#answers.set(command, answer);
    if (answer.status !== "SUCCESS") return;
    const { commandBits, arguments: args } = command;
    const has = (bit: number): boolean => (commandBits & bit) !== 0;
    if (has(Command.SET_IRQ)) this.#vectors = Math.max(this.#vectors, args.irq);
    const disc = this.#discs[args.devIdx];
    if (disc === undefined) return;
    if (has(Command.NUM_SECTORS)) {
      this.#size(disc, Number(answer.values.numSectors));
      disc.queues = Math.max(1, disc.queues, answer.values.numQueues);
      disc.features = answer.values.extFeatures;
    }
    if (has(Command.GET_PERMISSION)) {
      disc.readOnly = (answer.values.perm & Permission.READ_ONLY) !== 0;
    }
  }

  #size(disc: Learnt, numSectors: number): void {
    const sizeBytes = numSectors * SECTOR_BYTES;
    disc.hasChanged ||= this.#sized.has(disc) && disc.sizeBytes !== sizeBytes;
    this.#sized.add(disc);
    disc.sizeBytes = Math.max(disc.sizeBytes, sizeBytes);
  }
}
