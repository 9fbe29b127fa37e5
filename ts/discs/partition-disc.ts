// A partition of a disc: a range of it, and never a byte outside.

import { Feature } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { assert, BlockptError, checkInteger } from "../errors.js";
import {
  type Disc,
  type DiscAnswer,
  discardOn,
  isDisc,
  type PartitionDiscHandle,
  writeThrough,
} from "./disc.js";
import { WrappedDisc } from "./wrapped-disc.js";

/** Numbers above are in no table that is read. */
const MAX_NUMBER = 65535;
/** A partition GUID, or what Linux makes of an MBR's signature and a partition's number. */
const UUID = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}-[0-9a-f]{2})$/i;

/** How many open partitions a disc has: it is closed with the last one. */
const openPartitions = new WeakMap<Disc, number>();

/** Where a partition is, and what it is called. */
interface Place {
  readonly number: number | undefined;
  readonly uuid: string | undefined;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/**
 * One partition of another disc as a disc of its own. It has that disc's blocks and features, except
 * that it keeps its size.
 *
 * @example
 * ```ts
 * import { writeFile } from "node:fs/promises";
 * import { FileDisc, PartitionDisc } from "blockpt";
 *
 * // An image with an MBR whose second slot has 1024 sectors from sector 64 on.
 * const image = new Uint8Array(1024 * 1024);
 * const table = new DataView(image.buffer, 446);
 * table.setUint8(16 + 4, 0x83);
 * table.setUint32(16 + 8, 64, true);
 * table.setUint32(16 + 12, 1024, true);
 * table.setUint16(64, 0xaa55, true);
 * await writeFile("partitioned.img", image);
 *
 * const disc = await PartitionDisc.open(await FileDisc.open("partitioned.img"), 2);
 * console.log(disc.number, disc.startBytes, disc.sizeBytes); // 2 32768 524288
 * disc.close();
 * ```
 */
export class PartitionDisc extends WrappedDisc implements Disc {
  /** Its number, as Linux numbers partitions; undefined in the thread that serves a queue of it. */
  readonly number: number | undefined;
  /** Its UUID, in lower case, as Linux's PARTUUID has it; undefined in the thread that serves a queue of it. */
  readonly uuid: string | undefined;
  /** Where it starts on the inner disc, in bytes. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  readonly features: number;
  readonly busRange: BusRange | undefined;
  readonly asynchronous: boolean;
  readonly maxQueues: number | undefined;
  #closed = false;

  private constructor(inner: Disc, place: Place) {
    super(inner);
    const { number, uuid, startBytes, sizeBytes } = place;
    assert(
      startBytes >= 0 && sizeBytes > 0 && sizeBytes <= inner.sizeBytes - startBytes,
      "a partition is not inside its disc",
    );
    this.number = number;
    this.uuid = uuid;
    this.startBytes = startBytes;
    this.sizeBytes = sizeBytes;
    this.readOnly = inner.readOnly;
    this.asynchronous = inner.asynchronous;
    this.maxQueues = inner.maxQueues;
    this.logicalBlockBytes = inner.logicalBlockBytes;
    this.features = inner.features & ~Feature.RESIZE;
    this.busRange = inner.busRange && {
      offset: inner.busRange.offset + startBytes,
      length: sizeBytes,
    };
  }

  /**
   * Opens a partition of a disc. The table is a GPT or an MBR with its logical partitions. Of a
   * GPT whose header or entries at the start are damaged the copy at the disc's end is used, as Linux
   * does when started with `gpt`. Blocks are tried as the disc has them, then, for a GPT, of 512 and
   * of 4096 bytes, as an image file does not say which.
   *
   * Several partitions of one disc can be open; it is closed with the last of them. If this
   * fails, it stays open.
   *
   * @param partition - its number as Linux numbers it, 1 to 65535: a GPT's slot, an MBR's slot (1 to
   * 4), or 5 and more for logical ones in the order of their chain. Or its UUID, in either case: a
   * GPT's partition GUID, or an MBR's PARTUUID `xxxxxxxx-NN`, signature and number in hexadecimal
   * @throws {@link BlockptError} `ERR_BLOCKPT_PARTITION` if there is no such partition, no table that
   * makes sense, or the partition is not one that can be a disc; `ERR_BLOCKPT_IO` if the table
   * cannot be read; `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no disc, no number and no UUID
   */
  static async open(inner: Disc, partition: number | string): Promise<PartitionDisc> {
    if (!isDisc(inner)) {
      const why = "PartitionDisc.open takes a disc, as FileDisc.open gives one";
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    checkPartition(partition);
    // Only here: who opens no partition loads no parser.
    const { findPartition } = await import("./partition-table.js");
    const disc = new PartitionDisc(inner, await findPartition(inner, partition));
    openPartitions.set(inner, (openPartitions.get(inner) ?? 0) + 1);
    return disc;
  }

  /** @internal The partition of a handle, for this thread. */
  static adopt(inner: Disc, handle: PartitionDiscHandle): PartitionDisc {
    const { startBytes, sizeBytes } = handle;
    return new PartitionDisc(inner, { number: undefined, uuid: undefined, startBytes, sizeBytes });
  }

  get handle(): PartitionDiscHandle {
    const { inner, startBytes, sizeBytes } = this;
    return { kind: "partition", inner: inner.handle, startBytes, sizeBytes };
  }

  isOn(bus: Bus): boolean {
    return this.inner.isOn(bus);
  }

  readBytes(lenBytes: number, offsetBytes: number): Uint8Array | Promise<Uint8Array> {
    return this.inner.readBytes(lenBytes, this.#at(lenBytes, offsetBytes));
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    return this.inner.readInto(bus, address, lenBytes, this.#at(lenBytes, offsetBytes));
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    return this.inner.writeFrom(bus, address, lenBytes, this.#at(lenBytes, offsetBytes));
  }

  writeThroughFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): DiscAnswer {
    return writeThrough(this.inner, bus, address, lenBytes, this.#at(lenBytes, offsetBytes));
  }

  /** Flushes the whole inner disc. */
  flush(): DiscAnswer {
    return this.inner.flush();
  }

  writeZeroes(lenBytes: number, offsetBytes: number): DiscAnswer {
    return this.inner.writeZeroes(lenBytes, this.#at(lenBytes, offsetBytes));
  }

  discard(lenBytes: number, offsetBytes: number): DiscAnswer {
    return discardOn(this.inner, lenBytes, this.#at(lenBytes, offsetBytes));
  }

  /** A partition keeps its size; without one, looks whether the inner disc still holds all of it. */
  resize(sizeBytes: number = this.sizeBytes): void | Promise<void> {
    if (sizeBytes !== this.sizeBytes) {
      throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", "a partition keeps its size");
    }
    const resized = this.inner.resize();
    return resized instanceof Promise ? resized.then(() => this.#checkHeld()) : this.#checkHeld();
  }

  /** Gives back what the inner disc holds in this thread. */
  async leave(): Promise<void> {
    await this.inner.leave?.();
  }

  /** Whether the inner disc still holds all of it. */
  #checkHeld(): void {
    const leftBytes = this.inner.sizeBytes - this.startBytes;
    if (this.sizeBytes <= leftBytes) return;
    throw new BlockptError(
      "ERR_BLOCKPT_DISC_SIZE",
      `the disc has become too short: it has ${Math.max(0, leftBytes)} of the partition's ` +
        `${this.sizeBytes} bytes`,
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const others = (openPartitions.get(this.inner) ?? 1) - 1;
    openPartitions.set(this.inner, others);
    if (others === 0) this.inner.close();
  }

  /** Where on the inner disc that is. Whoever calls has checked it; what is beside a partition is worth a second look. */
  #at(lenBytes: number, offsetBytes: number): number {
    assert(
      offsetBytes >= 0 && lenBytes >= 0 && lenBytes <= this.sizeBytes - offsetBytes,
      "a request is not inside its partition",
    );
    return this.startBytes + offsetBytes;
  }
}

/**
 * Checks what is to say which partition.
 *
 * @internal
 */
export function checkPartition(partition: number | string): void {
  if (typeof partition === "number") checkInteger("partition", partition, 1, MAX_NUMBER);
  else if (!UUID.test(partition)) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `partition is ${JSON.stringify(partition)}: a number, a GUID or xxxxxxxx-NN is wanted`,
    );
  }
}
