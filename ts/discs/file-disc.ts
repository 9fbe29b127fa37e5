// A disc in a file or on a block device, read straight into host memory and
// written straight from it: the kernel's copy is the only one.

import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { BlkStatus, Feature, SECTOR_BYTES } from "../abi/layout.js";
import { checkLogicalBlock } from "../abi/logical-block.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import { checkDiscSize, type Disc, type FileDiscHandle } from "./disc.js";

/** Bytes of zeros that are written at once. */
const ZEROS_BYTES = 256 * 1024;

/**
 * A regular file or a block device as a disc. A flush is `fdatasync`.
 *
 * @example
 * ```ts
 * import { writeFile } from "node:fs/promises";
 * import { FileDisc } from "blockpt";
 *
 * await writeFile("example.img", new Uint8Array(1024 * 1024));
 * const disc = await FileDisc.open("example.img", { readOnly: true });
 * console.log(disc.sizeBytes); // 1048576
 * disc.close();
 * ```
 */
export class FileDisc implements Disc {
  readonly readOnly: boolean;
  readonly logicalBlockBytes: number;
  readonly asynchronous = false;
  readonly features = Feature.FLUSH | Feature.FUA | Feature.WRITE_ZEROES | Feature.RESIZE;
  readonly busRange: BusRange | undefined = undefined;
  readonly #fd: number;
  #sizeBytes: number;
  #closed = false;
  #zeros: Uint8Array | undefined;
  /** The whole bus: `readSync` with an offset into it makes no view a call. */
  #view: Uint8Array | undefined;

  private constructor(fd: number, sizeBytes: number, readOnly: boolean, logicalBlockBytes: number) {
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
    this.readOnly = readOnly;
    this.logicalBlockBytes = logicalBlockBytes;
  }

  /**
   * Opens a file or a block device; its size is what it is now.
   *
   * @param options - `readOnly`: refuse writes, and open the file for reading only;
   * `logicalBlockBytes`: 512, or a larger power of two; default 512, or what a block device says
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_OPEN` if it cannot be opened, or
   * is neither; `ERR_BLOCKPT_DISC_SIZE` if it is empty or not a multiple of its blocks
   */
  static async open(
    path: string,
    options: { readOnly?: boolean | undefined; logicalBlockBytes?: number | undefined } = {},
  ): Promise<FileDisc> {
    const readOnly = options.readOnly ?? false;
    if (options.logicalBlockBytes !== undefined) checkLogicalBlock(options.logicalBlockBytes);
    let fd: number;
    try {
      // Without waiting: a FIFO would block the thread until somebody opens its other end.
      const access = readOnly ? constants.O_RDONLY : constants.O_RDWR;
      fd = openSync(path, access | constants.O_NONBLOCK);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      const hint =
        !readOnly && ["EACCES", "EPERM", "EROFS"].includes(code ?? "")
          ? "; { readOnly: true } opens it for reading"
          : "";
      throw new BlockptError(
        "ERR_BLOCKPT_DISC_OPEN",
        `${path} cannot be opened: ${text(cause)}${hint}`,
        { cause },
      );
    }
    try {
      const found = examine(path, fd);
      const logicalBlockBytes = options.logicalBlockBytes ?? found.logicalBlockBytes;
      checkDiscSize(path, found.sizeBytes, logicalBlockBytes);
      return new FileDisc(fd, found.sizeBytes, readOnly, logicalBlockBytes);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @internal A thread shares the file descriptors of its process. */
  static adopt(handle: FileDiscHandle): FileDisc {
    return new FileDisc(handle.fd, handle.sizeBytes, handle.readOnly, SECTOR_BYTES);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get handle(): FileDiscHandle {
    return { kind: "file", fd: this.#fd, sizeBytes: this.sizeBytes, readOnly: this.readOnly };
  }

  /** A file is in no bus: any endpoint can export it. */
  isOn(): boolean {
    return true;
  }

  readBytes(lenBytes: number, offsetBytes: number): Uint8Array {
    const bytes = new Uint8Array(lenBytes);
    const blkStatus = this.#move(readSync, bytes, 0, lenBytes, offsetBytes);
    if (blkStatus === BlkStatus.OK) return bytes;
    const why = `${lenBytes} bytes at ${offsetBytes} of the disc's file cannot be read`;
    throw new BlockptError("ERR_BLOCKPT_IO", why, { blkStatus });
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    return this.#transfer(readSync, bus, address, lenBytes, offsetBytes);
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    return this.#transfer(writeSync, bus, address, lenBytes, offsetBytes);
  }

  flush(): number {
    try {
      fdatasyncSync(this.#fd);
      return BlkStatus.OK;
    } catch (error) {
      return statusOf(error);
    }
  }

  writeZeroes(lenBytes: number, offsetBytes: number): number {
    this.#zeros ??= new Uint8Array(ZEROS_BYTES);
    for (let done = 0; done < lenBytes; done += ZEROS_BYTES) {
      const length = Math.min(ZEROS_BYTES, lenBytes - done);
      const status = this.#move(writeSync, this.#zeros, 0, length, offsetBytes + done);
      if (status !== BlkStatus.OK) return status;
    }
    return BlkStatus.OK;
  }

  resize(sizeBytes?: number | undefined): void {
    const what = "the disc's file";
    if (sizeBytes !== undefined) {
      checkDiscSize(what, sizeBytes, this.logicalBlockBytes);
      try {
        ftruncateSync(this.#fd, sizeBytes);
      } catch (cause) {
        const why = `${what} cannot get ${sizeBytes} bytes: ${text(cause)}`;
        throw new BlockptError("ERR_BLOCKPT_DISC_SIZE", why, { cause });
      }
    }
    const now = examine(what, this.#fd).sizeBytes;
    checkDiscSize(what, now, this.logicalBlockBytes);
    this.#sizeBytes = now;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #transfer(move: Move, bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    this.#view ??= new Uint8Array(bus.buffer);
    return this.#move(move, this.#view, address, lenBytes, offsetBytes);
  }

  #move(
    move: Move,
    view: Uint8Array,
    address: number,
    lenBytes: number,
    offsetBytes: number,
  ): number {
    let done = 0;
    try {
      while (done < lenBytes) {
        const moved = move(this.#fd, view, address + done, lenBytes - done, offsetBytes + done);
        // The file was cut since it was opened: the medium ends here.
        if (moved === 0) return BlkStatus.MEDIUM;
        done += moved;
      }
      return BlkStatus.OK;
    } catch (error) {
      return statusOf(error);
    }
  }
}

type Move = (fd: number, view: Uint8Array, at: number, length: number, position: number) => number;

/** What a disc's file is like now. Of a block device only the kernel knows. */
function examine(path: string, fd: number): { sizeBytes: number; logicalBlockBytes: number } {
  const stat = fstatSync(fd);
  if (stat.isFile()) return { sizeBytes: stat.size, logicalBlockBytes: SECTOR_BYTES };
  if (!stat.isBlockDevice()) {
    const why = `${path} is no regular file and no block device`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why);
  }
  // Linux's encoding of a device number.
  const major = (stat.rdev >>> 8) & 0xfff;
  const minor = (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00);
  const device = `/sys/dev/block/${major}:${minor}`;
  try {
    const sectors = readFileSync(`${device}/size`, "utf8");
    // A partition's queue is its disk's.
    const queue = existsSync(`${device}/queue`) ? `${device}/queue` : `${device}/../queue`;
    const block = readFileSync(`${queue}/logical_block_size`, "utf8");
    return { sizeBytes: Number(sectors) * SECTOR_BYTES, logicalBlockBytes: Number(block) };
  } catch (cause) {
    const why = `the size of ${path} cannot be told: ${text(cause)}`;
    throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", why, { cause });
  }
}

/** The status that answers a failed system call. */
function statusOf(error: unknown): number {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return BlkStatus.NOSPC;
    case "EROFS":
    case "EPERM":
    case "EACCES":
      return BlkStatus.PROTECTION;
    case "ENOMEM":
    case "EAGAIN":
      return BlkStatus.RESOURCE;
    case "ENXIO":
    case "ENODEV":
      return BlkStatus.OFFLINE;
    default:
      return BlkStatus.IOERR;
  }
}

function text(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
