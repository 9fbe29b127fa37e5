// A request of a client, and what the specification lets it be.

import { Feature } from "../../abi/layout.js";
import {
  Command,
  CommandFlag,
  MAX_PAYLOAD_BYTES,
  NbdError,
  TransmissionFlag,
} from "../protocol.js";
import { isReadOnly, type NbdExport, outOfRange } from "./export.js";
import type { Cookie } from "./reply.js";
import type { Span } from "./span-ring.js";

/** A request that was read off the wire, until it is answered. */
export interface NbdRequest extends Cookie {
  readonly command: number;
  readonly flags: number;
  /** Bytes. Of 2^53 and above only so much is known, and that is past the end of every disk. */
  readonly offset: number;
  readonly length: number;
  /** What it is answered with: one of `NbdError`, or 0. */
  error: number;
  /** Parts of it that the disk has not done, or that are to come. */
  parts: number;
  /** Whether it is to be on stable storage when it is answered, and is not yet. */
  needsFlush: boolean;
  /** Room for its answer; of a read whose data comes its parts have it. */
  span: Span | undefined;
}

/** What was agreed on with a client. */
export interface Agreement {
  readonly exported: NbdExport;
  /** Bits of `TransmissionFlag`. */
  readonly offered: number;
  /** Whether reads are answered in chunks. */
  readonly structured: boolean;
  /** Whether the client has selected `base:allocation`. */
  readonly blockStatus: boolean;
}

/** Most bytes of a read that is done in one piece: it is refused above that with DF, and done part after part without chunks. */
const MOST_WHOLE_BYTES = 1024 * 1024;

/** The flags that each command may have, besides FUA: who offers that has to bear with it everywhere. */
const FLAGS: Readonly<Record<number, number>> = {
  [Command.READ]: CommandFlag.DF,
  [Command.WRITE]: 0,
  [Command.FLUSH]: 0,
  [Command.TRIM]: 0,
  [Command.CACHE]: 0,
  [Command.WRITE_ZEROES]: CommandFlag.NO_HOLE | CommandFlag.FAST_ZERO,
  [Command.BLOCK_STATUS]: CommandFlag.REQ_ONE,
};

/** What has to have been offered for a command. */
const COMMAND_NEEDS: Readonly<Record<number, number>> = {
  [Command.FLUSH]: TransmissionFlag.SEND_FLUSH,
  [Command.TRIM]: TransmissionFlag.SEND_TRIM,
  [Command.WRITE_ZEROES]: TransmissionFlag.SEND_WRITE_ZEROES,
};
/** And for a flag. */
const FLAG_NEEDS = [
  [CommandFlag.FUA, TransmissionFlag.SEND_FUA],
  [CommandFlag.DF, TransmissionFlag.SEND_DF],
  [CommandFlag.FAST_ZERO, TransmissionFlag.SEND_FAST_ZERO],
] as const;

/** What is wrong with a request, as one of `NbdError`; 0 for nothing. */
export function complaintOf(request: NbdRequest, agreement: Agreement): number {
  const { command, flags, offset, length } = request;
  const { exported, offered, blockStatus } = agreement;
  const allowed = FLAGS[command];
  if (allowed === undefined || (flags & ~(allowed | CommandFlag.FUA)) !== 0) return NbdError.EINVAL;
  if (WRITES.has(command) && isReadOnly(exported)) return NbdError.EPERM;
  if (flags !== 0 && FLAG_NEEDS.some(([flag, need]) => flags & flag && !(offered & need))) {
    return NbdError.EINVAL;
  }
  const need = COMMAND_NEEDS[command] ?? 0;
  if ((offered & need) !== need) return NbdError.EINVAL;
  if (command === Command.FLUSH) return offset === 0 && length === 0 ? 0 : NbdError.EINVAL;
  if (command === Command.BLOCK_STATUS && !blockStatus) return NbdError.EINVAL;
  const { sizeBytes, logicalBlockBytes, features } = exported.disk;
  if (length === 0) return NbdError.EINVAL;
  if (offset + length > sizeBytes) return outOfRange(command);
  if (offset % logicalBlockBytes !== 0 || length % logicalBlockBytes !== 0) return NbdError.EINVAL;
  if (command === Command.WRITE) return length > MAX_PAYLOAD_BYTES ? NbdError.EINVAL : 0;
  if (command === Command.READ && length > MOST_WHOLE_BYTES)
    return longReadComplaint(request, agreement);
  // A disk that lets go of ranges need not write zeros; one that does not writes them, and that takes as long as data.
  const isFast = (features & Feature.DISCARD) !== 0;
  return (flags & CommandFlag.FAST_ZERO) !== 0 && !isFast ? NbdError.ENOTSUP : 0;
}

/** Whether the parts of a read have to come in order, with nothing between: a simple answer is one piece to its client. */
export function isInOrder({ length }: NbdRequest, { structured }: Agreement): boolean {
  return !structured && length > MOST_WHOLE_BYTES;
}

/** Whether a read is done in one piece. */
export function isWhole({ flags, length }: NbdRequest, { structured }: Agreement): boolean {
  return structured ? (flags & CommandFlag.DF) !== 0 : length <= MOST_WHOLE_BYTES;
}

function longReadComplaint(request: NbdRequest, agreement: Agreement): number {
  if (isWhole(request, agreement)) return NbdError.EOVERFLOW;
  return request.length > MAX_PAYLOAD_BYTES ? NbdError.EINVAL : 0;
}

const WRITES: ReadonlySet<number> = new Set([Command.WRITE, Command.TRIM, Command.WRITE_ZEROES]);
