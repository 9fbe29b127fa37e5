// How `lspci` and `lsblk` would show what the root complex sees.

import type { ConfigHeader } from "blockpt";
import type { DiskInfo } from "./root-complex-worker.js";

/** The kernel's major number for block devices that have none of their own. */
const BLOCK_EXTENDED_MAJOR = 259;

/** A size as `lsblk` prints it: one decimal where it is not whole, and one letter. */
export function formatSize(bytes: number): string {
  const letters = "BKMGTPE";
  let power = 0;
  while (power < letters.length - 1 && bytes >= 1024 ** (power + 1)) power++;
  const tenths = Math.round((bytes / 1024 ** power) * 10);
  return `${tenths % 10 === 0 ? tenths / 10 : (tenths / 10).toFixed(1)}${letters[power]}`;
}

/** The line of `lspci`. The class has no name there, as 0xff is not assigned. */
export function lspciLine(pciAddress: string, header: ConfigHeader): string {
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  const pciClass = hex(header.classCode >>> 8);
  return `${pciAddress} Unassigned class [${pciClass}]: Device ${hex(header.vendorId)}:${hex(header.deviceId)}`;
}

/** The table of `lsblk`. Device numbers are what the kernel would give; there are none here. */
export function lsblkLines(disks: readonly DiskInfo[]): string[] {
  const rows = disks.map((disk, index) => ({
    name: disk.localName,
    number: `${BLOCK_EXTENDED_MAJOR}:${index}`,
    size: formatSize(disk.sizeBytes),
    readOnly: disk.readOnly ? "1" : "0",
  }));
  const nameWidth = Math.max(4, ...rows.map(({ name }) => name.length));
  const sizeWidth = Math.max(5, ...rows.map(({ size }) => size.length));
  const line = (name: string, number: string, rm: string, size: string, ro: string, type: string) =>
    `${name.padEnd(nameWidth)} ${number.padEnd(7)} ${rm} ${size.padStart(sizeWidth)} ${ro} ${type}`;
  return [
    line("NAME", "MAJ:MIN", "RM", "SIZE", "RO", "TYPE"),
    ...rows.map((row) => line(row.name, row.number, " 0", row.size, ` ${row.readOnly}`, "disk")),
  ];
}
