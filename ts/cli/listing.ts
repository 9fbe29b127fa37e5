// How `lspci` and `lsblk` show things: for the demo, and for the shell's commands of these names.

import type { ConfigHeader } from "blockpt";
import { formatSize } from "../view/size.js";

/** The kernel's major number for block devices that have none of their own. */
const BLOCK_EXTENDED_MAJOR = 259;

/** What `lsblk` shows of a block device. */
export interface BlockDevice {
  /** Of a disc, its name in `/dev`. */
  readonly localName: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
}

/** A column of `lsblk`: in a table, and in JSON. */
interface Column {
  readonly text: (device: BlockDevice, index: number) => string;
  readonly value: (device: BlockDevice, index: number) => string | number | boolean;
  /** Numbers end at the same place. */
  readonly padStart?: true;
  /** The least width, where it is more than the heading's. */
  readonly width?: number;
}

/** Device numbers are what the kernel would give; there are none here. */
const deviceNumber = (_device: BlockDevice, index: number): string =>
  `${BLOCK_EXTENDED_MAJOR}:${index}`;

const COLUMNS = {
  NAME: { text: ({ localName }) => localName, value: ({ localName }) => localName },
  "MAJ:MIN": { text: deviceNumber, value: deviceNumber },
  RM: { text: () => "0", value: () => false, padStart: true },
  SIZE: {
    text: ({ sizeBytes }) => formatSize(sizeBytes),
    value: ({ sizeBytes }) => formatSize(sizeBytes),
    padStart: true,
    width: 5,
  },
  RO: {
    text: ({ readOnly }) => (readOnly ? "1" : "0"),
    value: ({ readOnly }) => readOnly,
    padStart: true,
  },
  TYPE: { text: () => "disk", value: () => "disk" },
} satisfies Record<string, Column>;

export type ColumnName = keyof typeof COLUMNS;

export const COLUMN_NAMES = Object.keys(COLUMNS) as readonly ColumnName[];

export interface ListingOptions {
  /** Default: all. */
  readonly columns?: readonly ColumnName[];
  /** Sizes in bytes. */
  readonly bytes?: boolean;
  readonly noHeadings?: boolean;
}

/** What the line of `lspci` is made of. */
export type Identity = Pick<ConfigHeader, "classCode" | "vendorId" | "deviceId">;

/** The names of base classes in `pci.ids`. */
const BASE_CLASSES: Readonly<Record<number, string>> = {
  0: "Unclassified device",
  1: "Mass storage controller",
  2: "Network controller",
  3: "Display controller",
  4: "Multimedia controller",
  5: "Memory controller",
  6: "Bridge",
  7: "Communication controller",
  8: "Generic system peripheral",
  9: "Input device controller",
  10: "Docking station",
  11: "Processor",
  12: "Serial bus controller",
  13: "Wireless controller",
  14: "Intelligent controller",
  15: "Satellite communications controller",
  16: "Encryption controller",
  17: "Signal processing controller",
  18: "Processing accelerators",
  19: "Non-Essential Instrumentation",
  64: "Coprocessor",
  255: "Unassigned class",
};

/** A number as `lspci` prints it. */
export function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** What a function is, in words, as far as its base class says: subclasses are numbers here. */
export function pciClassName(classCode: number): string {
  return `${BASE_CLASSES[classCode >>> 16] ?? "Class"} [${hex(classCode >>> 8, 4)}]`;
}

/** The line of `lspci`. */
export function lspciLine(pciAddress: string, { classCode, vendorId, deviceId }: Identity): string {
  const device = `${hex(vendorId, 4)}:${hex(deviceId, 4)}`;
  return `${pciAddress} ${pciClassName(classCode)}: Device ${device}`;
}

/** The table of `lsblk`. */
export function lsblkLines(
  devices: readonly BlockDevice[],
  options: ListingOptions = {},
): string[] {
  const names = options.columns ?? COLUMN_NAMES;
  const columns = names.map((name) => columnOf(name, options));
  const rows = devices.map((device, index) => columns.map(({ text }) => text(device, index)));
  const widths = columns.map(({ width = 0 }, index) => {
    const heading = names[index] ?? "";
    return Math.max(width, heading.length, ...rows.map((row) => row[index]?.length ?? 0));
  });
  return [...(options.noHeadings ? [] : [names]), ...rows].map((row) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        if (columns[index]?.padStart) return cell.padStart(width);
        return index === row.length - 1 ? cell : cell.padEnd(width);
      })
      .join(" "),
  );
}

/** The document of `lsblk --json`. */
export function lsblkDocument(
  devices: readonly BlockDevice[],
  options: ListingOptions = {},
): { blockdevices: Record<string, string | number | boolean>[] } {
  const names = options.columns ?? COLUMN_NAMES;
  return {
    blockdevices: devices.map((device, index) =>
      Object.fromEntries(
        names.map((name) => [name.toLowerCase(), columnOf(name, options).value(device, index)]),
      ),
    ),
  };
}

function columnOf(name: ColumnName, { bytes = false }: ListingOptions): Column {
  if (name !== "SIZE" || !bytes) return COLUMNS[name];
  const column: Column = COLUMNS.SIZE;
  return {
    ...column,
    text: ({ sizeBytes }) => String(sizeBytes),
    value: ({ sizeBytes }) => sizeBytes,
  };
}
