// The words by which an endpoint and the worker of one of its queues speak. They
// are in a memory of their own: nothing of this is on the bus.

/** Indices of the words. */
export const QueueControl = {
  /** One of `QueueState`; the worker sleeps on it. */
  state: 0,
  /** The MSI-X vector to raise, counted from 1; 0 is none. */
  irq: 1,
} as const;

/** Bytes of the words. */
export const QUEUE_CONTROL_BYTES = 8;

/** What a queue's worker is to do. */
export const QueueState = { serve: 0, stop: 1 } as const;
