// What the disk does of a client's request at once: the whole of it, or one of several parts. Parts that have ended
// are used again.

import { Bio } from "../../block/bio.js";
import type { NbdRequest } from "./request.js";
import type { Span } from "./span-ring.js";

export class Part extends Bio {
  request: NbdRequest | undefined;
  /** Its memory, of the intake or the outbox. */
  span: Span | undefined;
}

export class PartPool {
  readonly #ended: (bio: Bio) => void;
  readonly #parts: Part[] = [];

  /** @param ended - hears of every part's end */
  constructor(ended: (bio: Bio) => void) {
    this.#ended = ended;
  }

  take(request: NbdRequest, span: Span | undefined): Part {
    const part = this.#parts.pop() ?? new Part();
    part.onEnd = this.#ended;
    part.request = request;
    part.span = span;
    part.flags = 0;
    return part;
  }

  giveBack(part: Part): void {
    part.buffer = undefined;
    part.span = undefined;
    part.request = undefined;
    part.error = undefined;
    this.#parts.push(part);
  }
}
