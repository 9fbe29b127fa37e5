// What somebody writes who has a disc of his own: the few calls behind a `ModuleDisc`.

/**
 * Where a disc's bytes come from and go to: what the `openDisc` of a module gives to a `ModuleDisc`.
 *
 * Offsets and lengths are bytes, within the disc, and multiples of its blocks. Several calls are made before the first of
 * them has answered, unless the source answers at once, and nothing says in which order they have to be done.
 *
 * What a call throws, or its promise is rejected with, fails that one request: with the error's `blkStatus`, if that is one
 * of `BlkStatus` of `blockpt/abi`, else with `IOERR`.
 */
export interface DiscSource {
  /** Size in bytes: a multiple of its blocks, and the same in every thread. */
  readonly sizeBytes: number;
  /** Whether it may only be read. Default: so it is, if it has no `write`. */
  readonly readOnly?: boolean | undefined;
  /** Bytes of its blocks: 512, or a larger power of two. Default 512. */
  readonly logicalBlockBytes?: number | undefined;
  /**
   * Whether it may answer by promises. Default true: a queue then has many requests in flight, and gives the source bytes
   * of its own, which are copied. False for one that answers at once: it gets views of host memory itself, without a
   * copy, and a queue's requests one after the other. It must answer all at once then.
   */
  readonly asynchronous?: boolean | undefined;
  /**
   * Fills `into` with what is at `offsetBytes`.
   *
   * @param into - of a source that answers at once a view of a `SharedArrayBuffer`: the other side can change what is
   * there at any time, and some functions, as those of `TextDecoder` and `fetch`, take no such view. It is not to be touched any
   * more when the call has ended
   * @returns nothing, or how many bytes were read: for the rest it is called again. 0 is where the medium ends, and fails
   * the request with `MEDIUM`
   */
  read(into: Uint8Array, offsetBytes: number): DiscSourceAmount | Promise<DiscSourceAmount>;
  /**
   * Writes what is in `from`. Absent for a disc that may only be read.
   *
   * @param from - as `into` of `read`: what the other side can change may be another value each time that it is read.
   * `from.slice()` is a copy of your own
   * @returns as `read` does
   */
  write?(from: Uint8Array, offsetBytes: number): DiscSourceAmount | Promise<DiscSourceAmount>;
  /** What was written is on stable storage after this. Absent where a write is so once it has answered. */
  flush?(): void | Promise<void>;
  /** What is in a range is not needed any more. Absent where nothing comes of that. */
  discard?(lenBytes: number, offsetBytes: number): void | Promise<void>;
  /** Gives back what it holds in this thread. What has not answered yet has failed already. */
  close?(): void | Promise<void>;
}

/** How many bytes were moved, or nothing for all of them. */
// biome-ignore lint/suspicious/noConfusingVoidType: a method that returns nothing is one that moved all
export type DiscSourceAmount = number | void;
