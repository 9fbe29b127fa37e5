// The root complex's thread: the driver, its attached disks, and what is done with
// them. Knows the bus and where copies go; knows nothing of the endpoint's discs.

import {
  type BusHandle,
  type ConfigHeader,
  openBus,
  openTrace,
  type RemoteDisk,
  RootComplex,
  type TraceHandle,
} from "blockpt";
import { CliError, type Failure, failureOf } from "../failure.js";
import { type CopyResult, copyDisk } from "./copy.js";
import { type Measurement, type MeasureOptions, measureThroughput } from "./measure.js";
import { firstDifference, pattern } from "./pattern.js";
import { answerCalls, tell } from "./thread.js";

/** What the driver found. */
export interface ProbeResult {
  readonly pciAddress: string;
  readonly header: ConfigHeader;
  readonly devices: readonly string[];
  readonly log: readonly string[];
}

/** An attached disk. */
export interface DiskInfo {
  /** What the endpoint calls it. */
  readonly name: string;
  readonly localName: string;
  readonly sizeBytes: number;
  readonly sectors: number;
  readonly readOnly: boolean;
  readonly numDescriptors: number;
}

/** How far a copy is. */
export interface RootComplexEvent {
  readonly copiedBytes: number;
}

/** A range of a disk. */
export interface DiskRange {
  readonly name: string;
  readonly offsetBytes: number;
  readonly lenBytes: number;
}

export type RootComplexCalls = typeof calls;

let rootComplex: RootComplex | undefined;
const log: string[] = [];
/** What was overwritten, by the disk's name. */
const overwritten = new Map<string, { bytes: Uint8Array; offsetBytes: number }>();

const calls = {
  /** Reads configuration space, finds the endpoint and lists its discs. */
  async probe(what: { bus: BusHandle; trace: TraceHandle | undefined }): Promise<ProbeResult> {
    const bus = openBus(what.bus);
    const trace = what.trace && openTrace(what.trace);
    const header = bus.configSpace.read();
    rootComplex = await RootComplex.probe(bus, { trace, log: (line) => log.push(line) });
    if (header === undefined) throw new Error("a probe without a link should not succeed");
    const { pciAddress, devices } = rootComplex;
    return { pciAddress, header, devices: [...devices], log: log.splice(0) };
  },

  async attach(name: string): Promise<{ disk: DiskInfo; log: readonly string[] }> {
    const disk = await driver().attach(name);
    return { disk: infoOf(disk), log: log.splice(0) };
  },

  async detach(name: string): Promise<void> {
    await driver().detach(name);
  },

  /** Copies a whole disk into a file. */
  async copy(what: { name: string; path: string }): Promise<CopyResult> {
    return copyDisk(attached(what.name), what.path, (copiedBytes) =>
      tell<RootComplexEvent>({ copiedBytes }),
    );
  },

  /** Writes a pattern and reads it back; says where, from its start, the two first differ. */
  async overwrite(what: DiskRange & { seed: number }): Promise<number | undefined> {
    const disk = attached(what.name);
    const before = new Uint8Array(what.lenBytes);
    await disk.read(before, what.offsetBytes);
    overwritten.set(what.name, { bytes: before, offsetBytes: what.offsetBytes });
    const written = pattern(what.lenBytes, what.seed);
    await disk.write(written, what.offsetBytes);
    const back = new Uint8Array(what.lenBytes);
    await disk.read(back, what.offsetBytes);
    return firstDifference(written, back);
  },

  /** Writes back what was there before `overwrite`. */
  async restore(name: string): Promise<void> {
    const before = overwritten.get(name);
    if (before === undefined) return;
    await attached(name).write(before.bytes, before.offsetBytes);
    overwritten.delete(name);
  },

  /** Tries to write a disk's first sector, with the bytes that are there; gives how it was refused. */
  async tryWrite(name: string): Promise<Failure | undefined> {
    const disk = attached(name);
    const sector = new Uint8Array(512);
    await disk.read(sector, 0);
    try {
      await disk.write(sector, 0);
      return undefined;
    } catch (error) {
      return failureOf(error);
    }
  },

  async measure(options: MeasureOptions): Promise<readonly Measurement[]> {
    return measureThroughput(driver(), options);
  },
};

function infoOf(disk: RemoteDisk): DiskInfo {
  const { name, localName, sizeBytes, sectors, readOnly, numDescriptors } = disk;
  return { name, localName, sizeBytes, sectors, readOnly, numDescriptors };
}

function driver(): RootComplex {
  if (rootComplex === undefined) throw new Error("probe comes first");
  return rootComplex;
}

function attached(name: string): RemoteDisk {
  const found = driver().disks.find((disk) => disk.name === name);
  if (found !== undefined) return found;
  throw new CliError({ code: "ERR_DEMO_THREAD", message: `${name} is not attached` });
}

answerCalls(calls);
