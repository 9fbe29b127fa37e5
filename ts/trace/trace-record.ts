// A record as programs have it: words become names, and 64-bit values numbers where these are exact.

import {
  BlkStatus,
  Command,
  DescriptorFlag,
  Operation,
  Permission,
  Status,
} from "../abi/layout.js";
import { bitNames, nameOf } from "../abi/names.js";
import { QueueFault } from "../engine/records.js";
import { TraceEvent, TraceSide, TraceWord, UNKNOWN_STATUS } from "./layout.js";

/** A 64-bit value: a number where that is exact, to 2^53 − 1, else its decimal digits. */
export type TraceLong = number | string;

/** What every record has. */
export interface TraceRecordBase {
  /** Microseconds since the trace was made, by one clock for all threads. */
  timeUs: number;
  /** Which thread recorded it. */
  thread: string;
  /** Which side of the bus it belongs to. */
  side: "endpoint" | "root-complex";
}

/** The registers that a command reads (protocol, section 2). */
export interface TraceArguments {
  /** Which disc, counted in the list that GET_DEVICES gave. */
  devIdx: number;
  /** Which queue. */
  qidx: number;
  /** MSI-X vector, counted from 1. */
  irq: number;
  /** Where the queue is, from the start of descriptor space. */
  queueOffset: number;
  /** Its driver ring, from the start of the queue. */
  drvOffset: number;
  /** Its device ring. */
  devOffset: number;
  /** Its descriptors. */
  numDesc: number;
  /** Its bytes. */
  qsize: number;
  /** What the root complex uses of the extension block: bits of `Feature`. */
  extEnabled: number;
}

/** A command: what the endpoint took, or the root complex asked. */
export interface TraceCommand extends TraceRecordBase {
  /** What it is. */
  event: "command";
  /** Names of its bits, as `SET_QUEUE`; of one that has no name its number, as `0x2`. */
  command: string[];
  /** The same, as it stood in the register. */
  commandBits: number;
  /** All registers that some command reads, whether or not this one does. */
  arguments: TraceArguments;
}

/** What NUM_SECTORS and GET_PERMISSION answer with, beside the status. */
export interface TraceAnswerValues {
  /** Size of the disc in sectors. */
  numSectors: TraceLong;
  /** Most queues. */
  numQueues: number;
  /** Bits of `Permission`. */
  perm: number;
  /** Bits of `Feature`. */
  extFeatures: number;
  /** Bytes of the disc's blocks. */
  logicalBlockSize: number;
  /** Most bytes of a descriptor. */
  maxLen: number;
}

/** The answer to a command. */
export interface TraceAnswer extends TraceRecordBase {
  /** What it is. */
  event: "answer";
  /** The command's names. */
  command: string[];
  /** The command. */
  commandBits: number;
  /** Names of the status's bits joined by `+`: `SUCCESS`; `NONE` where no answer came. */
  status: string;
  /** The status, as it stood in the register. */
  statusBits: number;
  /** The registers that commands answer in, whether or not this one does. */
  values: TraceAnswerValues;
}

/** A disc of the list that GET_DEVICES answered with; behind the answer. */
export interface TraceDevice extends TraceRecordBase {
  /** What it is. */
  event: "device";
  /** Its place in the list. */
  devIdx: number;
  /** Its name. */
  disc: string;
}

/** What a record of a queue has. */
export interface TraceQueueRecord extends TraceRecordBase {
  /** The disc's name, as GET_DEVICES lists it. */
  disc: string;
  /** Which of its queues. */
  queue: number;
}

/** A side has opened its end of a queue. */
export interface TraceOpen extends TraceQueueRecord {
  /** What it is. */
  event: "open";
  /** Where the descriptors are, in the bus. */
  descriptors: number;
  /** Where the driver ring is. */
  driverRing: number;
  /** Where the device ring is. */
  deviceRing: number;
  /** How many descriptors. */
  numDescriptors: number;
  /** The endpoint's side: size of the disc in sectors; 0 on the other. */
  numSectors: number;
  /** The endpoint's side: what is enabled on the queue, of `Feature`. */
  features: number;
  /** The endpoint's side: whether the disc may only be read. */
  readOnly: boolean;
}

/** A side has closed its end of a queue. */
export interface TraceClose extends TraceQueueRecord {
  /** What it is. */
  event: "close";
}

/** The disc has another size. */
export interface TraceResize extends TraceQueueRecord {
  /** What it is. */
  event: "resize";
  /** In sectors. */
  numSectors: number;
}

/**
 * A request: a descriptor that the endpoint took, as it was checked, or if it was malformed as it stood there; or one that
 * the root complex has put.
 */
export interface TraceDescriptor extends TraceQueueRecord {
  /** What it is. */
  event: "descriptor";
  /** Which descriptor. */
  index: number;
  /** Its operation, `READ`; of one without a name its number, as `0x7f`. */
  operation: string;
  /** The same as it stood there. */
  opf: number;
  /** Where on the disc, in sectors. */
  startSector: TraceLong;
  /** Bytes. */
  lenBytes: number;
  /** Bus address of the data; of a request that was checked 0 where it moves none. */
  address: TraceLong;
  /** Names of its flags: `IN_USE`, `FUA`. */
  flags: string[];
  /** The flags as they stood there. */
  flagBits: number;
}

/** The end of a request. */
export interface TraceCompletion extends TraceQueueRecord {
  /** What it is. */
  event: "completion";
  /** Which descriptor. */
  index: number;
  /**
   * A name of `BlkStatus`, as `OK`, or its number. `UNKNOWN` of a malformed descriptor that the endpoint answered and
   * the driver had cleared when the trace came to look.
   */
  status: string;
  /** The same as a number; absent if it is unknown. */
  blkStatus?: number | undefined;
}

/** A queue can go no further: what is on its rings cannot be (protocol, section 3). */
export interface TraceFault extends TraceQueueRecord {
  /** What it is. */
  event: "fault";
  /** A name of `QueueFault`, as `RING_INDEX`. */
  fault: string;
}

/** The endpoint serves a queue no more, and nobody has asked for that. */
export interface TraceStopped extends TraceQueueRecord {
  /** What it is. */
  event: "stopped";
  /** Why. */
  reason: string;
}

/** In a file: records that were overwritten, or given up, before they were written to it. */
export interface TraceLost {
  /** What it is. */
  event: "lost";
  /** How many. */
  count: number;
}

/** Something that happened on the bus. */
export type TraceRecord =
  | TraceCommand
  | TraceAnswer
  | TraceDevice
  | TraceOpen
  | TraceClose
  | TraceResize
  | TraceDescriptor
  | TraceCompletion
  | TraceFault
  | TraceStopped;

/** Makes a record of its words; undefined for what none is, as damaged bytes of a file. */
export function decodeRecord(
  words: Uint32Array,
  timeUs: number,
  textOf: (number: number) => string,
): TraceRecord | undefined {
  const kind = at(words, TraceWord.kind);
  const event = nameOf(TraceEvent, kind & 0xff) as TraceRecord["event"] | undefined;
  const side = nameOf(TraceSide, (kind >>> 8) & 0xff) as TraceRecordBase["side"] | undefined;
  if (event === undefined || side === undefined) return undefined;
  const base: TraceRecordBase = {
    timeUs: Math.round(timeUs * 1000) / 1000,
    thread: textOf(kind >>> 16),
    side,
  };
  switch (event) {
    case "command":
      return { ...base, event, ...commandOf(words), arguments: argumentsOf(words) };
    case "answer":
      return { ...base, event, ...answerOf(words) };
    case "device": {
      const disc = textOf(at(words, TraceWord.place) & 0xffff);
      return { ...base, event, devIdx: at(words, TraceWord.index), disc };
    }
    default:
      return queueRecordOf(event, base, words, textOf);
  }
}

type QueueEvent = Exclude<TraceRecord["event"], "command" | "answer" | "device">;

function queueRecordOf(
  event: QueueEvent,
  base: TraceRecordBase,
  words: Uint32Array,
  textOf: (number: number) => string,
): TraceRecord | undefined {
  const place = at(words, TraceWord.place);
  const queue = { ...base, disc: textOf(place & 0xffff), queue: place >>> 16 };
  const index = at(words, TraceWord.index);
  switch (event) {
    case "open":
      return { ...queue, event, ...openOf(words) };
    case "close":
      return { ...queue, event };
    case "resize":
      return { ...queue, event, numSectors: Number(longAt(words, 0)) };
    case "descriptor":
      return { ...queue, event, index, ...requestOf(words) };
    case "completion": {
      const status = at(words, TraceWord.status);
      if (status === UNKNOWN_STATUS) return { ...queue, event, index, status: "UNKNOWN" };
      const name = nameOf(BlkStatus, status) ?? hex(status);
      return { ...queue, event, index, status: name, blkStatus: status };
    }
    case "fault": {
      const fault = at(words, TraceWord.status);
      return { ...queue, event, fault: nameOf(QueueFault, fault) ?? hex(fault) };
    }
    case "stopped":
      return { ...queue, event, reason: textOf(index) };
    default:
      return undefined;
  }
}

function commandOf(words: Uint32Array): Pick<TraceCommand, "command" | "commandBits"> {
  const commandBits = at(words, TraceWord.operation);
  return { command: bitNames(Command, commandBits), commandBits };
}

function argumentsOf(words: Uint32Array): TraceArguments {
  const where = at(words, TraceWord.index);
  return {
    devIdx: where & 0xff,
    qidx: (where >>> 8) & 0xff,
    irq: dataAt(words, 5),
    queueOffset: dataAt(words, 0),
    drvOffset: dataAt(words, 1),
    devOffset: dataAt(words, 2),
    numDesc: dataAt(words, 3),
    qsize: dataAt(words, 4),
    extEnabled: dataAt(words, 6),
  };
}

function answerOf(
  words: Uint32Array,
): Pick<TraceAnswer, "command" | "commandBits" | "status" | "statusBits" | "values"> {
  const statusBits = at(words, TraceWord.status);
  return {
    ...commandOf(words),
    status: statusBits === 0 ? "NONE" : bitNames(Status, statusBits).join("+"),
    statusBits,
    values: {
      numSectors: longAt(words, 0),
      numQueues: dataAt(words, 2),
      perm: dataAt(words, 3),
      extFeatures: dataAt(words, 4),
      logicalBlockSize: dataAt(words, 5),
      maxLen: dataAt(words, 6),
    },
  };
}

function openOf(words: Uint32Array): Omit<TraceOpen, keyof TraceQueueRecord | "event"> {
  return {
    descriptors: dataAt(words, 0),
    driverRing: dataAt(words, 1),
    deviceRing: dataAt(words, 2),
    numDescriptors: dataAt(words, 3),
    numSectors: Number(longAt(words, 4)),
    features: dataAt(words, 6),
    readOnly: (dataAt(words, 7) & Permission.READ_ONLY) !== 0,
  };
}

function requestOf(
  words: Uint32Array,
): Omit<TraceDescriptor, keyof TraceQueueRecord | "event" | "index"> {
  const operation = at(words, TraceWord.operation);
  const opf = operation & 0xff;
  const flagBits = (operation >>> 8) & 0xff;
  return {
    operation: nameOf(Operation, opf) ?? hex(opf),
    opf,
    startSector: longAt(words, 0),
    lenBytes: dataAt(words, 4),
    address: longAt(words, 2),
    flags: bitNames(DescriptorFlag, flagBits),
    flagBits,
  };
}

function at(words: Uint32Array, word: number): number {
  return words[word] as number;
}

function dataAt(words: Uint32Array, word: number): number {
  return at(words, TraceWord.data + word);
}

function longAt(words: Uint32Array, word: number): TraceLong {
  const value = (BigInt(dataAt(words, word + 1)) << 32n) | BigInt(dataAt(words, word));
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
