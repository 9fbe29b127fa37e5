// Answers, as they are on the wire. Each function writes one from a place in memory on, and gives its bytes.

import {
  NbdError,
  OFFSET_DATA_BYTES,
  REPLY_FLAG_DONE,
  ReplyType,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_BYTES,
  STRUCTURED_REPLY_MAGIC,
} from "../protocol.js";
import type { Extent } from "./scanner.js";

/** The client's name for a request, in two words. */
export interface Cookie {
  readonly cookieHigh: number;
  readonly cookieLow: number;
}

/** What stands before the data of a read, in a chunk. */
export const DATA_HEAD_BYTES = STRUCTURED_REPLY_BYTES + OFFSET_DATA_BYTES;
/** An error, the length of a message, which there is not, and where it was. */
const ERROR_BYTES = 6;
const ERROR_OFFSET_BYTES = ERROR_BYTES + 8;
/** The most that an error takes, of either kind. */
export const MOST_ERROR_BYTES = STRUCTURED_REPLY_BYTES + ERROR_OFFSET_BYTES;

/** The number of the one metadata context that there is. */
export const ALLOCATION_CONTEXT = 1;
const EXTENT_BYTES = 8;

/** A simple answer, or what stands before the data of one. */
export function writeSimple(view: DataView, at: number, cookie: Cookie, error: number): number {
  view.setUint32(at, SIMPLE_REPLY_MAGIC);
  view.setUint32(at + 4, error);
  view.setUint32(at + 8, cookie.cookieHigh);
  view.setUint32(at + 12, cookie.cookieLow);
  return SIMPLE_REPLY_BYTES;
}

/** What stands before the data of a part of the disk; the bytes are those of both. */
export function writeDataHead(
  view: DataView,
  at: number,
  cookie: Cookie,
  part: { readonly offset: number; readonly bytes: number; readonly isLast: boolean },
): number {
  const payload = OFFSET_DATA_BYTES + part.bytes;
  writeOffset(view, at + STRUCTURED_REPLY_BYTES, part.offset);
  return writeChunkHead(view, at, cookie, ReplyType.OFFSET_DATA, part.isLast, payload);
}

/** An error of a whole request, which ends it. */
export function writeError(view: DataView, at: number, cookie: Cookie, error: number): number {
  writeErrorValue(view, at + STRUCTURED_REPLY_BYTES, error);
  return writeChunkHead(view, at, cookie, ReplyType.ERROR, true, ERROR_BYTES);
}

/** An error of a part of a read. */
export function writeErrorAt(
  view: DataView,
  at: number,
  cookie: Cookie,
  error: number,
  part: { readonly offset: number; readonly isLast: boolean },
): number {
  writeErrorValue(view, at + STRUCTURED_REPLY_BYTES, error);
  writeOffset(view, at + STRUCTURED_REPLY_BYTES + ERROR_BYTES, part.offset);
  return writeChunkHead(view, at, cookie, ReplyType.ERROR_OFFSET, part.isLast, ERROR_OFFSET_BYTES);
}

/** The answer to BLOCK_STATUS. */
export function writeExtents(
  view: DataView,
  at: number,
  cookie: Cookie,
  extents: readonly Extent[],
): number {
  let next = at + STRUCTURED_REPLY_BYTES;
  view.setUint32(next, ALLOCATION_CONTEXT);
  next += 4;
  for (const { length, state } of extents) {
    view.setUint32(next, length);
    view.setUint32(next + 4, state);
    next += EXTENT_BYTES;
  }
  const payload = next - at - STRUCTURED_REPLY_BYTES;
  return writeChunkHead(view, at, cookie, ReplyType.BLOCK_STATUS, true, payload);
}

/** What the answer to BLOCK_STATUS takes. */
export function extentsBytes(count: number): number {
  return STRUCTURED_REPLY_BYTES + 4 + count * EXTENT_BYTES;
}

function writeChunkHead(
  view: DataView,
  at: number,
  { cookieHigh, cookieLow }: Cookie,
  type: number,
  isLast: boolean,
  payloadBytes: number,
): number {
  view.setUint32(at, STRUCTURED_REPLY_MAGIC);
  view.setUint16(at + 4, isLast ? REPLY_FLAG_DONE : 0);
  view.setUint16(at + 6, type);
  view.setUint32(at + 8, cookieHigh);
  view.setUint32(at + 12, cookieLow);
  view.setUint32(at + 16, payloadBytes);
  return STRUCTURED_REPLY_BYTES + payloadBytes;
}

function writeErrorValue(view: DataView, at: number, error: number): void {
  view.setUint32(at, error || NbdError.EIO);
  view.setUint16(at + 4, 0);
}

function writeOffset(view: DataView, at: number, offset: number): void {
  view.setUint32(at, Math.floor(offset / 2 ** 32));
  view.setUint32(at + 4, offset % 2 ** 32);
}
