// A disc in a file or on a block device, read straight into host memory and
// written straight from it: the kernel's copy is the only one.

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { BlkStatus, SECTOR_BYTES } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { BusRange } from "../engine/engine.js";
import { BlockptError } from "../errors.js";
import { checkDiscSize, type Disc, type FileDiscHandle } from "./disc.js";

/**
 * A regular file or a block device as a disc.
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
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly busRange: BusRange | undefined = undefined;
  readonly #fd: number;
  #closed = false;
  /** The whole bus: `readSync` with an offset into it makes no view a call. */
  #view: Uint8Array | undefined;

  private constructor(fd: number, sizeBytes: number, readOnly: boolean) {
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
    this.readOnly = readOnly;
  }

  /**
   * Opens a file or a block device; its size is what it is now.
   *
   * @param options - `readOnly`: refuse writes, and open the file for reading only
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_OPEN` if it cannot be opened, or
   * is neither; `ERR_BLOCKPT_DISC_SIZE` if it is empty or not a multiple of 512 bytes
   */
  static async open(
    path: string,
    options: { readOnly?: boolean | undefined } = {},
  ): Promise<FileDisc> {
    const readOnly = options.readOnly ?? false;
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
      const sizeBytes = sizeOf(path, fd);
      checkDiscSize(path, sizeBytes);
      return new FileDisc(fd, sizeBytes, readOnly);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** @internal A thread shares the file descriptors of its process. */
  static adopt(handle: FileDiscHandle): FileDisc {
    return new FileDisc(handle.fd, handle.sizeBytes, handle.readOnly);
  }

  get handle(): FileDiscHandle {
    return { kind: "file", fd: this.#fd, sizeBytes: this.sizeBytes, readOnly: this.readOnly };
  }

  readInto(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    return this.#transfer(readSync, bus, address, lenBytes, offsetBytes);
  }

  writeFrom(bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    return this.#transfer(writeSync, bus, address, lenBytes, offsetBytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #transfer(move: Move, bus: Bus, address: number, lenBytes: number, offsetBytes: number): number {
    this.#view ??= new Uint8Array(bus.buffer);
    let done = 0;
    try {
      while (done < lenBytes) {
        const moved = move(
          this.#fd,
          this.#view,
          address + done,
          lenBytes - done,
          offsetBytes + done,
        );
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

/** Size in bytes of a regular file, or of a block device, which only the kernel knows. */
function sizeOf(path: string, fd: number): number {
  const stat = fstatSync(fd);
  if (stat.isFile()) return stat.size;
  if (stat.isBlockDevice()) {
    // Linux's encoding of a device number.
    const major = (stat.rdev >>> 8) & 0xfff;
    const minor = (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00);
    try {
      const sectors = readFileSync(`/sys/dev/block/${major}:${minor}/size`, "utf8");
      return Number(sectors) * SECTOR_BYTES;
    } catch (cause) {
      throw new BlockptError(
        "ERR_BLOCKPT_DISC_OPEN",
        `the size of ${path} cannot be told: ${text(cause)}`,
        {
          cause,
        },
      );
    }
  }
  throw new BlockptError("ERR_BLOCKPT_DISC_OPEN", `${path} is no regular file and no block device`);
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
