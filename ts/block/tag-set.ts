// Hands out tags: one for each request that may be outstanding, nrHwQueues × depth. The requests are made when
// that many are outstanding for the first time, and kept.

import { assert, checkInteger } from "../errors.js";
import { Request, RequestState } from "./request.js";

const MAX_DEPTH = 65535;

/**
 * The tags of a disk, and a request for each, made once, when it is first needed. A tag whose request is not with the device
 * finds nothing.
 *
 * @example
 * ```ts
 * import { TagSet } from "blockpt";
 *
 * const tags = new TagSet(2, 128);
 * console.log(tags.find(0, 5)); // undefined
 * ```
 */
export class TagSet {
  /** Number of hardware queues. */
  readonly nrHwQueues: number;
  /** Tags of each. */
  readonly depth: number;
  /** Of each queue those that were made, by their tags. */
  readonly #requests: readonly Request[][];
  /** A stack of free tags for each queue, `#freeCount` high. */
  readonly #free: readonly Uint16Array[];
  readonly #freeCount: Uint32Array;
  #isAdopted = false;

  /**
   * @param nrHwQueues - hardware queues, 1 to 255
   * @param depth - requests that may be outstanding on each, 1 to 65535
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for other numbers
   */
  constructor(nrHwQueues: number, depth: number) {
    checkInteger("nrHwQueues", nrHwQueues, 1, 255);
    checkInteger("depth", depth, 1, MAX_DEPTH);
    this.nrHwQueues = nrHwQueues;
    this.depth = depth;
    const queues = Array.from({ length: nrHwQueues }, (_, hwQueue) => hwQueue);
    this.#requests = queues.map(() => []);
    this.#free = queues.map(() =>
      Uint16Array.from({ length: depth }, (_, height) => depth - 1 - height),
    );
    this.#freeCount = new Uint32Array(nrHwQueues).fill(depth);
  }

  /**
   * The request of a tag, as a completion names it. Undefined once it has ended, however that
   * was, and for a tag that is not there.
   */
  find(hwQueue: number, tag: number): Request | undefined {
    const request = this.#requests[hwQueue]?.[tag];
    return request?.state === RequestState.started ? request : undefined;
  }

  /**
   * The device is done with a tag whose request ended before, as by its time-out: gives back what
   * the driver took for it, and the tag. False if no such request is there.
   */
  reclaim(hwQueue: number, tag: number): boolean {
    const request = this.#requests[hwQueue]?.[tag];
    if (request?.state !== RequestState.ended) return false;
    request.queue?.reclaim(request);
    return true;
  }

  /** How many tags of a queue are free. */
  available(hwQueue: number): number {
    return this.#freeCount[hwQueue] ?? 0;
  }

  /** @internal A disk takes the set for itself; false if one has it. */
  adopt(): boolean {
    if (this.#isAdopted) return false;
    this.#isAdopted = true;
    return true;
  }

  /** @internal Every request of a queue that was ever taken. */
  requests(hwQueue: number): readonly Request[] {
    const requests = this.#requests[hwQueue];
    assert(requests !== undefined, `no hardware queue ${hwQueue}`);
    return requests;
  }

  /** @internal Takes a free tag's request. */
  take(hwQueue: number): Request | undefined {
    const height = this.#freeCount[hwQueue] as number;
    if (height === 0) return undefined;
    this.#freeCount[hwQueue] = height - 1;
    const tag = (this.#free[hwQueue] as Uint16Array)[height - 1] as number;
    const requests = this.#requests[hwQueue] as Request[];
    // Tags lie in order until they are first taken: the first one without a request is the next one.
    if (tag === requests.length) requests.push(new Request(hwQueue, tag));
    return requests[tag];
  }

  /** @internal Gives a tag back. */
  release(request: Request): void {
    const { hwQueue } = request;
    request.clear();
    const height = this.#freeCount[hwQueue] as number;
    (this.#free[hwQueue] as Uint16Array)[height] = request.tag;
    this.#freeCount[hwQueue] = height + 1;
  }
}
