// Where queues go: descriptor space of the BAR, and MSI-X vectors. Both are given back on detach
// (protocol, section 4, fault 7), and the first queue is at 0 (fault 8).

import { MAX_DESCRIPTORS, MIN_DESCRIPTORS } from "../abi/layout.js";
import { type QueueLayout, queueLayout } from "../abi/queue-layout.js";
import { BlockptError } from "../errors.js";
import { RangeAllocator } from "./range-allocator.js";

/** What a queue takes of the endpoint. */
export interface QueuePlace {
  /** In descriptor space, in bytes. */
  readonly queueOffset: number;
  /** Counted from 0; undefined if the function has none. */
  readonly vector: number | undefined;
}

export class QueuePlaces {
  readonly #space: RangeAllocator;
  readonly #vectors: number;
  readonly #vectorsTaken = new Set<number>();

  /** @param vectors - how many may be taken; 0 if the function has none */
  constructor(spaceBytes: number, vectors: number) {
    this.#space = new RangeAllocator(spaceBytes, 8);
    this.#vectors = vectors;
  }

  /** Claims a place for a queue, or throws `ERR_BLOCKPT_NO_SPACE`. */
  claim(numDescriptors: number, layout: QueueLayout): QueuePlace {
    const queueOffset = this.#space.claim(layout.bytes);
    if (queueOffset === undefined) {
      const fits = mostDescriptors(this.#space.longestFree());
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `descriptor space has no room for ${numDescriptors} descriptors (${layout.bytes} bytes); ` +
          (fits < MIN_DESCRIPTORS ? "it is full" : `${fits} would fit`) +
          "; detach a disk, or raise createBus's barBytes",
      );
    }
    const vectors = this.#vectors;
    if (vectors === 0) return { queueOffset, vector: undefined };
    for (let vector = 0; vector < vectors; vector++) {
      if (this.#vectorsTaken.has(vector)) continue;
      this.#vectorsTaken.add(vector);
      return { queueOffset, vector };
    }
    this.#space.release(queueOffset);
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", `all ${vectors} MSI-X vectors are taken`);
  }

  release(place: QueuePlace): void {
    this.#space.release(place.queueOffset);
    if (place.vector !== undefined) this.#vectorsTaken.delete(place.vector);
  }
}

/** Most descriptors of a queue in so many bytes. */
function mostDescriptors(bytes: number): number {
  // 28 bytes each, and the rings' two idx, each ring rounded up to 8.
  const guess = Math.min(Math.floor(bytes / 28), MAX_DESCRIPTORS);
  for (let count = guess; count >= MIN_DESCRIPTORS; count--) {
    if (queueLayout(count).bytes <= bytes) return count;
  }
  return 0;
}
