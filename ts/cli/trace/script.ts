// What a replay takes from a trace: one side's commands and requests in their order, how each ended, and what the discs
// were like.

import type {
  TraceAnswer,
  TraceCommand,
  TraceCompletion,
  TraceContents,
  TraceDescriptor,
  TraceRecord,
} from "blockpt";
import { Command, Permission, SECTOR_BYTES } from "blockpt/abi";
import { CliError } from "../failure.js";
import { inOrder } from "./read.js";
import { Requests } from "./requests.js";

/** A disc as the endpoint said it was. */
export interface ScriptDisc {
  readonly name: string;
  sizeBytes: number;
  readOnly: boolean;
  queues: number;
  features: number;
}

export type Step = TraceCommand | TraceDescriptor | TraceCompletion;

export interface Script {
  /** Whose records these are: the root complex's where there are any, as it is the one who asks. */
  readonly side: TraceRecord["side"];
  readonly steps: readonly Step[];
  readonly answers: ReadonlyMap<TraceCommand, TraceAnswer>;
  readonly ends: ReadonlyMap<TraceDescriptor, TraceCompletion>;
  /** In the order in which GET_DEVICES listed them. */
  readonly discs: readonly ScriptDisc[];
  /** MSI-X vectors that the endpoint had at least. */
  readonly vectors: number;
  /** Records that the file lacks. */
  readonly lost: number;
}

export function scriptOf(path: string, contents: TraceContents): Script {
  const records: TraceRecord[] = [];
  let lost = 0;
  for (const record of inOrder(contents)) {
    if (record.event === "lost") lost += record.count;
    else records.push(record);
  }
  const isOfDriver = records.some(({ side }) => side === "root-complex");
  const side = isOfDriver ? "root-complex" : "endpoint";
  const collected = new Collected();
  for (const record of records) if (record.side === side) collected.add(record);
  if (collected.discs.length === 0) {
    throw new CliError({
      code: "ERR_TRACE_REPLAY",
      message: `${path} has no GET_DEVICES that was answered: there is nothing to replay`,
    });
  }
  return { side, lost, ...collected.script };
}

class Collected {
  readonly discs: ScriptDisc[] = [];
  readonly #steps: Step[] = [];
  readonly #answers = new Map<TraceCommand, TraceAnswer>();
  readonly #ends = new Map<TraceDescriptor, TraceCompletion>();
  readonly #requests = new Requests();
  #asked: TraceCommand | undefined;
  #vectors = 1;

  get script(): Omit<Script, "side" | "lost"> {
    return {
      steps: this.#steps,
      answers: this.#answers,
      ends: this.#ends,
      discs: this.discs,
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
        if (!this.discs.some(({ name }) => name === record.disc)) {
          const unknown = { sizeBytes: SECTOR_BYTES, readOnly: false, queues: 1, features: 0 };
          this.discs.push({ name: record.disc, ...unknown });
        }
        break;
      case "descriptor":
      case "completion":
        this.#steps.push(record);
        break;
    }
  }

  #learn(command: TraceCommand, answer: TraceAnswer): void {
    this.#answers.set(command, answer);
    if (answer.status !== "SUCCESS") return;
    const { commandBits, arguments: args } = command;
    const has = (bit: number): boolean => (commandBits & bit) !== 0;
    if (has(Command.SET_IRQ)) this.#vectors = Math.max(this.#vectors, args.irq);
    const disc = this.discs[args.devIdx];
    if (disc === undefined) return;
    if (has(Command.NUM_SECTORS)) {
      disc.sizeBytes = Math.max(disc.sizeBytes, Number(answer.values.numSectors) * SECTOR_BYTES);
      disc.queues = Math.max(1, answer.values.numQueues);
      disc.features = answer.values.extFeatures;
    }
    if (has(Command.GET_PERMISSION)) {
      disc.readOnly = (answer.values.perm & Permission.READ_ONLY) !== 0;
    }
  }
}
