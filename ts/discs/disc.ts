// What a disc is: the one interface behind the endpoint.

import { SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";

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

/** How a disc is opened again in another thread; can be posted. */
export type DiscHandle = MemoryDiscHandle | FileDiscHandle | NullDiscHandle | PartitionDiscHandle;

/**
 * A block device that an endpoint can export: a `FileDisc`, a `MemoryDisc`, a `NullDisc` or a `PartitionDisc`, and
 * no other. Offsets and lengths are bytes, multiples of 512, and within the disc: whoever calls has
 * checked them.
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
  /** Whether an endpoint on that bus can export it: a disc in memory lies in one bus, a file in none. */
  isOn(bus: Bus): boolean;
  /**
   * Reads from the disc for the endpoint's own use, as its partition table.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_IO` if it cannot be read
   */
  readBytes(lenBytes: number, offsetBytes: number): Uint8Array;
  /** Reads from the disc into host memory; gives one of `BlkStatus`. */
  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number;
  /** Writes from host memory to the disc; gives one of `BlkStatus`. */
  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number;
  /** What was written is on stable storage after this; gives one of `BlkStatus`. */
  flush(): number;
  /** Fills a range with zeros; gives one of `BlkStatus`. */
  writeZeroes(lenBytes: number, offsetBytes: number): number;
  /**
   * Another size, in bytes; without one, what it has become behind the disc's back.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` if it cannot have that
   */
  resize(sizeBytes?: number | undefined): void;
  /** Gives back what the disc holds; it is of no more use. */
  close(): void;
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
