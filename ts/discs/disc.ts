// What a disc is: the one interface behind the endpoint.

import { BlkStatus, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import type { NbdExportFacts } from "../nbd/client/export-facts.js";
import type { CrashMemory } from "./crash-log.js";

/** How a memory disc is opened again in another thread. */
export interface MemoryDiscHandle {
  /** Which kind. */
  readonly kind: "memory";
  /** Where it is in the bus. */
  readonly range: BusRange;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
}

/** How a file disc is opened again in another thread of the process. */
export interface FileDiscHandle {
  /** Which kind. */
  readonly kind: "file";
  /** The file descriptor, which all threads of a process share. */
  readonly fd: number;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
}

/** How a null disc is opened again in another thread. */
export interface NullDiscHandle {
  /** Which kind. */
  readonly kind: "null";
  /** Size in bytes. */
  readonly sizeBytes: number;
}

/** How a replay disc is opened again in another thread of the process. */
export interface ReplayDiscHandle {
  /** Which kind. */
  readonly kind: "replay";
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** The script. */
  readonly answers: SharedArrayBuffer;
}

/** How a partition is opened again in another thread. */
export interface PartitionDiscHandle {
  /** Which kind. */
  readonly kind: "partition";
  /** The disc that it is a range of. */
  readonly inner: DiscHandle;
  /** Where it starts on that disc, in bytes. */
  readonly startBytes: number;
  /** Size in bytes. */
  readonly sizeBytes: number;
}

/** How a disc on which things go wrong on purpose is opened again in another thread. */
export interface FaultyDiscHandle {
  /** Which kind. */
  readonly kind: "faulty";
  /** The disc that it is in front of. */
  readonly inner: DiscHandle;
  /** Its rules, and the counts of all threads. */
  readonly faults: SharedArrayBuffer;
}

/** How a disc on an NBD server is opened again in another thread of the process: there it makes connections of its own. */
export interface NbdDiscHandle {
  /** Which kind. */
  readonly kind: "nbd";
  /** Where the server is, and which of its exports is meant. */
  readonly uri: string;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** Connections a queue. */
  readonly connections: number;
  /** How long connecting may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long requests wait for a connection that was lost, in milliseconds. */
  readonly outageMs: number;
  /** What the server said of the export. */
  readonly served: NbdExportFacts;
  /** By which the threads agree on what was flushed. */
  readonly durability: SharedArrayBuffer;
}

/** How a crash disc is opened again in another thread: the same disc, with the same log. */
export interface CrashDiscHandle {
  /** Which kind. */
  readonly kind: "crash";
  /** Bytes of its blocks. */
  readonly logicalBlockBytes: number;
  /** @internal What all threads share. */
  readonly memory: CrashMemory;
}

/** How the disc of a module is opened again in another thread: the module is imported there, too. */
export interface ModuleDiscHandle {
  /** Which kind. */
  readonly kind: "module";
  /** The module. */
  readonly url: string;
  /** What its `openDisc` gets. */
  readonly data: unknown;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** Bytes of its blocks. */
  readonly logicalBlockBytes: number;
}

/** What a `Blob` is here: types of a browser are not needed for it. */
export interface BlobBytes {
  /** Bytes. */
  readonly size: number;
  /** A part of it. */
  slice(start?: number, end?: number): BlobBytes;
  /** Its bytes. */
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** What a `FileSystemFileHandle` is here: types of a browser are not needed for it. */
export interface OpfsFileHandle {
  /** It is one of a file. */
  readonly kind: "file";
  /** The file's name. */
  readonly name: string;
  /** What is in the file now. */
  getFile(): Promise<BlobBytes>;
}

/** How a disc of a `Blob` is opened again in another thread. */
export interface BlobDiscHandle {
  /** Which kind. */
  readonly kind: "blob";
  /** Its bytes. */
  readonly blob: BlobBytes;
}

/** How a disc on an HTTP server is opened again in another thread: there it makes requests of its own. */
export interface HttpDiscHandle {
  /** Which kind. */
  readonly kind: "http";
  /** Where it is. */
  readonly url: string;
  /** What requests carry besides. */
  readonly headers: Readonly<Record<string, string>>;
  /** How far it reads ahead, in bytes. */
  readonly readAheadBytes: number;
  /** How much a queue keeps, in bytes. */
  readonly cacheBytes: number;
  /** How long a response may stand still, in milliseconds. */
  readonly timeoutMs: number;
  /** How long a read is tried again, in milliseconds. */
  readonly outageMs: number;
  /** Bytes of the image on the server. */
  readonly imageBytes: number;
  /** By what every response shows that it is of the same image. */
  readonly version: string;
}

/** How a disc in the origin private file system is opened again in another thread. */
export interface OpfsDiscHandle {
  /** Which kind. */
  readonly kind: "opfs";
  /** The file. */
  readonly file: OpfsFileHandle;
  /** Its path in the file system. */
  readonly path: string;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
}

/** How a disc is opened again in another thread; can be posted. */
export type DiscHandle =
  | MemoryDiscHandle
  | FileDiscHandle
  | NullDiscHandle
  | NbdDiscHandle
  | CrashDiscHandle
  | ReplayDiscHandle
  | ModuleDiscHandle
  | BlobDiscHandle
  | HttpDiscHandle
  | OpfsDiscHandle
  | PartitionDiscHandle
  | FaultyDiscHandle;

/** One of `BlkStatus`, at once or later. */
export type DiscAnswer = number | Promise<number>;

/**
 * A block device that an endpoint can export: a `FileDisc`, a `MemoryDisc`, a `NullDisc`, an `NbdDisc`, a
 * `BlobDisc`, an `HttpDisc`, an `OpfsDisc`, a `CrashDisc`, a `ReplayDisc`, a `PartitionDisc` or a `FaultyDisc`, and no
 * other: one of your own is a `ModuleDisc`. Offsets and lengths are bytes, multiples of 512, and within the disc: whoever
 * calls has checked them.
 */
export interface Disc {
  /** Size in bytes, a multiple of 512. */
  readonly sizeBytes: number;
  /** Whether it may only be read. */
  readonly readOnly: boolean;
  /** Bytes of the blocks that its users shall read and write: 512, or a larger power of two. */
  readonly logicalBlockBytes: number;
  /** What it does besides reads and writes: bits of `Feature`. */
  readonly features: number;
  /** Opens the same disc in another thread. */
  readonly handle: DiscHandle;
  /** Where the disc lies in the bus, if it does: an engine then serves it by itself. */
  readonly busRange: BusRange | undefined;
  /**
   * Whether its operations answer later, by promises. Its queues are then served with many requests in flight,
   * which are completed as they are answered; those of other discs one after the other.
   */
  readonly asynchronous: boolean;
  /** Most queues that it can be exported with; absent where there is no limit. */
  readonly maxQueues?: number | undefined;
  /** Whether an endpoint on that bus can export it: a disc in memory lies in one bus, a file in none. */
  isOn(bus: Bus): boolean;
  /**
   * Reads from the disc for the endpoint's own use, as its partition table.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_IO` if it cannot be read
   */
  readBytes(lenBytes: number, offsetBytes: number): Uint8Array | Promise<Uint8Array>;
  /** Reads from the disc into host memory; gives one of `BlkStatus`. */
  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer;
  /** Writes from host memory to the disc; gives one of `BlkStatus`. */
  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer;
  /** As `writeFrom`, and what was written is on stable storage after it; absent where a write and a flush do that. */
  writeThroughFrom?(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer;
  /** What was written is on stable storage after this; gives one of `BlkStatus`. */
  flush(): DiscAnswer;
  /** Fills a range with zeros; gives one of `BlkStatus`. */
  writeZeroes(lenBytes: number, offsetBytes: number): DiscAnswer;
  /** What is in a range is not needed any more; absent where zeros are written for that. */
  discard?(lenBytes: number, offsetBytes: number): DiscAnswer;
  /**
   * Another size, in bytes; without one, what it has become behind the disc's back.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` if it cannot have that
   */
  resize(sizeBytes?: number | undefined): void | Promise<void>;
  /**
   * Of a disc that was opened by its handle: gives back what it holds in this thread. What is not answered yet is
   * so, with an error, when this has ended, and no buffer is touched from then on. Absent where there is nothing to give back.
   */
  leave?(): Promise<void>;
  /** Gives back what the disc holds; it is of no more use. */
  close(): void;
}

/**
 * A disc that answers at once.
 *
 * @internal
 */
export interface BlockingDisc extends Disc {
  readonly asynchronous: false;
  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number;
  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number;
  writeThroughFrom?(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number;
  flush(): number;
  writeZeroes(lenBytes: number, offsetBytes: number): number;
  discard?(lenBytes: number, offsetBytes: number): number;
}

/**
 * Whether a disc answers at once.
 *
 * @internal
 */
export function isBlocking(disc: Disc): disc is BlockingDisc {
  return !disc.asynchronous;
}

/**
 * Writes to stable storage on any disc.
 *
 * @internal
 */
export function writeThrough(
  disc: Disc,
  bus: Bus,
  address: number,
  lenBytes: number,
  offsetBytes: number,
): DiscAnswer {
  if (disc.writeThroughFrom !== undefined) {
    return disc.writeThroughFrom(bus, address, lenBytes, offsetBytes);
  }
  const flushAfter = (status: number): DiscAnswer =>
    status === BlkStatus.OK ? disc.flush() : status;
  const written = disc.writeFrom(bus, address, lenBytes, offsetBytes);
  return typeof written === "number" ? flushAfter(written) : written.then(flushAfter);
}

/**
 * Discards on any disc.
 *
 * @internal
 */
export function discardOn(disc: Disc, lenBytes: number, offsetBytes: number): DiscAnswer {
  return disc.discard === undefined
    ? disc.writeZeroes(lenBytes, offsetBytes)
    : disc.discard(lenBytes, offsetBytes);
}

/**
 * Checks a disc's size.
 *
 * @internal
 */
export function checkDiscSize(
  what: string,
  sizeBytes: number,
  unitBytes: number = SECTOR_BYTES,
): void {
  const complaint =
    sizeBytes === 0
      ? "is empty"
      : !Number.isSafeInteger(sizeBytes) || sizeBytes < 0
        ? `has ${sizeBytes} bytes, out of range`
        : sizeBytes % unitBytes !== 0
          ? `has ${sizeBytes} bytes, not a multiple of ${unitBytes}: ` +
            `${Math.ceil(sizeBytes / unitBytes) * unitBytes} would be one`
          : undefined;
  if (complaint !== undefined) {
    throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", `${what} ${complaint}`);
  }
}

const KINDS: Readonly<Record<DiscHandle["kind"], true>> = {
  memory: true,
  file: true,
  null: true,
  nbd: true,
  crash: true,
  replay: true,
  module: true,
  blob: true,
  http: true,
  opfs: true,
  partition: true,
  faulty: true,
};

/**
 * Whether it is one of the discs there are: others cannot be opened in a queue's thread.
 *
 * @internal
 */
export function isDisc(disc: unknown): disc is Disc {
  const kind = (disc as Partial<Disc> | undefined | null)?.handle?.kind;
  return kind !== undefined && Object.hasOwn(KINDS, kind);
}
