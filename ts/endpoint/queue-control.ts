// The words by which an endpoint and the worker of one of its queues speak. They
// are in a memory of their own: nothing of this is on the bus.

import { QueueTotals } from "./queue-totals.js";

/** Indices of the words. */
export const QueueControl = {
  /** One of `QueueState`; the worker of a queue without a doorbell sleeps on it. */
  state: 0,
  /** The MSI-X vector to raise, counted from 1; 0 is none. */
  irq: 1,
  /** How often something below was changed, the disc's size, its faults or the link's, and how many of these the worker has taken. */
  changes: 2,
  changesTaken: 3,
} as const;

/** Where the disc's size is, in 64-bit words: in sectors, as of the start or the last resize. */
export const CONTROL_SECTORS = 2;

/** Where `QueueTotals` are, in bytes. */
export const CONTROL_TOTALS = 24;

/** Bytes of the words. */
export const QUEUE_CONTROL_BYTES = CONTROL_TOTALS + QueueTotals.bytes;

/** What a queue's worker is to do. */
export const QueueState = { serve: 0, stop: 1 } as const;
