// What a driver implements for the block layer.

import type { Request } from "./request.js";

/**
 * The operations of a driver, after blk-mq. They are called on one thread, and only between
 * `GenDisk.add` and `remove`. One that throws has the request end as `BlkStatus.IOERR`, and its
 * program hears of the exception as of an uncaught one.
 *
 * @example
 * ```ts
 * import { BlockIo, GenDisk, type Operations, type Request, TagSet } from "blockpt";
 * import { BlkStatus, Operation, SECTOR_BYTES } from "blockpt/abi";
 *
 * // A disk whose sectors are in a Map, and which answers in the next turn of the event loop.
 * const sectors = new Map<number, Uint8Array>();
 *
 * function transfer(request: Request): void {
 *   let sector = request.startSector;
 *   for (const { bio, offset, length } of request.segments.slice(0, request.segmentCount)) {
 *     for (let at = offset; at < offset + length; at += SECTOR_BYTES, sector++) {
 *       const data = bio.buffer?.subarray(at, at + SECTOR_BYTES);
 *       if (request.opf === Operation.WRITE) sectors.set(sector, Uint8Array.from(data ?? []));
 *       else data?.set(sectors.get(sector) ?? new Uint8Array(SECTOR_BYTES));
 *     }
 *   }
 *   request.complete(BlkStatus.OK);
 * }
 *
 * const driver: Operations = {
 *   queueRq: (request) => {
 *     setImmediate(transfer, request);
 *     return BlkStatus.OK;
 *   },
 *   commitRqs: () => {}, // it needs no doorbell
 *   complete: () => {}, // queueRq took nothing
 *   timeout: () => true,
 *   poll: () => 0, // it cannot: so it has no calls that block
 * };
 * const options = { name: "map0", limits: { sectors: 2048 } };
 * const disk = new GenDisk(new TagSet(1, 32), driver, options).add();
 * const io = new BlockIo(disk);
 * await io.write(new Uint8Array(4096).fill(7), 8192);
 * console.log(sectors.size, sectors.get(16)?.[0]); // 8 7
 * disk.remove();
 * ```
 */
export interface Operations {
  /**
   * Hands a request to the device, which may end it at once: `request.complete(status)`. With
   * `isLast` no other follows for now: this is where the doorbell goes. The data of a read or a write is
   * in the segments, each `segment.bio.buffer` from `segment.offset` on for `segment.length` bytes;
   * other operations have `request.lenBytes` and no buffer.
   *
   * @returns one of `BlkStatus` (of `blockpt/abi`): OK if the device has it, and ends it later; RESOURCE
   * if there is no room now, and it is handed over again after a completion, or in halves if none is
   * outstanding; any other ends it
   */
  queueRq(request: Request, isLast: boolean): number;
  /** The last `queueRq` had no `isLast`, and none is to come: the device is told now. */
  commitRqs(hwQueue: number): void;
  /**
   * The device is done with a request that it had, or with one that was given up: takes the
   * data, if the status is `BlkStatus.OK`, and gives back what `queueRq` took. The tag is used
   * again after this. A segment whose buffer cannot take its data gets an error of its own.
   */
  complete(request: Request, status: number): void;
  /**
   * A request took too long. True gives it up: its users hear of it, the device keeps it, until
   * `request.complete` or `TagSet.reclaim`. False gives it as long again.
   */
  timeout(request: Request): boolean;
  /**
   * Looks for completions, for a thread that waits in a call; says how many there were. The
   * thread's event loop does not turn meanwhile: what completes in it alone cannot be waited for.
   *
   * @param waitMs - may block for about so long if there is none; 0 only looks
   */
  poll(hwQueue: number, waitMs: number): number;
  /** Whether a buffer may be added at the end of a request. All may, if a driver does not say. */
  mayMerge?(request: Request, buffer: Uint8Array): boolean;
}
