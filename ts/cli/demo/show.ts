// The demo as a person reads it: each side as the kernel's user guide shows it, then
// the checks and the table of throughput.

import Table from "cli-table3";
import { formatSize } from "../../view/size.js";
import { lsblkLines, lspciLine } from "../listing.js";
import type { Screen } from "../screen.js";
import type { DiscSpec, FunctionSpec } from "./endpoint-worker.js";
import type { Image } from "./image.js";
import type { Machine } from "./machine.js";
import type { Measurement } from "./measure.js";
import type { Check, CopyReport, Throughput } from "./report.js";
import type { DiskInfo, ProbeResult } from "./root-complex-worker.js";

const MIB = 1024 * 1024;

/** A table like that of `lsblk`: two spaces between columns. Fits into 80 columns. */
const NO_BORDERS = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  ...{ left: "", right: "", middle: "  " },
};

export function showImage(screen: Screen, image: Image): void {
  screen.heading("Disk image");
  screen.output([
    `${image.path}, ${formatSize(image.sizeBytes)}`,
    image.description,
    `SHA-256 ${image.sha256}`,
  ]);
}

/** The user guide's section "Endpoint Device". */
export function showEndpoint(
  screen: Screen,
  machine: Machine,
  what: FunctionSpec,
  discs: readonly DiscSpec[],
): void {
  const hex = (value: number): string => `0x${value.toString(16).padStart(4, "0")}`;
  const func = "functions/pci_epf_blockpt/func1";
  screen.line(`\nBelow, # marks what one types on real hardware, as in the kernel's user guide.`);
  screen.line(
    `Here two threads call the library, on the ${machine.engine} engine, to the same effect.`,
  );
  screen.heading("Endpoint (a thread of its own)");
  screen.command("ls /sys/class/pci_epc/");
  screen.output([what.controller]);
  screen.command("ls /sys/bus/pci-epf/drivers");
  screen.output(["pci_epf_blockpt"]);
  screen.command(`echo ${hex(what.vendorId)} > ${func}/vendorid`);
  screen.command(`echo ${hex(what.deviceId)} > ${func}/deviceid`);
  screen.command(`echo ${what.msixInterrupts} > ${func}/msix_interrupts`);
  for (const disc of discs) {
    screen.command(`echo -n ${disc.discName} > ${func}/${disc.name}/disc_name`);
    screen.output([describe(disc)]);
  }
  screen.command(`echo 1 > controllers/${what.controller}/start`);
}

function describe(disc: DiscSpec): string {
  if (disc.kind === "memory") return `${formatSize(disc.sizeBytes)} of memory, read-write`;
  return `the image, ${disc.readOnly ? "read-only" : "read-write"}`;
}

/** The user guide's section "RootComplex Device", up to the driver's list of discs. */
export function showProbe(screen: Screen, probed: ProbeResult): void {
  screen.heading("Root complex (another thread)");
  screen.command("lspci");
  screen.output([lspciLine(probed.pciAddress, probed.header)]);
  screen.command("insmod pci-remote-disk.ko");
  screen.output(probed.log);
}

export function showAttached(screen: Screen, disk: DiskInfo, log: readonly string[]): void {
  const name = disk.name.slice(disk.name.lastIndexOf("/") + 1);
  screen.command(`echo 1 > /sys/kernel/config/pci_remote_disk/${name}/attach`);
  screen.output(log);
}

export function showDisks(screen: Screen, disks: readonly DiskInfo[]): void {
  screen.command("lsblk");
  screen.output(lsblkLines(disks));
}

export function showCopy(screen: Screen, copy: CopyReport): void {
  const mib = copy.bytes / MIB;
  screen.output([
    `${copy.bytes} bytes copied, ${copy.seconds.toFixed(3)} s, ${Math.round(mib / copy.seconds)} MiB/s with hashing and writing`,
    `SHA-256 image ${copy.imageSha256}`,
    `SHA-256 copy  ${copy.sha256}`,
  ]);
}

export function showCheck(screen: Screen, check: Check): void {
  screen.check(check.passed, check.detail);
  if (check.note !== undefined) screen.output([`       ${check.note}`]);
}

/** Every engine beside a plain read of the same file in the same run. */
export function showThroughput(screen: Screen, throughput: Throughput): void {
  const table = new Table({
    head: ["ENGINE", "DISK", "REQUESTS", "BLOCKPT", "FS.READSYNC", "RATIO"],
    colAligns: ["left", "left", "left", "right", "right", "right"],
    chars: NO_BORDERS,
    // No colours of its own: whether there may be any is the screen's to say.
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const measured of throughput.measurements) {
    table.push([
      measured.engine,
      measured.disk,
      requestsOf(measured),
      rate(measured.value, measured.unit),
      rate(measured.plainValue, measured.unit),
      `${Math.round(measured.percent)} %`,
    ]);
  }
  screen.output(table.toString().split("\n"));
  screen.output(["fs.readSync: reads of the image file, one after the other, in the same thread"]);
  for (const { engine, code, message } of throughput.notMeasured) {
    screen.output([`${engine} was not measured: ${code}: ${message}`]);
  }
}

function requestsOf({ access, requestBytes, depth }: Measurement): string {
  return `${access} ${formatSize(requestBytes)} x ${depth}`;
}

function rate(value: number, unit: Measurement["unit"]): string {
  if (unit === "MiB/s") return `${Math.round(value).toLocaleString("en-US")} ${unit}`;
  // Thousands: the table has to fit beside a few million of them.
  const thousands = value / 1000;
  return `${thousands < 100 ? thousands.toFixed(1) : Math.round(thousands)}k ${unit}`;
}
