// What the shell says of an error of the config tree or of the machine: the words of the C library, as every
// command prints them, and after them what would have been accepted.

import { getSystemErrorMap } from "node:util";
import { ConfigError } from "blockpt";

/** Where libuv's words, which Node has, are not the C library's. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EALREADY: "Operation already in progress",
  EBADF: "Bad file descriptor",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  EFBIG: "File too large",
  EINVAL: "Invalid argument",
  EIO: "Input/output error",
  EISDIR: "Is a directory",
  ELOOP: "Too many levels of symbolic links",
  ENODEV: "No such device",
  ENOENT: "No such file or directory",
  ENOSPC: "No space left on device",
  ENOTDIR: "Not a directory",
  ENOTEMPTY: "Directory not empty",
  EPERM: "Operation not permitted",
  EPROTO: "Protocol error",
  ERANGE: "Numerical result out of range",
  EROFS: "Read-only file system",
  ETIMEDOUT: "Connection timed out",
  EXDEV: "Invalid cross-device link",
};

/** Codes that just-bash looks for in a message, to say it in its own words. */
const KNOWN_TO_JUST_BASH = new Set(["ENOENT", "EEXIST", "ENOTEMPTY", "EISDIR"]);

/** An error of the shell's file system. Its message is what a command of just-bash prints. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: string;
  /** `Invalid argument: "x" is no number`. */
  readonly reason: string;

  /** @param hint - what would be accepted */
  constructor(code: string, path: string, hint = "", words = WORDS[code] ?? code) {
    const reason = hint === "" ? words : `${words}: ${hint}`;
    super(KNOWN_TO_JUST_BASH.has(code) ? `${code}: ${reason}, '${path}'` : reason);
    this.code = code;
    this.reason = reason;
  }

  /** What an error of the tree or of the machine is. */
  static of(error: unknown, path = ""): FileError {
    if (error instanceof FileError) return error;
    if (!(error instanceof Error)) return new FileError("EIO", path, String(error));
    const { code = "EIO", errno = 0 } = error as NodeJS.ErrnoException;
    const words = WORDS[code] ?? getSystemErrorMap().get(errno)?.[1] ?? error.message;
    return new FileError(code, path, error instanceof ConfigError ? hintOf(error) : "", words);
  }
}

/** What stands behind the path in the message. */
function hintOf({ message, path }: ConfigError): string {
  const end = `'${path}': `;
  const at = message.indexOf(end);
  return at < 0 ? "" : message.slice(at + end.length);
}
