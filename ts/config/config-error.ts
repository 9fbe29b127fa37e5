// What a call of the config tree fails with: the errors of a file system, as `node:fs` gives them,
// with a word about what would be accepted.

import { BlockptError, type BlockptErrorCode } from "../errors.js";
import { errnoOf, errorText } from "../platform/system-errors.js";

/**
 * An error of the config tree, in the shape of an error of `node:fs`.
 *
 * | code | meaning |
 * |---|---|
 * | `ENOENT` | nothing is there; also a disc's file that is not there |
 * | `EEXIST` | the name is taken |
 * | `EINVAL` | the value does not parse, or makes no sense |
 * | `ERANGE` | a number is too large for its attribute, as the kernel's `kstrtou16` answers |
 * | `EBUSY` | not while it is bound, started or attached |
 * | `EALREADY` | it is so already: started, stopped, attached, detached |
 * | `EPERM` | directories, links or removals have no place there |
 * | `EACCES` | an attribute that is only read; a file that may not be opened |
 * | `EBADF` | a disk that was closed, or is written though it was opened for reading |
 * | `EFBIG` | a disk that is too large to be read in one go |
 * | `ENOTDIR`, `EISDIR`, `ENOTEMPTY`, `ELOOP` | as everywhere |
 * | `ENOSPC` | the 17th disc; no room in the BAR, in a memory of the bus, or for queues |
 * | `ENODEV`, `ETIMEDOUT`, `EIO`, `EPROTO` | the other side of the bus is not there, does not answer, or answers wrongly |
 */
export class ConfigError extends Error {
  /** `ConfigError`. */
  override readonly name = "ConfigError";
  /** As of a system call: `ENOENT`. */
  readonly code: string;
  /** The code as a number, below 0. */
  readonly errno: number;
  /** What was tried: `mkdir`, `write`. */
  readonly syscall: string;
  /** With what. */
  readonly path: string;

  /** @internal */
  constructor(refusal: Refusal, syscall: string, path: string) {
    const errno = errnoOf(refusal.code) ?? (errnoOf("EINVAL") as number);
    const text = errorText(errno) ?? refusal.code;
    const why = refusal.message === "" ? "" : `: ${refusal.message}`;
    super(
      `${refusal.code}: ${text}, ${syscall} '${path}'${why}`,
      refusal.cause === undefined ? undefined : { cause: refusal.cause },
    );
    this.code = refusal.code;
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}

/** Why a node of the tree refuses something; the tree knows the path, and makes a `ConfigError` of it. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message = "", cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The library's errors as a file system's. */
const CODES: Readonly<Partial<Record<BlockptErrorCode, string>>> = {
  ERR_BLOCKPT_NO_SUCH_DISC: "ENOENT",
  ERR_BLOCKPT_EXISTS: "EEXIST",
  ERR_BLOCKPT_ALREADY_ATTACHED: "EALREADY",
  ERR_BLOCKPT_BUSY: "EBUSY",
  ERR_BLOCKPT_STATE: "EBUSY",
  ERR_BLOCKPT_READ_ONLY: "EPERM",
  ERR_BLOCKPT_NO_SPACE: "ENOSPC",
  ERR_BLOCKPT_BAR_TOO_SMALL: "ENOSPC",
  ERR_BLOCKPT_TOO_MANY_DISCS: "ENOSPC",
  ERR_BLOCKPT_NO_ENDPOINT: "ENODEV",
  ERR_BLOCKPT_OFFLINE: "ENODEV",
  ERR_BLOCKPT_DETACHED: "ENODEV",
  ERR_BLOCKPT_COMMAND_TIMEOUT: "ETIMEDOUT",
  ERR_BLOCKPT_TIMEOUT: "ETIMEDOUT",
  ERR_BLOCKPT_COMMAND: "EIO",
  ERR_BLOCKPT_IO: "EIO",
  ERR_BLOCKPT_PROTOCOL: "EPROTO",
};

/** What made a call fail, as a refusal; what is no failure of the outside is a bug, and stays what it is. */
function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof BlockptError) {
    const inner = (error.cause as NodeJS.ErrnoException | undefined)?.code;
    const isSystem = inner !== undefined && errnoOf(inner) !== undefined;
    return new Refusal(isSystem ? inner : (CODES[error.code] ?? "EINVAL"), error.message, error);
  }
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof Error && code !== undefined && errnoOf(code) !== undefined) {
    return new Refusal(code, error.message, error);
  }
  return undefined;
}

/** Does something, and has what it is refused with name the call and the path. */
export async function guarded<T>(
  syscall: string,
  path: string,
  task: () => T | Promise<T>,
): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw failureOf(error, syscall, path);
  }
}

/** What a call fails with, for what it was refused with. */
export function failureOf(error: unknown, syscall: string, path: string): unknown {
  // What is said of a disk already is not said again around it.
  if (error instanceof ConfigError) return error;
  const refusal = refusalOf(error);
  return refusal === undefined ? error : new ConfigError(refusal, syscall, path);
}
