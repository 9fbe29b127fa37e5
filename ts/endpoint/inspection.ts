// What an endpoint can tell of itself: a report of plain values, for whoever looks rather than drives.
//
// Most of it the other side may write at any time. So every word is read once and checked, nothing here
// throws on account of what it holds, and together the values are no snapshot.

import { Feature } from "../abi/layout.js";
import { bitNames } from "../abi/names.js";
import { type Registers, readRegisters } from "../abi/registers.js";
import type { Bus } from "../bus/bus.js";
import type { MsixEntry } from "../bus/msix.js";
import type { DiscHandle } from "../discs/disc.js";
import type { FaultReport } from "../discs/faults/fault.js";
import { mayHaveHoles } from "../discs/holes.js";
import type { ExportedDisc } from "./exported-disc.js";
import type { QueuePlace } from "./queue.js";
import type { QueueStatistics } from "./queue-totals.js";
import { inspectRings, type RingsReport } from "./rings-report.js";

/** The registers, as JSON can have them. */
export interface RegistersReport extends Omit<Registers, "numSectors"> {
  /** Size of the disc that was asked for last, in sectors of 512 bytes; beyond 2^53 it is rounded. */
  numSectors: number;
}

/** An MSI-X vector that somebody has done something with. */
export interface MsixVectorReport extends MsixEntry {
  /** Which, counted from 1 as in the `irq` register. */
  vector: number;
}

/** Where SET_QUEUE put a queue. */
export interface QueuePlaceReport {
  /** Its start, in bytes from the start of the BAR. */
  offset: number;
  /** Descriptors, 16 to 65535. */
  numDescriptors: number;
  /** The driver ring, in bytes from the queue's start. */
  drvOffset: number;
  /** The device ring, in bytes from the queue's start. */
  devOffset: number;
  /** Whether the root complex rings a doorbell. */
  doorbell: boolean;
}

/** One queue of an exported disc. */
export interface QueueFacts {
  /** Which of the disc's, from 0. */
  index: number;
  /** The MSI-X vector that it raises, counted from 1; 0 is none. */
  irq: number;
  /** What it has done since the disc was exported, to the last round of its worker. */
  statistics: QueueStatistics;
}

/** One queue, and what is on the bus of it. */
export interface QueueReport extends QueueFacts {
  /** Where it is; undefined before SET_QUEUE and after STOP. */
  placed: QueuePlaceReport | undefined;
  /** What is on its rings; undefined where it is not placed. */
  rings: RingsReport | undefined;
}

/** One exported disc. */
export interface DiscFacts {
  /** What the export is called on the endpoint. */
  name: string;
  /** The name that the root complex sees. */
  discName: string;
  /** What it lies in. */
  kind: DiscHandle["kind"];
  /** Size in sectors of 512 bytes. */
  sectors: number;
  /** Bytes of its blocks: 512, or a larger power of two. */
  logicalBlockBytes: number;
  /** Whether it may only be read. */
  readOnly: boolean;
  /** Whether it may have ranges without storage, as a sparse file has; undefined if that cannot be told. */
  mayHaveHoles: boolean | undefined;
  /** Whether a root complex is attached. */
  attached: boolean;
  /** What is offered for it: names of `Feature`, in lower case. */
  features: string[];
  /** What goes wrong on it on purpose, and has. */
  faults: FaultReport[];
  /** Its queues. */
  queues: QueueFacts[];
}

/** One exported disc, and what is on the bus of its queues. */
export interface DiscReport extends DiscFacts {
  /** Its queues. */
  queues: QueueReport[];
}

/** What an endpoint is doing: plain values, which JSON can have. */
export interface EndpointReport {
  /** Whether the link is up. */
  started: boolean;
  /** The controller's name. */
  controller: string;
  /** Which start of an endpoint on this bus the last one was; 0 before the first. */
  generation: number;
  /** The registers, as they stand in the BAR. */
  registers: RegistersReport;
  /** The vectors that are programmed, unmasked or pending; none while the link is down. */
  msix: MsixVectorReport[];
  /** The exports, in the order in which the root complex sees them. */
  discs: DiscReport[];
}

/** Reads the registers. */
export function inspectRegisters(bus: Bus): RegistersReport {
  const registers = readRegisters(bus.barView());
  return { ...registers, numSectors: Number(registers.numSectors) };
}

/** Looks at every vector; gives those that are not as after a reset. */
export function inspectMsix({ msix }: Bus): MsixVectorReport[] {
  return Array.from({ length: msix.vectors }, (_, vector) => ({
    vector: vector + 1,
    ...msix.read(vector),
  })).filter(({ address, masked, pending }) => address !== 0 || !masked || pending);
}

/** What is known of one export without a look at the bus. */
export function factsOf(name: string, exported: ExportedDisc): DiscFacts {
  const { discName, disc, sectors, readOnly, started, features, queues } = exported;
  return {
    name,
    discName,
    kind: disc.handle.kind,
    sectors,
    logicalBlockBytes: disc.logicalBlockBytes,
    readOnly,
    mayHaveHoles: mayHaveHoles(disc.handle),
    attached: started,
    features: bitNames(Feature, features).map((name) => name.toLowerCase()),
    faults: exported.faults.reports,
    queues: queues.map(({ irq, statistics }, index) => ({ index, irq, statistics })),
  };
}

/** Looks at one export and its queues. */
export function inspectDisc(bus: Bus, name: string, exported: ExportedDisc): DiscReport {
  const facts = factsOf(name, exported);
  return {
    ...facts,
    queues: exported.queues.map(({ place }, index) => ({
      ...(facts.queues[index] as QueueFacts),
      placed: place && placeReport(bus, place),
      rings: place && inspectRings(bus, place.geometry),
    })),
  };
}

function placeReport(bus: Bus, { range, geometry, doorbell }: QueuePlace): QueuePlaceReport {
  return {
    offset: range.offset - bus.bar.offset,
    numDescriptors: geometry.numDescriptors,
    drvOffset: geometry.driverRing - range.offset,
    devOffset: geometry.deviceRing - range.offset,
    doorbell: doorbell !== undefined,
  };
}
