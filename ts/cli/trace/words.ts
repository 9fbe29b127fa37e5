// A record in words, on one line.

import type { TraceAnswer, TraceCommand, TraceDescriptor, TraceLost, TraceRecord } from "blockpt";
import { type TraceAnswered, TraceRequests } from "blockpt";
import { Command, EVENTS_QIDX } from "blockpt/abi";
import type picocolors from "picocolors";
import { hex, printable } from "../../view/registers.js";

type Colors = ReturnType<typeof picocolors.createColors>;

/** The registers that a command reads. */
const READS: Readonly<Record<number, readonly (keyof TraceCommand["arguments"])[]>> = {
  [Command.GET_DEVICES]: [],
  [Command.NUM_SECTORS]: ["devIdx"],
  [Command.GET_PERMISSION]: ["devIdx"],
  [Command.START]: ["devIdx"],
  [Command.STOP]: ["devIdx"],
  [Command.SET_IRQ]: ["devIdx", "qidx", "irq"],
  [Command.SET_QUEUE]: [
    ...(["devIdx", "qidx", "queueOffset", "drvOffset", "devOffset", "numDesc", "qsize"] as const),
    "extEnabled",
  ],
};

/** And those that it answers in. */
const ANSWERS: Readonly<Record<number, readonly (keyof TraceAnswer["values"])[]>> = {
  [Command.NUM_SECTORS]: [
    ...(["numSectors", "numQueues", "extFeatures", "logicalBlockSize", "maxLen"] as const),
  ],
  [Command.GET_PERMISSION]: ["perm"],
};

const IN_HEX: ReadonlySet<string> = new Set(["extEnabled", "extFeatures", "perm"]);
const SIDES = { endpoint: "EP", "root-complex": "RC" } as const;

/** Has the lines of records that come in their order. */
export class Words {
  readonly #requests = new TraceRequests();
  readonly #colors: Colors;

  constructor(colors: Colors) {
    this.#colors = colors;
  }

  /** What comes before the lines. */
  static readonly head = `${"SECONDS".padStart(13)}  SIDE  WHERE  WHAT`;

  /** To be called for every record, also for those that are not shown. */
  lineOf(record: TraceRecord | TraceLost): string {
    if (record.event === "lost") {
      return this.#colors.yellow(`${" ".repeat(13)}  ${record.count} records were lost here`);
    }
    const answered = this.#requests.see(record);
    const seconds = (record.timeUs / 1e6).toFixed(6).padStart(13);
    const where =
      "queue" in record ? `${printable(record.disc)} queue ${record.queue}` : record.thread;
    return `${this.#colors.dim(seconds)}  ${SIDES[record.side]}  ${printable(where)}  ${this.#what(record, answered)}`;
  }

  #what(record: TraceRecord, answered: TraceAnswered | undefined): string {
    const colors = this.#colors;
    switch (record.event) {
      case "command":
        return `command ${record.command.join(" + ")}${argumentsOf(record)}`;
      case "answer": {
        const isGood = record.status === "SUCCESS";
        const status = isGood ? record.status : colors.red(record.status);
        return `answer  ${record.command.join(" + ")}: ${status}${isGood ? valuesOf(record) : ""}`;
      }
      case "device":
        return `device  ${record.devIdx} is ${printable(record.disc)}`;
      case "open":
        return (
          `open    ${record.numDescriptors} descriptors at ${hex(record.descriptors, 1)}` +
          (record.numSectors === 0 ? "" : `, ${record.numSectors} sectors`) +
          (record.readOnly ? ", read-only" : "")
        );
      case "close":
        return "close";
      case "resize":
        return `resize  ${record.numSectors} sectors`;
      case "descriptor":
        return `request ${String(record.index).padStart(4)}  ${requestOf(record)}`;
      case "completion": {
        const status = record.status === "OK" ? "OK" : colors.red(record.status);
        const took =
          answered && `  ${answered.latencyUs.toFixed(1)} µs  ${requestOf(answered.request)}`;
        return `done    ${String(record.index).padStart(4)}  ${status}${took ?? ""}`;
      }
      case "fault":
        return colors.red(`fault   ${record.fault}: the queue can go no further`);
      case "stopped":
        return colors.red(`stopped ${printable(record.reason)}`);
    }
  }
}

/** A request, in words. */
export function requestOf({
  operation,
  startSector,
  lenBytes,
  address,
  flags,
}: TraceDescriptor): string {
  if (operation === "FLUSH" && lenBytes === 0) return operation;
  const where = address === 0 ? "" : ` at 0x${BigInt(address).toString(16)}`;
  const rest = flags.filter((flag) => flag !== "IN_USE");
  const isFree = flags.includes("IN_USE") ? [] : ["not in use"];
  const marks = [...rest, ...isFree].map((mark) => `, ${mark}`).join("");
  return `${operation} sector ${startSector}, ${lenBytes} bytes${where}${marks}`;
}

function argumentsOf({ commandBits, arguments: args }: TraceCommand): string {
  const names = new Set(bitsIn(commandBits).flatMap((bit) => READS[bit] ?? []));
  const texts = [...names].map((name) =>
    name === "qidx" && args.qidx === EVENTS_QIDX
      ? "qidx=events"
      : `${name}=${show(name, args[name])}`,
  );
  return texts.map((text) => ` ${text}`).join("");
}

function valuesOf({ commandBits, values }: TraceAnswer): string {
  const names = bitsIn(commandBits).flatMap((bit) => ANSWERS[bit] ?? []);
  return names.map((name) => ` ${name}=${show(name, values[name])}`).join("");
}

function show(name: string, value: number | string): string {
  return IN_HEX.has(name) && typeof value === "number" ? hex(value, 1) : String(value);
}

function bitsIn(bits: number): number[] {
  return Object.values(Command).filter((bit) => (bits & bit) !== 0);
}
