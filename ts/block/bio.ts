// One call of a disk's user, from `submit` to its one end: a range of the disk and the
// buffer for it. Requests are made of bios, of a part of one or of several that are adjacent.

import { type BlockptError, callBack } from "../errors.js";

/**
 * A block I/O: what the user of a disk asked for. Reused once it has ended.
 *
 * @example
 * ```ts
 * import { Bio, createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
 * import { Operation } from "blockpt/abi";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024));
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("ram0");
 *
 * // Reads the disk block after block, the next one at the end of the one before.
 * const bio = new Bio();
 * bio.opf = Operation.READ;
 * bio.lenBytes = 4096;
 * bio.buffer = disk.allocate(4096);
 * const error = await new Promise((resolve) => {
 *   bio.onEnd = () => {
 *     bio.startSector += 8;
 *     if (bio.error !== undefined || bio.startSector === disk.sectors) resolve(bio.error);
 *     else disk.submit(bio);
 *   };
 *   disk.submit(bio);
 * });
 * console.log(error); // undefined
 *
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export class Bio {
  /** One of `Operation`. */
  opf = 0;
  /** Descriptor flags: 0, or `DescriptorFlag.FUA` on a write. */
  flags = 0;
  /** First sector. */
  startSector = 0;
  /** Bytes; 0 for a flush. */
  lenBytes = 0;
  /** The data, `lenBytes` of it; undefined where none moves. */
  buffer: Uint8Array | undefined;
  /** What went wrong; the first error counts. */
  error: BlockptError | undefined;
  /** Called once, when every part has ended. It may submit, also this one, but must not wait. */
  onEnd: (bio: Bio) => void = noEnd;
  /** @internal Settle the promise that was made for it, if one was. */
  resolve: (value: undefined) => void = nobody;
  /** @internal */
  reject: (error: BlockptError) => void = nobody;

  /** Whether nothing of it is in flight. */
  hasEnded = true;

  /** @internal Bytes of which requests were made. */
  submitted = 0;
  /** @internal Requests that hold a part of it. */
  parts = 0;
  /** @internal The next one that waits for a tag. */
  next: Bio | undefined;

  /** @internal Ends one part; the last one ends the bio. */
  endPart(): void {
    if (--this.parts === 0 && this.submitted === this.lenBytes) this.#end();
  }

  /** @internal Gives up what no request was made of yet. */
  giveUp(error: BlockptError): void {
    this.error ??= error;
    this.submitted = this.lenBytes;
    if (this.parts === 0) this.#end();
  }

  #end(): void {
    this.hasEnded = true;
    callBack(this.onEnd, this);
  }
}

function noEnd(): void {}
function nobody(): void {}
