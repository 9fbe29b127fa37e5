// Generated from crates/core by `npm run generate:abi`. Do not edit.

/** 32-bit words of a request record. */
export const REQUEST_WORDS = 8;

/** 32-bit words of a completion record. */
export const COMPLETION_WORDS = 2;

/** How many things a device queue counts. */
export const COUNTERS = 7;

/** Records in one list. A longer batch takes several calls. */
export const LIST_CAPACITY = 256;

/**
 * Completions after which a device queue publishes within a batch: the
 * driver works on the first while the device works on the next.
 */
export const LIST_PUBLISH_EVERY = 4;

/** The same in bytes that were moved, for requests of which fewer take as long. */
export const LIST_PUBLISH_BYTES = 16384;

/** Bytes of a page of host memory, the grain of the IOMMU. */
export const HOST_PAGE_BYTES = 4096;

/** Fields of a request record, in 32-bit words. */
export const RequestWord = {
  /** First sector, low half. */
  startSectorLow: 0,
  /** First sector, high half. */
  startSectorHigh: 1,
  /** Bus address of the data; 0 in a device's request that moves none. */
  address: 2,
  /** Bytes. */
  lenBytes: 3,
  /** Operation, one of `operation`. */
  opf: 4,
  /**
   * Driver: the caller's mark, given back with the completion.
   * Device: the index of the descriptor.
   */
  tag: 5,
  /**
   * Driver: descriptor flags, to which the queue adds *in use*.
   * Device: FUA on a write that has it, else 0.
   */
  flags: 6,
  /** Result, where a descriptor is decoded; 0 in a request. */
  status: 7,
} as const;

/** Fields of a completion record, in 32-bit words. */
export const CompletionWord = {
  /** Driver: the mark of the request. Device: the index of the descriptor. */
  tag: 0,
  /** One of `blk_status`. */
  status: 1,
} as const;

/** What a device queue counts, in 64-bit words of floating point. */
export const Counter = {
  /** Reads answered OK. */
  reads: 0,
  /** Writes answered OK. */
  writes: 1,
  /** Flushes answered OK. */
  flushes: 2,
  /** Discards and writes of zeroes answered OK. */
  discards: 3,
  /** Bytes of the reads. */
  bytesRead: 4,
  /** Bytes of the writes. */
  bytesWritten: 5,
  /** Descriptors answered with any other status, the malformed ones included. */
  errors: 6,
} as const;

/** Why a queue can go no further; engines give them as negative numbers. */
export const QueueFault = {
  /**
   * A ring's `idx` is not below the number of descriptors, or the device ring's claims
   * more completions than are outstanding.
   */
  RING_INDEX: 1,
  /** A ring holds an index of no descriptor. */
  DESCRIPTOR_INDEX: 2,
  /**
   * A ring holds the index of a descriptor whose turn it is not: one still
   * in service on the driver ring, one not outstanding on the device ring.
   */
  DESCRIPTOR_STATE: 3,
  /** The device ring's `idx` is `RING_GONE`: the endpoint has left the queue. */
  GONE: 4,
} as const;
