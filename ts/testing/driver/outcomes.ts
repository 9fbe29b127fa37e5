// What comes of a request or a command, in a word.

import { BlkStatus, Status } from "../../abi/layout.js";
import { bitNames, nameOf } from "../../abi/names.js";

/** The queue is served no more until STOP (protocol, section 3). */
export const STOPPED = "queue stopped";
/** A command failed. */
export const REFUSED = "ERROR";
/** SET_QUEUE was given a queue that cannot be. */
export const NO_QUEUE = "ERROR, QUEUE_ADDRESS_INVALID";

/** The names of the bits of `status`. */
export function statusName(status: number): string {
  return bitNames(Status, status).join(", ");
}

/** The name of a request's status. */
export function blkStatusName(status: number | undefined): string {
  return nameOf(BlkStatus, status) ?? `status ${status}`;
}
