// The shell's own stdin as a file, `/dev/stdin`: a stream, as its path cannot be opened where it is a socket.

import type { Readable } from "node:stream";
import { FileError } from "../system-error.js";
import type { OpenFile } from "./files.js";

export const STDIN = "/dev/stdin";

/** What it is read from: `process.stdin`, or where statements come from that a stream with nothing in it. */
export type Stdin = NodeJS.ReadStream | Readable;

/** It is read from where the last one ended. */
export function openStdin(stdin: Stdin): OpenFile {
  if ("ref" in stdin) stdin.ref();
  const chunks = stdin.iterator({ destroyOnReturn: false });
  const nothing = async (): Promise<void> => {};
  let at = 0;
  const read = async (into: Uint8Array, offset: number, length: number): Promise<number> => {
    if (length === 0) return 0;
    const { value, done } = await chunks.next();
    if (done) return 0;
    const chunk = value as Buffer;
    const bytesRead = Math.min(chunk.length, length);
    into.set(chunk.subarray(0, bytesRead), offset);
    if (bytesRead < chunk.length) stdin.unshift(chunk.subarray(bytesRead));
    at += bytesRead;
    return bytesRead;
  };
  return {
    async read(into, offset = 0, length = into.length - offset, position = null) {
      // It has no positions: what is in front of one is read, and forgotten.
      while (position !== null && at < position) {
        const skipped = new Uint8Array(Math.min(position - at, 65536));
        if ((await read(skipped, 0, skipped.length)) === 0) break;
      }
      return { bytesRead: await read(into, offset, length) };
    },
    write: () => Promise.reject(new FileError("EBADF", STDIN)),
    datasync: nothing,
    sync: nothing,
    async close() {
      await chunks.return?.();
      // Whoever writes it may go on: nobody here waits for that.
      stdin.pause();
      if ("unref" in stdin) stdin.unref();
    },
  };
}
