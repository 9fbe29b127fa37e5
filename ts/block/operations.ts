// What a driver implements for the block layer.

import type { Request } from "./request.js";

/**
 * The operations of a driver, after blk-mq. They are called on one thread, and only between
 * `GenDisk.add` and `remove`.
 */
export interface Operations {
  /**
   * Hands a request to the device, which may end it at once: `request.complete(status)`. With
   * `isLast` no other follows for now: this is where the doorbell goes.
   *
   * @returns `BlkStatus.OK` if the device has it; `BlkStatus.RESOURCE` if there is no room now,
   * and it is handed over again after a completion; any other status ends it
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
  /** A request took too long. True gives it up: its users hear of it, the device keeps it. */
  timeout(request: Request): boolean;
  /**
   * Looks for completions, for a thread that waits in the call; says how many there were.
   *
   * @param waitMs - may block for about so long if there is none; 0 only looks
   */
  poll(hwQueue: number, waitMs: number): number;
  /** Whether a buffer may be added at the end of a request. All may, if a driver does not say. */
  mayMerge?(request: Request, buffer: Uint8Array): boolean;
}
