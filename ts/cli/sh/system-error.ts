// What the shell says of an error of the config tree or of the machine: the words of the C library, as every
// command prints them, and after them what would have been accepted.

import { getSystemErrorMap } from "node:util";
import { ConfigError } from "blockpt";

/** An error as a shell tells it. */
export interface Told {
  readonly code: string;
  /** `Invalid argument`. */
  readonly text: string;
  /** What would be accepted; empty where nobody said. */
  readonly hint: string;
}

/** Where libuv's words, which Node has, are not the C library's. */
const TEXTS: Readonly<Record<string, string>> = {
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

export function tell(error: unknown): Told {
  if (error instanceof ShellFsError) return error.told;
  if (!(error instanceof Error)) return { code: "EIO", text: String(error), hint: "" };
  const { code = "EIO", errno } = error as NodeJS.ErrnoException;
  const text = TEXTS[code] ?? getSystemErrorMap().get(errno ?? 0)?.[1];
  if (text === undefined) return { code, text: error.message, hint: "" };
  return { code, text, hint: error instanceof ConfigError ? hintOf(error) : "" };
}

/** `Invalid argument: "x" is no number`. */
export function sentence({ text, hint }: Told): string {
  return hint === "" ? text : `${text}: ${hint}`;
}

/** What stands behind the path in the message. */
function hintOf({ message, path }: ConfigError): string {
  const end = `'${path}': `;
  const at = message.indexOf(end);
  return at < 0 ? "" : message.slice(at + end.length);
}

/** Codes that just-bash looks for in a message, to say it in its own words. */
const KNOWN_TO_SHELL = new Set(["ENOENT", "EEXIST", "ENOTEMPTY", "EISDIR"]);

/** An error as just-bash takes it: what it does not know it prints as it is. */
export class ShellFsError extends Error {
  override readonly name = "ShellFsError";
  readonly code: string;
  readonly told: Told;

  constructor(told: Told, path: string) {
    super(KNOWN_TO_SHELL.has(told.code) ? `${told.code}: ${told.text}, '${path}'` : sentence(told));
    this.code = told.code;
    this.told = told;
  }
}
