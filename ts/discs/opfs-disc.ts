// A disc in a file of the browser's origin private file system.
//
//   where it is opened       a page or a worker: knows the file's size, changes it, and holds the file for this disc
//   in a queue's worker      a FileSystemSyncAccessHandle, which only dedicated workers have: it reads at once into host memory,
//                            and writes from it; several queues have one each, in the mode "readwrite-unsafe"

import { BlkStatus, Feature, SECTOR_BYTES } from "../abi/layout.js";
import { checkDiscSize, type OpfsDiscHandle, type OpfsFileHandle } from "./disc.js";
import type { DiscSource } from "./disc-source.js";
import {
  findFile,
  holdFile,
  isNamed,
  mayShare,
  openAccess,
  probeAccess,
  resizeFile,
  type SyncAccess,
} from "./opfs/opfs-file.js";
import { messageOf, SourceDisc, type SourceFacts } from "./source-disc.js";

/** How a disc in the origin private file system is opened. */
export interface OpfsDiscOptions {
  /** Make the file, and the folders that it is in, if they are not there. Default false. */
  create?: boolean | undefined;
  /** Bytes of a file that is new, or empty, a multiple of 512. One that has bytes keeps its size. */
  sizeBytes?: number | undefined;
  /** Refuse writes. Default false. */
  readOnly?: boolean | undefined;
}

/**
 * A file of a browser's origin private file system as a disc, which is there again when the page is. A flush forces it to storage.
 * The page, or worker, has to be of `https:` or `localhost`.
 *
 * A file is one disc's: in no other tab can it be opened meanwhile, but by several that only read. In a browser
 * without the mode `readwrite-unsafe` of synchronous access (Chromium has it from version 121 on) it bears one queue.
 *
 * @example
 * ```ts
 * import { OpfsDisc } from "blockpt";
 *
 * // In a browser: await OpfsDisc.open("disk.img", { create: true, sizeBytes: 64 * 1024 * 1024 });
 * const error = await OpfsDisc.open("disk.img").catch((error) => error);
 * console.log(error.code); // ERR_BLOCKPT_NOT_SUPPORTED
 * ```
 */
export class OpfsDisc extends SourceDisc {
  /** 1 where several threads cannot have the file open, as far as that is known: a page is not told. */
  readonly maxQueues: number | undefined;
  readonly #handle: OpfsDiscHandle;
  #sizeBytes: number;

  private constructor(handle: OpfsDiscHandle, source: DiscSource) {
    super(source, factsOf(handle));
    this.#handle = handle;
    this.#sizeBytes = handle.sizeBytes;
    this.maxQueues = mayShare() ? undefined : 1;
  }

  /**
   * Opens a file.
   *
   * @param file - its path in the file system, as `images/disk.img`, or a handle of it
   * @throws {@link BlockptError} `ERR_BLOCKPT_NOT_SUPPORTED` where there is no such file system, as in Node;
   * `ERR_BLOCKPT_DISC_OPEN` if there is no such file, the page may not use the file system, or the origin has no room for a new one; `ERR_BLOCKPT_DISC_SIZE` if it is
   * empty, or not a multiple of 512 bytes; `ERR_BLOCKPT_BUSY` if it is open elsewhere; `ERR_BLOCKPT_INVALID_ARGUMENT` for
   * what is no path and no handle of a file of this file system
   */
  static async open(
    file: string | OpfsFileHandle,
    options: OpfsDiscOptions = {},
  ): Promise<OpfsDisc> {
    const { create = false, sizeBytes, readOnly = false } = options;
    if (sizeBytes !== undefined) checkDiscSize("a file of the disc", sizeBytes);
    const found = await findFile(file, create);
    const release = await holdFile("disc", found.path, readOnly ? "shared" : "exclusive");
    try {
      if (!readOnly) await probeAccess(found);
      const { size } = await found.file.getFile();
      if (size === 0 && sizeBytes !== undefined) {
        await resizeFile(found, sizeBytes, "ERR_BLOCKPT_DISC_OPEN");
      }
      const handle: OpfsDiscHandle = {
        kind: "opfs",
        file: found.file,
        path: found.path,
        sizeBytes: size || (sizeBytes ?? 0),
        readOnly,
      };
      checkDiscSize(found.path, handle.sizeBytes);
      return new OpfsDisc(handle, fileSource(handle, release));
    } catch (error) {
      if (found.isNew) await found.remove();
      release();
      throw error;
    }
  }

  /** @internal In the thread of a queue. */
  static async adopt(handle: OpfsDiscHandle): Promise<OpfsDisc> {
    const release = await holdFile("queues", handle.path, "shared");
    try {
      const access = await openAccess(handle, handle.readOnly);
      return new OpfsDisc(handle, accessSource(handle, access, release));
    } catch (error) {
      release();
      throw error;
    }
  }

  override get sizeBytes(): number {
    return this.#sizeBytes;
  }

  override get features(): number {
    return super.features | Feature.RESIZE;
  }

  get handle(): OpfsDiscHandle {
    return { ...this.#handle, sizeBytes: this.#sizeBytes };
  }

  /**
   * Another size. Where it was opened in a page, and not in a worker, that cannot be while it is attached.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_DISC_SIZE` if it cannot have that; `ERR_BLOCKPT_BUSY` while it is attached, of one that was
   * opened in a page
   */
  override async resize(sizeBytes?: number | undefined): Promise<void> {
    const { path, file } = this.#handle;
    if (sizeBytes !== undefined) {
      checkDiscSize(path, sizeBytes);
      await resizeFile(this.#handle, sizeBytes, "ERR_BLOCKPT_DISC_SIZE");
    }
    const { size } = await file.getFile();
    checkDiscSize(path, size);
    this.#sizeBytes = size;
  }
}

function factsOf({ path, sizeBytes, readOnly }: OpfsDiscHandle): SourceFacts {
  return { what: path, sizeBytes, readOnly, logicalBlockBytes: SECTOR_BYTES };
}

/** Where it was opened: only reads, for the endpoint's own use. */
function fileSource({ file, sizeBytes }: OpfsDiscHandle, release: () => void): DiscSource {
  return {
    sizeBytes,
    read: async (into, offsetBytes) => {
      const part = (await file.getFile()).slice(offsetBytes, offsetBytes + into.length);
      into.set(new Uint8Array(await part.arrayBuffer()));
      return part.size;
    },
    close: release,
  };
}

/** In a queue's thread: straight from host memory, and to it. */
function accessSource(
  { sizeBytes }: OpfsDiscHandle,
  access: SyncAccess,
  release: () => void,
): DiscSource {
  return {
    sizeBytes,
    asynchronous: false,
    read: (into, at) => access.read(into, { at }),
    write: (from, at) => {
      try {
        return access.write(from, { at });
      } catch (error) {
        if (!isNamed(error, "QuotaExceededError")) throw error;
        const why = `the origin has no more room: ${messageOf(error)}`;
        throw Object.assign(new Error(why, { cause: error }), { blkStatus: BlkStatus.NOSPC });
      }
    },
    flush: () => access.flush(),
    close: () => {
      access.close();
      release();
    },
  };
}
