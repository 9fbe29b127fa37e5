// A disk as an NBD export: what the protocol calls its abilities, its limits and its errors.

import { BlkStatus, Feature } from "../../abi/layout.js";
import type { BlockIo } from "../../block/block-io.js";
import type { BlockptError } from "../../errors.js";
import { Command, NbdError, TransmissionFlag } from "../protocol.js";

/** A disk that can be served: a `RemoteDisk`, a queue of one, or the `BlockIo` of any disk. */
export interface NbdDisk extends BlockIo {
  /** A buffer that the disk reads and writes in place; without it data is copied once more. */
  allocate?(bytes: number): Uint8Array;
  /** Gives a buffer of `allocate` back. */
  free?(buffer: Uint8Array): void;
  /** @internal Has a buffer of `allocate` be the caller's until `free`, also when the disk is detached. */
  keep?(buffer: Uint8Array): void;
  /** @internal Whether the device may still read or write some byte of a buffer of `allocate`. */
  isUsing?(buffer: Uint8Array): boolean;
}

/** What a server offers under a name. */
export interface NbdExport {
  /** What clients ask for: at most 4096 bytes of UTF-8. */
  readonly name: string;
  /** Whose I/O it is. Several exports may have the same one. */
  readonly disk: NbdDisk;
  /** A line about it, for people. */
  readonly description?: string | undefined;
  /** Whether clients may only read it, though the disk can be written. Default false. */
  readonly readOnly?: boolean | undefined;
  /**
   * Whether the disk may have ranges without storage, as a sparse file has. False says that it has none now, and clients
   * are told so without a look. True has ranges that read as zeros called holes. Without it they are called zeros.
   * Asked at each query, so it may look at the file.
   */
  readonly mayHaveHoles?: (() => boolean) | undefined;
}

/** The block size that an export is used best with, in bytes. */
const PREFERRED_BLOCK_BYTES = 4096;

/** Whether clients may write. */
export function isReadOnly({ readOnly, disk }: NbdExport): boolean {
  return readOnly === true || disk.readOnly;
}

export function preferredBlockBytes({ logicalBlockBytes }: NbdDisk): number {
  return Math.max(PREFERRED_BLOCK_BYTES, logicalBlockBytes);
}

/** What an export can do, as the client hears it. */
export function transmissionFlags(exported: NbdExport, structured: boolean): number {
  const { features } = exported.disk;
  const readOnly = isReadOnly(exported);
  const has = (feature: number): boolean => (features & feature) !== 0;
  // All connections share the disk, and a flush is for all that it has written.
  let flags =
    TransmissionFlag.HAS_FLAGS | TransmissionFlag.CAN_MULTI_CONN | TransmissionFlag.SEND_CACHE;
  if (structured) flags |= TransmissionFlag.SEND_DF;
  if (has(Feature.FLUSH)) flags |= TransmissionFlag.SEND_FLUSH;
  if (readOnly) return flags | TransmissionFlag.READ_ONLY;
  if (has(Feature.FUA) || has(Feature.FLUSH)) flags |= TransmissionFlag.SEND_FUA;
  if (has(Feature.DISCARD)) flags |= TransmissionFlag.SEND_TRIM;
  if (has(Feature.WRITE_ZEROES)) {
    flags |= TransmissionFlag.SEND_WRITE_ZEROES | TransmissionFlag.SEND_FAST_ZERO;
  }
  return flags;
}

/** The one map from what went wrong on the disk to what the client is told. */
export function errorOf(error: BlockptError, command: number): number {
  switch (error.code) {
    case "ERR_BLOCKPT_READ_ONLY":
      return NbdError.EPERM;
    case "ERR_BLOCKPT_OUT_OF_RANGE":
      return outOfRange(command);
    case "ERR_BLOCKPT_UNALIGNED":
    case "ERR_BLOCKPT_NOT_SUPPORTED":
      return NbdError.EINVAL;
    case "ERR_BLOCKPT_NO_SPACE":
      return NbdError.ENOMEM;
    case "ERR_BLOCKPT_DETACHED":
      return NbdError.ESHUTDOWN;
    case "ERR_BLOCKPT_IO":
      return error.blkStatus === BlkStatus.NOSPC ? NbdError.ENOSPC : NbdError.EIO;
    default:
      return NbdError.EIO;
  }
}

/** What a request past the end is answered with. */
export function outOfRange(command: number): number {
  const writes = command === Command.WRITE || command === Command.WRITE_ZEROES;
  return writes ? NbdError.ENOSPC : NbdError.EINVAL;
}
