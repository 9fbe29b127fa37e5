// What an engine is: the hot path behind one small interface, so that WebAssembly,
// TypeScript and native code are interchangeable and tested by one suite.
//
// An engine is told queues and ranges. It knows nothing of discs, names,
// interrupts or configuration. Offsets are bytes in the bus's buffer.

/** Which engine. */
export type EngineKind = "wasm" | "typescript";

/** A range of the bus. */
export interface BusRange {
  /** First byte: a bus address. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** Where a queue's parts are in the bus. */
export interface QueueGeometry {
  /** The descriptors; a multiple of 8. */
  readonly descriptors: number;
  /** The driver ring; even. */
  readonly driverRing: number;
  /** The device ring; even. */
  readonly deviceRing: number;
  /** 16 to 65535. */
  readonly numDescriptors: number;
}

/** What a device queue checks descriptors against. */
export interface DeviceLimits {
  /** Sectors of the disc. */
  readonly numSectors: number;
  /** Most bytes of one transfer. */
  readonly maxLenBytes: number;
  /** Whether whatever changes the disc is refused. */
  readonly readOnly: boolean;
  /** What is enabled on the queue, of `Feature`; an operation that is not is answered NOTSUPP. */
  readonly features: number;
  /** The host memory that may be reached. */
  readonly hostMemory: BusRange;
  /** The table of the IOMMU, 0 where there is none. */
  readonly iommuTable: number;
}

/**
 * The driver's end of a queue (protocol, section 3): allocate, fill, publish, reap.
 * Used by one thread alone.
 */
export interface DriverQueue {
  /** How many more requests fit now. */
  readonly available: number;
  /** Where the driver ring is, of all that was put: once everything is completed the device ring is there, too. */
  readonly position: number;
  /**
   * Adds a request; the device need not see it before `publish`. The caller keeps
   * `available` from passing below 0.
   *
   * @param startSector - first sector, to 2^53 − 1
   * @param flags - of `DescriptorFlag`, besides *in use*: FUA or 0
   * @param tag - comes back with the completion; below 2^32 − 1
   */
  put(
    startSector: number,
    address: number,
    lenBytes: number,
    opf: number,
    flags: number,
    tag: number,
  ): void;
  /** Shows the device all that was put. */
  publish(): void;
  /**
   * Takes completions into `completions`, and frees their descriptors; says how
   * many, at most a list's length, or a `QueueFault` as a negative number, for good.
   */
  reap(): number;
  /** `reap`'s list, of `CompletionWord` records. */
  readonly completions: Uint32Array;
  /** Gives back what the queue takes of the engine; the queue is of no more use. */
  close(): void;
}

/**
 * The device's end of a queue (protocol, section 3): fetch a batch, check it,
 * complete it. Used by one thread alone.
 */
export interface DeviceQueue {
  /**
   * Takes new descriptors, checks a copy of each, and puts the good ones in
   * `requests`; a malformed one is answered at once (section 4). Looks `polls`
   * times at an empty ring. Says how many are in the list, or a `QueueFault` as a
   * negative number, for good. Throws unless `polls` is from 0 to 2^31 − 1.
   */
  fetch(polls: number): number;
  /**
   * `fetch`'s list, of `RequestWord` records: `tag` is the descriptor's index, `flags` FUA or 0, and
   * what the operation has no use for is 0.
   */
  readonly requests: Uint32Array;
  /** `complete`'s list, of `CompletionWord` records. */
  readonly completions: Uint32Array;
  /** Answers the first `count` records of `completions`, and publishes them. */
  complete(count: number): void;
  /**
   * Serves new descriptors from a disc that lies in the bus, at most `most`; says how
   * many, or a `QueueFault` as a negative number, for good. Throws if the disc is not inside the
   * bus, or shorter than its sectors.
   *
   * @param pio - copy word by word rather than in bulk
   */
  serve(disc: BusRange, pio: boolean, polls: number, most: number): number;
  /**
   * Answers new descriptors without moving a byte, at most `most`, as a disc does that is only there to be
   * asked; says how many, or a `QueueFault` as a negative number, for good.
   */
  answer(polls: number, most: number): number;
  /**
   * The disc has another size from here on; checked against from the next descriptor on. Throws
   * unless it is a whole number of sectors.
   */
  resize(numSectors: number): void;
  /** How many descriptors were answered, modulo 2^32. */
  readonly completed: number;
  /**
   * What was done since the queue was opened, of `Counter` words: descriptors are counted as they are
   * answered. Read only, and by the queue's thread.
   */
  readonly counters: Float64Array;
  /** Gives back what the queue takes of the engine; the queue is of no more use. */
  close(): void;
}

/**
 * The hot path of one thread over one bus.
 *
 * `list` and the functions that use it are the pieces a queue is made of, for
 * whoever builds something else: an inspector, a hostile peer, a benchmark.
 */
export interface Engine {
  /** Which engine this is. */
  readonly kind: EngineKind;
  /** Copies within the bus, bulk; the ranges may overlap. Throws outside the bus. */
  copy(target: number, source: number, lenBytes: number): void;
  /** Copies within the bus, 32-bit word by word (PIO); the ranges do not overlap. Throws outside the bus. */
  copyWords(target: number, source: number, lenBytes: number): void;
  /** Sets every byte of a range. Throws outside the bus. */
  fill(offset: number, value: number, lenBytes: number): void;
  /**
   * Opens the driver's end of a queue, both of whose rings are at `position`: 0 for a queue that is
   * new, else where a driver before this one left them. The driver ring's `idx` is set.
   */
  openDriverQueue(geometry: QueueGeometry, position?: number | undefined): DriverQueue;
  /** Opens the device's end of a queue. */
  openDeviceQueue(geometry: QueueGeometry, limits: DeviceLimits): DeviceQueue;
  /** Room for 256 `RequestWord` records, or as many entries of a ring. */
  readonly list: Uint32Array;
  /** Writes the first `count` records of `list` as descriptors from `table` on. */
  encodeDescriptors(table: number, count: number): void;
  /** Reads `count` descriptors from `table` on into `list`; `tag` counts them. */
  decodeDescriptors(table: number, count: number): void;
  /** Pushes `count` entries of `list` from `position` on, and publishes; gives the new position. */
  pushRing(ring: number, numDescriptors: number, position: number, count: number): number;
  /** Pops up to `capacity` entries into `list`; says how many, or a `QueueFault` as a negative number. */
  popRing(ring: number, numDescriptors: number, position: number, capacity: number): number;
  /** Gives back what the engine takes of the bus; the engine is of no more use. */
  close(): void;
}
