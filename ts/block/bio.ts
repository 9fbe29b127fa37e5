// One call of a disk's user, from `submit` to its one end: a range of the disk and the
// buffer for it. Requests are made of bios, of a part of one or of several that are adjacent.

import { type BlockptError, callBack } from "../errors.js";

/** A block I/O: what the user of a disk asked for. Reused once it has ended. */
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

  /** Whether it has ended. */
  hasEnded = false;

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
