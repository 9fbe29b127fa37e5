// The errors of a file system by number and in words: those of Linux that the config tree gives, as a browser has none.

const ERRORS: Readonly<Record<string, readonly [number: number, text: string]>> = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  EIO: [5, "i/o error"],
  EBADF: [9, "bad file descriptor"],
  EACCES: [13, "permission denied"],
  EBUSY: [16, "resource busy or locked"],
  EEXIST: [17, "file already exists"],
  ENODEV: [19, "no such device"],
  ENOTDIR: [20, "not a directory"],
  EISDIR: [21, "illegal operation on a directory"],
  EINVAL: [22, "invalid argument"],
  EFBIG: [27, "file too large"],
  ENOSPC: [28, "no space left on device"],
  ERANGE: [34, "result too large"],
  ENOTEMPTY: [39, "directory not empty"],
  ELOOP: [40, "too many symbolic links encountered"],
  EPROTO: [71, "protocol error"],
  ETIMEDOUT: [110, "connection timed out"],
  EALREADY: [114, "connection already in progress"],
};

/** The number of an error, below 0; undefined for what is none. */
export function errnoOf(code: string): number | undefined {
  const number = ERRORS[code]?.[0];
  return number === undefined ? undefined : -number;
}

/** An error in words. */
export function errorText(errno: number): string | undefined {
  return Object.values(ERRORS).find(([number]) => number === -errno)?.[1];
}
