// A report as a person reads it: registers, discs, queues, descriptors, vectors and statistics, a table each.

import type { DiscReport, EndpointReport, QueueReport, QueueStatistics } from "blockpt";
import { BlkStatus, bitNames, DescriptorFlag, nameOf } from "blockpt/abi";
import Table from "cli-table3";
import type picocolors from "picocolors";
import { decodeRegisters, hex, printable } from "../../view/registers.js";
import { formatSize } from "../../view/size.js";
import type { MachineReport } from "../control/protocol.js";
import { ratesOf, totalsOf } from "./rates.js";

type Colors = ReturnType<typeof picocolors.createColors>;

/** Two spaces between columns, and no lines. */
const NO_BORDERS = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  ...{ left: "", right: "", middle: "  " },
};

/** The lines of a report; with the one before it, rates as well. */
export function reportLines(
  report: MachineReport,
  before: MachineReport | undefined,
  colors: Colors,
): string[] {
  const { pid, controller, engine, endpoint } = report;
  const link = endpoint?.started ? colors.green("up") : colors.yellow("down");
  const head = `pid ${pid}, controller ${printable(controller)}, engine ${engine}, link ${link}`;
  if (endpoint === undefined) return [head, "", "No function is bound to the controller."];
  const rates = before && ratesOf(before, report);
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ["", colors.bold(title), ...lines.map((line) => `  ${line}`)];
  const localNames = new Map(report.disks.map(({ name, localName }) => [name, localName]));
  return [
    `${head}, generation ${endpoint.generation}`,
    ...section("Discs", discTable(endpoint.discs, localNames)),
    ...section("Faults", faultTable(endpoint.discs)),
    ...section("Statistics", statisticsTable(endpoint.discs, rates)),
    ...section("Queues", queueTable(endpoint.discs)),
    ...section("Descriptors in flight", descriptorTable(endpoint.discs)),
    ...section("MSI-X vectors", vectorTable(endpoint)),
    ...section("Registers", registerTable(endpoint)),
  ];
}

/** Columns to the right have a `>` before their head. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const made = new Table({
    head: heads.map((head) => head.replace(/^>/, "")),
    colAligns: heads.map((head) => (head.startsWith(">") ? "right" : "left")),
    chars: NO_BORDERS,
    // No colours of its own: whether there may be any is the caller's to say.
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd());
}

function discTable(
  discs: readonly DiscReport[],
  localNames: ReadonlyMap<string, string>,
): string[] {
  return table(
    ["DISC", "NAME", "KIND", ">SIZE", ">BLOCK", "RO", ">QUEUES", "ATTACHED AS", "FEATURES"],
    discs.map((disc) => [
      printable(disc.name),
      printable(disc.discName),
      disc.kind,
      formatSize(disc.sectors * 512),
      String(disc.logicalBlockBytes),
      disc.readOnly ? "1" : "0",
      String(disc.queues.length),
      disc.attached ? printable(localNames.get(disc.discName) ?? "yes") : "-",
      disc.features.join(" "),
    ]),
  );
}

function statisticsTable(
  discs: readonly DiscReport[],
  rates: ReadonlyMap<string, QueueStatistics> | undefined,
): string[] {
  const heads = ["DISC", "", ">READS", ">WRITES", ">FLUSHES", ">DISCARDS", ">READ", ">WRITTEN"];
  return table(
    [...heads, ">ERRORS", ">INTERRUPTS"],
    discs.flatMap((disc) => {
      const rate = rates?.get(disc.name);
      const name = printable(disc.name);
      const total = [name, "total", ...statisticsRow(totalsOf(disc))];
      return rate === undefined ? [total] : [total, [name, "per s", ...statisticsRow(rate)]];
    }),
  );
}

function faultTable(discs: readonly DiscReport[]): string[] {
  return table(
    ["DISC", ">HITS", ">SEEN", "FAULT"],
    discs.flatMap(({ name, faults }) =>
      faults.map(({ hits, seen, text }) => [printable(name), String(hits), String(seen), text]),
    ),
  );
}

function statisticsRow(statistics: QueueStatistics): string[] {
  const { reads, writes, flushes, discards, bytesRead, bytesWritten } = statistics;
  const count = (value: number): string => String(Math.round(value));
  return [
    ...[reads, writes, flushes, discards].map(count),
    formatSize(Math.round(bytesRead)),
    formatSize(Math.round(bytesWritten)),
    count(statistics.errors),
    count(statistics.interrupts),
  ];
}

function queueTable(discs: readonly DiscReport[]): string[] {
  return table(
    [
      ...["DISC", ">QUEUE", ">IRQ", ">OFFSET", ">DESCRIPTORS", ">DRIVER IDX", ">DEVICE IDX"],
      ...[">IN FLIGHT", "DOORBELL"],
    ],
    discs.flatMap((disc) => disc.queues.map((queue) => queueRow(disc, queue))),
  );
}

function queueRow({ name }: DiscReport, { index, irq, placed, rings }: QueueReport): string[] {
  const row = [printable(name), String(index), irq === 0 ? "-" : String(irq)];
  if (placed === undefined || rings === undefined) return [...row, "-", "-", "-", "-", "-", "-"];
  return [
    ...row,
    hex(placed.offset, 1),
    String(placed.numDescriptors),
    String(rings.driverIdx),
    rings.gone ? "gone" : String(rings.deviceIdx),
    rings.inFlight === undefined ? "out of range" : String(rings.inFlight),
    placed.doorbell ? "yes" : "no",
  ];
}

function descriptorTable(discs: readonly DiscReport[]): string[] {
  const rows: string[][] = [];
  for (const { name, queues } of discs) {
    for (const { index, rings } of queues) {
      const place = [printable(name), String(index)];
      for (const descriptor of rings?.descriptors ?? []) {
        rows.push([
          ...place,
          String(descriptor.index),
          descriptor.operation === "unknown" ? hex(descriptor.opf, 2) : descriptor.operation,
          String(descriptor.startSector),
          hex(descriptor.address, 1),
          String(descriptor.lenBytes),
          nameOf(BlkStatus, descriptor.status) ?? hex(descriptor.status, 2),
          bitNames(DescriptorFlag, descriptor.flags).join(" "),
        ]);
      }
      if (rings?.moreDescriptors) rows.push([...place, `and ${rings.moreDescriptors} more`]);
    }
  }
  const heads = ["DISC", ">QUEUE", ">INDEX", "OPERATION", ">SECTOR", ">ADDRESS", ">BYTES"];
  return table([...heads, "STATUS", "FLAGS"], rows);
}

function vectorTable({ msix, discs }: EndpointReport): string[] {
  const users = new Map(
    discs.flatMap(({ name, queues }) =>
      queues.map(({ irq, index }) => [irq, `${printable(name)} queue ${index}`] as const),
    ),
  );
  return table(
    [">VECTOR", ">ADDRESS", ">DATA", "MASKED", "PENDING", "RAISED BY"],
    msix.map(({ vector, address, data, masked, pending }) => [
      String(vector),
      hex(address, 1),
      hex(data, 1),
      masked ? "yes" : "no",
      pending ? "yes" : "no",
      users.get(vector) ?? "",
    ]),
  );
}

function registerTable({ registers }: EndpointReport): string[] {
  return table(
    [">OFFSET", "REGISTER", "VALUE", "MEANING"],
    decodeRegisters(registers).map(({ offset, name, value, meaning }) => [
      hex(offset, 3),
      name,
      value,
      meaning,
    ]),
  );
}
