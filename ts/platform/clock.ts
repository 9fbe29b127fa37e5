// A clock that all threads of the process share: in Node.

import { hrtime } from "node:process";

/** Microseconds of a clock that only goes on, and shows the same in all threads. */
export function sharedClockUs(): number {
  return Number(hrtime.bigint()) / 1000;
}
