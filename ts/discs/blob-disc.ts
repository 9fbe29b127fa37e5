// A disc of a Blob or a File: what somebody picked or dropped in a browser, or bytes in memory.
//
// In a browser's worker a FileReaderSync reads at once, straight before the answer; everywhere else promises do.

import { BlockptError } from "../errors.js";
import { type BlobBytes, type BlobDiscHandle, checkDiscSize } from "./disc.js";
import type { DiscSource } from "./disc-source.js";
import { copyPadded, paddedBytes } from "./padding.js";
import { factsOf, messageOf, SourceDisc } from "./source-disc.js";

/** What reads at once in a browser's dedicated worker. */
interface SyncReader {
  readAsArrayBuffer(blob: BlobBytes): ArrayBuffer;
}

/**
 * The bytes of a `Blob` or a `File` as a disc that may only be read. If they end within a sector, the rest of that sector is
 * zeros.
 *
 * A file that is changed on the disk while it is exported cannot be read any more: its reads fail with `IOERR`, for good.
 *
 * @example
 * ```ts
 * import { BlobDisc } from "blockpt";
 *
 * // In a browser: document.querySelector("input[type=file]").files[0].
 * const disc = BlobDisc.create(new Blob(["hello"]));
 * console.log(disc.sizeBytes, disc.readOnly); // 512 true
 * console.log(new TextDecoder().decode((await disc.readBytes(512, 0)).subarray(0, 5))); // hello
 * disc.close();
 * ```
 */
export class BlobDisc extends SourceDisc {
  readonly handle: BlobDiscHandle;

  private constructor(handle: BlobDiscHandle, source: DiscSource) {
    super(source, { ...factsOf(nameOf(handle.blob), source, true), isDirect: true });
    this.handle = handle;
  }

  /**
   * Makes a disc.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for what is no `Blob`, or cannot be posted to another thread, as one of `fs.openAsBlob`
   * in Node; `ERR_BLOCKPT_DISC_SIZE` for one
   * that is empty
   */
  static create(blob: BlobBytes): BlobDisc {
    // Not instanceof: those of another realm are Blobs, too.
    const { size, slice } = (blob ?? {}) as Partial<BlobBytes>;
    if (typeof size !== "number" || typeof slice !== "function") {
      const why = "BlobDisc.create takes a Blob or a File";
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    checkDiscSize(nameOf(blob), paddedBytes(size));
    try {
      structuredClone(blob);
    } catch (cause) {
      const why = `${nameOf(blob)} cannot be posted to the threads of queues: FileDisc opens files in Node`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why, { cause });
    }
    return new BlobDisc({ kind: "blob", blob }, laterSource(blob));
  }

  /** @internal In the thread of a queue. */
  static adopt(handle: BlobDiscHandle): BlobDisc {
    const { FileReaderSync } = globalThis as { FileReaderSync?: new () => SyncReader };
    const { blob } = handle;
    const source =
      FileReaderSync === undefined ? laterSource(blob) : nowSource(blob, new FileReaderSync());
    return new BlobDisc(handle, source);
  }
}

function nowSource(blob: BlobBytes, reader: SyncReader): DiscSource {
  const failure = new StickyFailure();
  return {
    sizeBytes: paddedBytes(blob.size),
    asynchronous: false,
    read: (into, offsetBytes) => {
      failure.check();
      try {
        const part = blob.slice(offsetBytes, offsetBytes + into.length);
        copyPart(into, part, reader.readAsArrayBuffer(part));
      } catch (error) {
        throw failure.of(error);
      }
    },
  };
}

function laterSource(blob: BlobBytes): DiscSource {
  const failure = new StickyFailure();
  let isClosed = false;
  return {
    sizeBytes: paddedBytes(blob.size),
    read: async (into, offsetBytes) => {
      failure.check();
      try {
        const part = blob.slice(offsetBytes, offsetBytes + into.length);
        const bytes = await part.arrayBuffer();
        if (!isClosed) copyPart(into, part, bytes);
      } catch (error) {
        throw failure.of(error);
      }
    },
    close: () => {
      isClosed = true;
    },
  };
}

function copyPart(into: Uint8Array, part: BlobBytes, bytes: ArrayBuffer): void {
  if (bytes.byteLength !== part.size) {
    throw new Error(`it gave ${bytes.byteLength} bytes in place of ${part.size}`);
  }
  copyPadded(into, new Uint8Array(bytes));
}

/** A file that was changed stays so: what could be read of it again would be of another disc. */
class StickyFailure {
  #error: unknown;

  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  of(error: unknown): unknown {
    if ((error as DOMException | undefined)?.name !== "NotReadableError") return error;
    const why = `its file cannot be read any more, or was changed: ${messageOf(error)}`;
    this.#error ??= new Error(why, { cause: error });
    return this.#error;
  }
}

function nameOf(blob: BlobBytes): string {
  const { name } = blob as { name?: string };
  return name ? `the file ${name}` : "a Blob";
}
