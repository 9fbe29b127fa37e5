// The one error type of the library, and its codes, which are API.

/**
 * What went wrong. Codes are stable, messages are not.
 *
 * | code | meaning |
 * |---|---|
 * | `ERR_BLOCKPT_INVALID_ARGUMENT` | an argument is outside its documented range |
 * | `ERR_BLOCKPT_UNALIGNED` | an offset or a length is not a multiple of 512 bytes |
 * | `ERR_BLOCKPT_OUT_OF_RANGE` | a request goes past the end of the disk |
 * | `ERR_BLOCKPT_READ_ONLY` | a write to a disk that may only be read |
 * | `ERR_BLOCKPT_NO_SUCH_DISC` | no disc of that name is exported, or attached |
 * | `ERR_BLOCKPT_ALREADY_ATTACHED` | the disc is attached already |
 * | `ERR_BLOCKPT_BUSY` | requests are in flight, the disc is attached, or its file is open elsewhere |
 * | `ERR_BLOCKPT_DETACHED` | the disk was detached |
 * | `ERR_BLOCKPT_BAR_TOO_SMALL` | the BAR has no room for the registers, the MSI-X table and one queue |
 * | `ERR_BLOCKPT_NO_SPACE` | a region of the bus is full: host memory, endpoint memory, workspace, descriptor space or vectors |
 * | `ERR_BLOCKPT_DISC_OPEN` | a disc's file, its export on an NBD server, its image on an HTTP server, or its module cannot be opened; `cause` says why |
 * | `ERR_BLOCKPT_DISC_SIZE` | a disc is empty, not a multiple of 512 bytes, or too large |
 * | `ERR_BLOCKPT_PARTITION` | no such partition, or no partition table that makes sense |
 * | `ERR_BLOCKPT_NAME` | a name cannot stand in the protocol's register |
 * | `ERR_BLOCKPT_EXISTS` | that name is exported already |
 * | `ERR_BLOCKPT_TOO_MANY_DISCS` | an endpoint exports at most 16 discs |
 * | `ERR_BLOCKPT_STATE` | the call does not fit the state: started twice, not started, closed already |
 * | `ERR_BLOCKPT_ENGINE` | the engine cannot be loaded; `cause` says why |
 * | `ERR_BLOCKPT_NO_ENDPOINT` | no endpoint answers on the bus |
 * | `ERR_BLOCKPT_COMMAND` | the endpoint answered a command with an error |
 * | `ERR_BLOCKPT_COMMAND_TIMEOUT` | the endpoint did not answer a command in time |
 * | `ERR_BLOCKPT_PROTOCOL` | the other side broke the protocol |
 * | `ERR_BLOCKPT_IO` | the device answered a request with an error; `blkStatus` is its status |
 * | `ERR_BLOCKPT_TIMEOUT` | the device did not answer a request in time |
 * | `ERR_BLOCKPT_OFFLINE` | the endpoint is gone, or has left the queue; the disk re-attaches when it is back |
 * | `ERR_BLOCKPT_LISTEN` | an NBD server cannot listen where it shall, or with those certificates; `cause` says why |
 * | `ERR_BLOCKPT_TRACE_FILE` | a trace file cannot be written or read, or is none; `cause` says why |
 * | `ERR_BLOCKPT_NOT_SUPPORTED` | the device does not offer that operation; or there is no such thing here, as files in a browser |
 * | `ERR_BLOCKPT_NOT_ISOLATED` | a page that is not cross-origin isolated has no shared memory; the message says which headers are missing |
 */
export type BlockptErrorCode = `ERR_BLOCKPT_${
  | "INVALID_ARGUMENT"
  | "UNALIGNED"
  | "OUT_OF_RANGE"
  | "READ_ONLY"
  | "NO_SUCH_DISC"
  | "ALREADY_ATTACHED"
  | "BUSY"
  | "DETACHED"
  | "BAR_TOO_SMALL"
  | "NO_SPACE"
  | "DISC_OPEN"
  | "DISC_SIZE"
  | "PARTITION"
  | "NAME"
  | "EXISTS"
  | "TOO_MANY_DISCS"
  | "STATE"
  | "ENGINE"
  | "NO_ENDPOINT"
  | "COMMAND"
  | "COMMAND_TIMEOUT"
  | "PROTOCOL"
  | "IO"
  | "TIMEOUT"
  | "OFFLINE"
  | "LISTEN"
  | "TRACE_FILE"
  | "NOT_SUPPORTED"
  | "NOT_ISOLATED"}`;

/** Every error that this library throws on purpose. */
export class BlockptError extends Error {
  /** `BlockptError`. */
  override readonly name = "BlockptError";
  /** What went wrong; stable. */
  readonly code: BlockptErrorCode;
  /** The device's status of the request, one of `BlkStatus`, where it gave one. */
  readonly blkStatus: number | undefined;

  /** @internal */
  constructor(
    code: BlockptErrorCode,
    message: string,
    details: { blkStatus?: number; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.blkStatus = details.blkStatus;
  }
}

/**
 * Checks that a number is a whole one within limits.
 *
 * @internal
 */
export function checkInteger(what: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `${what} is ${value}: a whole number from ${least} to ${most} is wanted`,
    );
  }
}

/**
 * A bug of this library, not of its caller or the other side.
 *
 * @internal
 */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`blockpt, internal: ${what}`);
}

/**
 * Calls a callback of the user's. What it throws is his program's to hear of, as an uncaught
 * exception, and does not end the loop that called.
 *
 * @internal
 */
export function callBack<T>(callback: ((value: T) => void) | undefined, value: T): void {
  try {
    callback?.(value);
  } catch (error) {
    throwUncaught(error);
  }
}

/**
 * Has an error of the user's code end as an uncaught exception of his program.
 *
 * @internal
 */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
