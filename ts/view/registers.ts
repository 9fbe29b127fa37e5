// The registers by name: where each lies, what stands there, and what that means.
//
// The other side wrote half of them: a value that makes no sense is shown as it is, and text without controls.

import type { EndpointReport } from "blockpt";
import {
  bitNames,
  Command,
  EXT_MAGIC,
  EXT_VERSION,
  Feature,
  MAGIC,
  Permission,
  Register,
  SECTOR_BYTES,
  Status,
} from "blockpt/abi";
import { formatSize } from "./size.js";

/** A register, decoded. */
export interface DecodedRegister {
  /** As the protocol calls it: `queue_bar_offset`. */
  readonly name: string;
  /** Bytes from the start of the BAR. */
  readonly offset: number;
  readonly value: string;
  /** Empty where the value says it all. */
  readonly meaning: string;
}

type Registers = EndpointReport["registers"];
type Extension = NonNullable<Registers["extension"]>;
type Name = keyof typeof Register;

const EVENTS_QIDX = 0xff;
const TEXT_WIDTH = 32;

/** Digits that a register has: most are 32 bits wide. */
const DIGITS: Partial<Record<Name, number>> = { devIdx: 2, perm: 2, qidx: 2, numSectors: 16 };

/** The registers in the order of their offsets, the extension block's at the end, where it is offered. */
export function decodeRegisters(registers: Registers): DecodedRegister[] {
  const { extension, devName, ...numbers } = registers;
  const meanings = { ...meaningsOf(registers), ...(extension && extensionMeanings(extension)) };
  const extMagic = extension && { extMagic: EXT_MAGIC };
  const decoded = Object.entries({ ...numbers, ...extMagic, ...extension }).map(([key, value]) => {
    const name = key as Name;
    return row(name, hex(value, DIGITS[name] ?? 8), meanings[name] ?? "");
  });
  const shown = printable(devName);
  const isLong = shown.length > TEXT_WIDTH;
  const text = isLong ? `${shown.slice(0, TEXT_WIDTH - 3)}...` : shown;
  decoded.push(row("devName", `"${text}"`, countOf(namesIn(devName).length, "disc")));
  return decoded.sort((one, other) => one.offset - other.offset);
}

/** `0x` and so many digits. */
export function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, "0")}`;
}

/** Text of the other side's, on one line and without what a terminal obeys. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\x${hex(control.charCodeAt(0), 2).slice(2)}`);
}

function row(name: Name, value: string, meaning: string): DecodedRegister {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return { name: snake, offset: Register[name], value, meaning };
}

function meaningsOf(registers: Registers): Partial<Record<Name, string>> {
  const { command, status, irq, devIdx, qidx, perm, numSectors } = registers;
  const disc = namesIn(registers.devName)[devIdx];
  return {
    magic: registers.magic === MAGIC ? "ok" : "not the magic: no endpoint is started",
    command: bitNames(Command, command).join(" ") || "none to be taken",
    status: bitNames(Status, status).join(" ") || "read, or none yet",
    queueBarOffset: "descriptor space starts here",
    drvOffset: "from the start of the queue",
    devOffset: "from the start of the queue",
    numDesc: countOf(registers.numDesc, "descriptor"),
    maxDevs: countOf(registers.maxDevs, "disc"),
    irq: irq === 0 ? "no vector" : `vector ${irq}`,
    qsize: `${registers.qsize} bytes`,
    numQueues: `at most ${countOf(registers.numQueues, "queue")} a disc`,
    queueOffset: "from queue_bar_offset",
    availableQsize: `${formatSize(registers.availableQsize)} of descriptor space`,
    devIdx: disc === undefined ? "no such disc" : printable(disc),
    perm: bitNames(Permission, perm).join(" ") || "may be written",
    qidx: qidx === EVENTS_QIDX ? "events of the disc" : `queue ${qidx}`,
    numSectors: `${numSectors} sectors, ${formatSize(numSectors * SECTOR_BYTES)}`,
  };
}

function extensionMeanings(extension: Extension): Partial<Record<Name, string>> {
  return {
    extMagic: "ok: the extension block is offered",
    extVersion: extension.extVersion === EXT_VERSION ? "ok" : "another version",
    extFeatures: bitNames(Feature, extension.extFeatures).join(" ") || "none",
    extEnabled: bitNames(Feature, extension.extEnabled).join(" ") || "none",
    commandBell: "rung after a command",
    commandSleeping: extension.commandSleeping === 0 ? "awake" : "asleep",
    generation: `start ${extension.generation}`,
    heartbeat: "moves twice a second",
    logicalBlockSize: formatSize(extension.logicalBlockSize),
    maxLen: `${formatSize(extension.maxLen)} a descriptor`,
  };
}

function namesIn(devName: string): string[] {
  return devName.split(";").filter((name) => name !== "");
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
