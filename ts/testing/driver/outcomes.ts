// What comes of a request or a command, in a word.

import { BlkStatus, Status } from "../../abi/layout.js";

/** The queue is served no more until STOP (protocol, section 3). */
export const STOPPED = "queue stopped";
/** A command failed. */
export const REFUSED = "ERROR";
/** SET_QUEUE was given a queue that cannot be. */
export const NO_QUEUE = "ERROR, QUEUE_ADDRESS_INVALID";

/** The names of the bits of `status`. */
export function statusName(status: number): string {
  const known = Object.entries(Status).filter(([, bit]) => (status & bit) !== 0);
  const rest = known.reduce((left, [, bit]) => left & ~bit, status) >>> 0;
  const names = known.map(([name]) => name);
  return [...names, ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])].join(", ");
}

/** The name of a request's status. */
export function blkStatusName(status: number | undefined): string {
  const known = Object.entries(BlkStatus).find(([, value]) => value === status);
  return known?.[0] ?? `status ${status}`;
}
