// Where queues go: descriptor space of the BAR, and MSI-X vectors. Both are given back on detach
// (protocol, section 4, fault 7), and the first queue is at 0 (fault 8).

import { DOORBELL_ALIGNMENT, MAX_DESCRIPTORS, MIN_DESCRIPTORS } from "../abi/layout.js";
import { queueLayout } from "../abi/queue-layout.js";
import { BlockptError } from "../errors.js";
import { RangeAllocator } from "./range-allocator.js";

/** What a queue takes of the endpoint. */
export interface QueuePlace {
  /** In descriptor space, in bytes. */
  readonly queueOffset: number;
  /** Counted from 0; undefined if the function has none. */
  readonly vector: number | undefined;
}

/** What a disk takes of the endpoint. */
export interface DiskPlace {
  readonly queues: readonly QueuePlace[];
  /** The vector of its events, counted from 0; undefined if it has none. */
  readonly eventsVector: number | undefined;
}

export class QueuePlaces {
  readonly #space: RangeAllocator;
  readonly #vectors: number;
  readonly #vectorsTaken = new Set<number>();

  /** @param vectors - how many may be taken; 0 if the function has none */
  constructor(spaceBytes: number, vectors: number) {
    this.#space = new RangeAllocator(spaceBytes, DOORBELL_ALIGNMENT);
    this.#vectors = vectors;
  }

  /**
   * Claims places for the queues of a disk, and a vector for its events if one is left; throws
   * `ERR_BLOCKPT_NO_SPACE`, and has then claimed nothing.
   */
  claim(
    queues: number,
    numDescriptors: number,
    doorbell: boolean,
    wantsEvents: boolean,
  ): DiskPlace {
    const places: QueuePlace[] = [];
    try {
      while (places.length < queues) {
        places.push(this.#claimOne(places.length, queues, numDescriptors, doorbell));
      }
    } catch (error) {
      this.release({ queues: places, eventsVector: undefined });
      throw error;
    }
    return { queues: places, eventsVector: wantsEvents ? this.#claimVector() : undefined };
  }

  release(place: DiskPlace): void {
    for (const { queueOffset, vector } of place.queues) {
      this.#space.release(queueOffset);
      if (vector !== undefined) this.#vectorsTaken.delete(vector);
    }
    if (place.eventsVector !== undefined) this.#vectorsTaken.delete(place.eventsVector);
  }

  #claimOne(index: number, queues: number, numDescriptors: number, doorbell: boolean): QueuePlace {
    const { bytes } = queueLayout(numDescriptors, { doorbell });
    const which = queues === 1 ? "" : `queue ${index + 1} of ${queues} with `;
    const queueOffset = this.#space.claim(bytes);
    if (queueOffset === undefined) {
      const fits = mostDescriptors(this.#space.longestFree(), doorbell);
      throw new BlockptError(
        "ERR_BLOCKPT_NO_SPACE",
        `descriptor space has no room for ${which}${numDescriptors} descriptors (${bytes} bytes); ` +
          (fits < MIN_DESCRIPTORS ? "it is full" : `${fits} would fit there`) +
          "; detach a disk, or raise createBus's barBytes",
      );
    }
    const vector = this.#claimVector();
    if (vector === undefined && this.#vectors > 0) {
      this.#space.release(queueOffset);
      const why = `all ${this.#vectors} MSI-X vectors are taken: raise Endpoint.create's msixInterrupts`;
      throw new BlockptError("ERR_BLOCKPT_NO_SPACE", why);
    }
    return { queueOffset, vector };
  }

  #claimVector(): number | undefined {
    for (let vector = 0; vector < this.#vectors; vector++) {
      if (this.#vectorsTaken.has(vector)) continue;
      this.#vectorsTaken.add(vector);
      return vector;
    }
    return undefined;
  }
}

/** Most descriptors of a queue in so many bytes. */
function mostDescriptors(bytes: number, doorbell: boolean): number {
  // 28 bytes each, and the rings' two idx, each ring rounded up to 8; and a doorbell.
  const guess = Math.min(Math.floor(bytes / 28), MAX_DESCRIPTORS);
  for (let count = guess; count >= MIN_DESCRIPTORS; count--) {
    if (queueLayout(count, { doorbell }).bytes <= bytes) return count;
  }
  return 0;
}
