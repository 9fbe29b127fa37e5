// A descriptor as somebody learns it: its 24 bytes, which field each belongs to, and what the field says.

import {
  BlkStatus,
  bitNames,
  DESCRIPTOR_BYTES,
  type Descriptor,
  DescriptorField,
  DescriptorFlag,
  decodeDescriptor,
  nameOf,
  Operation,
  SECTOR_BYTES,
} from "blockpt/abi";
import { hex } from "../../view/registers.js";
import { formatSize } from "../../view/size.js";

/** A field, and its bytes as they stand there. */
export interface FieldView {
  readonly name: string;
  /** From the start of the descriptor. */
  readonly offset: number;
  readonly bytes: readonly number[];
  readonly value: string;
  readonly meaning: string;
}

const NAMES: Readonly<Record<keyof typeof DescriptorField, string>> = {
  sSector: "s_sector",
  addr: "addr",
  len: "len",
  opf: "opf",
  status: "status",
  flags: "flags",
};

const OPERATION_WORDS: Readonly<Record<number, string>> = {
  [Operation.READ]: "READ: from the disc to the driver's memory",
  [Operation.WRITE]: "WRITE: from the driver's memory to the disc",
  [Operation.FLUSH]: "FLUSH: what was written is to be on stable storage",
  [Operation.DISCARD]: "DISCARD: nobody needs these sectors any more",
  [Operation.WRITE_ZEROES]: "WRITE_ZEROES: these sectors are to read as zeros",
};

const STATUS_WORDS: Readonly<Record<number, string>> = {
  [BlkStatus.OK]: "done",
  [BlkStatus.NOTSUPP]: "no such operation here, or not enabled",
  [BlkStatus.TIMEOUT]: "it took too long",
  [BlkStatus.NOSPC]: "the disc is full",
  [BlkStatus.MEDIUM]: "the medium could not be read or written",
  [BlkStatus.PROTECTION]: "the disc may not be written",
  [BlkStatus.RESOURCE]: "resources ran out",
  [BlkStatus.IOERR]: "another error",
  [BlkStatus.OFFLINE]: "the device is gone",
  [BlkStatus.INVAL]: "the request makes no sense",
};

/** What a status says, with its name. */
export function statusWords(status: number): string {
  const name = nameOf(BlkStatus, status);
  if (name === undefined) return "no status of the protocol: not answered yet";
  return `${name}: ${STATUS_WORDS[status]}`;
}

/** The fields of 24 bytes, in their order, the spare one at the end included. */
export function fieldsOf(bytes: Uint8Array, isAnswered: boolean): FieldView[] {
  const descriptor = decodeDescriptor(bytes, 0);
  const offsets: [string, number][] = Object.entries(DescriptorField);
  const all: [string, number][] = [...offsets, ["reserved", DESCRIPTOR_BYTES - 1]];
  return all.map(([key, offset], index) => {
    const end = all[index + 1]?.[1] ?? DESCRIPTOR_BYTES;
    const name = NAMES[key as keyof typeof DescriptorField] ?? key;
    const field = [...bytes.subarray(offset, end)];
    return { name, offset, bytes: field, ...wordsOf(name, descriptor, isAnswered) };
  });
}

function wordsOf(
  name: string,
  { startSector, address, lenBytes, opf, status, flags }: Descriptor,
  isAnswered: boolean,
): { value: string; meaning: string } {
  switch (name) {
    case "s_sector":
      return {
        value: `${startSector}`,
        meaning: `byte ${startSector * BigInt(SECTOR_BYTES)} of the disc`,
      };
    case "addr":
      return {
        value: `0x${address.toString(16)}`,
        meaning: "bus address of the data, in host memory",
      };
    case "len":
      return { value: `${lenBytes}`, meaning: lengthWords(lenBytes) };
    case "opf":
      return { value: `${opf}`, meaning: OPERATION_WORDS[opf] ?? "no operation of the protocol" };
    case "status":
      return {
        value: `${status}`,
        meaning: isAnswered ? statusWords(status) : "the endpoint writes the result here",
      };
    case "flags":
      return { value: hex(flags, 2), meaning: bitNames(DescriptorFlag, flags).join(" ") || "free" };
    default:
      return { value: "", meaning: "spare" };
  }
}

function lengthWords(lenBytes: number): string {
  if (lenBytes === 0) return "no data";
  if (lenBytes % SECTOR_BYTES !== 0) return "not a whole number of sectors";
  const sectors = lenBytes / SECTOR_BYTES;
  return `${formatSize(lenBytes)}, ${sectors} sector${sectors === 1 ? "" : "s"}`;
}

/** A byte in two digits. */
export function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** Lines of bytes with their offsets and letters, as `hexdump -C` has them. */
export function hexLines(bytes: Uint8Array, firstOffset = 0, perLine: 8 | 16 = 16): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += perLine) {
    const row = [...bytes.subarray(at, at + perLine)];
    const halves = perLine === 16 ? [row.slice(0, 8), row.slice(8)] : [row];
    const digits = halves.map((half) => half.map(hexByte).join(" ")).join("  ");
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."));
    const offset = (firstOffset + at).toString(16).padStart(8, "0");
    lines.push(`${offset}  ${digits.padEnd(3 * perLine + halves.length)}|${letters.join("")}|`);
  }
  return lines;
}
