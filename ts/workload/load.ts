// The loops that keep a queue of a disk as full as is asked for, in each of its APIs.

import {
  type BatchQueue,
  Bio,
  BlockptError,
  type Bus,
  type DiskQueue,
  openBatchQueue,
  openQueue,
  type QueueHandle,
  type RemoteDisk,
} from "blockpt";
import { BlkStatus, nameOf, Operation, SECTOR_BYTES } from "blockpt/abi";
import type { Api } from "./pattern.js";
import { PLACES, type Places } from "./places.js";

/** What a queue did in a while. */
export interface Work {
  /** Those too that failed. */
  readonly requests: number;
  readonly milliseconds: number;
}

/** Hears how long each request took that was done, in nanoseconds. */
export type Latencies = (nanoseconds: number) => void;

/** A queue that can be kept busy. */
export interface Load {
  run(milliseconds: number, latencies?: Latencies): Work | Promise<Work>;
  close(): void;
}

export interface LoadOptions {
  readonly api: Api;
  readonly depth: number;
  readonly blockBytes: number;
  readonly places: Places;
  /** Hears of each request that failed; without it the first one ends the run. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Requests between two looks at the clock; a power of two. */
const PER_LOOK = 16;
const MASK = PLACES - 1;
const NANOSECONDS = 1e6;

/** The load on a queue of a disk: on its own, where no handle is given. */
export function openLoad(
  bus: Bus,
  disk: RemoteDisk | undefined,
  handle: QueueHandle | undefined,
  options: LoadOptions,
): Load {
  if (options.api === "batch" && handle !== undefined) {
    return new BatchLoad(openBatchQueue(bus, handle), options);
  }
  const queue = handle === undefined ? disk : openQueue(bus, handle);
  if (queue === undefined) throw new Error("a load takes a disk or a handle");
  const buffers = Array.from({ length: options.depth }, () => queue.allocate(options.blockBytes));
  const close = (): void => {
    // A queue of its own takes its buffers with it, those too that an endpoint which is gone has still.
    if (queue !== disk) queue.close();
    else for (const buffer of buffers) giveBack(queue, buffer, options.onError);
  };
  const parts = { queue, buffers, close, ...options };
  switch (options.api) {
    case "promise":
      return new PromiseLoad(parts);
    case "callback":
      return new CallbackLoad(parts);
    default:
      return new SyncLoad(parts);
  }
}

/** What the device may still touch stays the disk's, until it is detached. */
function giveBack(queue: DiskQueue, buffer: Uint8Array, onError: LoadOptions["onError"]): void {
  try {
    queue.free(buffer);
  } catch (error) {
    failed(error, onError);
  }
}

interface QueueLoadParts {
  readonly queue: DiskQueue;
  readonly buffers: readonly Uint8Array[];
  readonly places: Places;
  readonly close: () => void;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Without somebody who hears of errors, none is borne. */
function failed(error: unknown, onError: LoadOptions["onError"]): void {
  if (onError === undefined) throw error;
  onError(error);
}

/** A promise a request, and a lane for each that is in flight. */
class PromiseLoad implements Load {
  readonly #parts: QueueLoadParts;
  /** Goes on from one run to the next. */
  #next = 0;

  constructor(parts: QueueLoadParts) {
    this.#parts = parts;
  }

  async run(milliseconds: number, latencies?: Latencies): Promise<Work> {
    const { queue, buffers, places, onError } = this.#parts;
    const { offsets, writes } = places;
    const startedAt = performance.now();
    const endAt = startedAt + milliseconds;
    const first = this.#next;
    let next = first;
    let isRunning = true;
    const lane = async (buffer: Uint8Array): Promise<void> => {
      while (isRunning) {
        const index = next++ & MASK;
        if ((index & (PER_LOOK - 1)) === 0 && performance.now() > endAt) isRunning = false;
        const offset = offsets[index] as number;
        const begin = latencies === undefined ? 0 : performance.now();
        try {
          await (writes[index] === 0 ? queue.read(buffer, offset) : queue.write(buffer, offset));
          latencies?.((performance.now() - begin) * NANOSECONDS);
        } catch (error) {
          failed(error, onError);
        }
      }
    };
    await Promise.all(buffers.map(lane));
    this.#next = next;
    return { requests: next - first, milliseconds: performance.now() - startedAt };
  }

  close(): void {
    this.#parts.close();
  }
}

/** A bio for each request that is in flight, submitted again at its end. */
class CallbackLoad implements Load {
  readonly #parts: QueueLoadParts;
  #next = 0;

  constructor(parts: QueueLoadParts) {
    this.#parts = parts;
  }

  run(milliseconds: number, latencies?: Latencies): Promise<Work> {
    const { queue, buffers, places, onError } = this.#parts;
    const { offsets, writes } = places;
    const startedAt = performance.now();
    const endAt = startedAt + milliseconds;
    const begun = new Float64Array(buffers.length);
    const first = this.#next;
    let next = first;
    let running = buffers.length;
    let isRunning = true;
    return new Promise((resolve, reject) => {
      const submit = (bio: Bio): void => {
        const index = next++ & MASK;
        if ((index & (PER_LOOK - 1)) === 0 && performance.now() > endAt) isRunning = false;
        bio.opf = writes[index] === 0 ? Operation.READ : Operation.WRITE;
        bio.startSector = (offsets[index] as number) / SECTOR_BYTES;
        queue.submit(bio);
      };
      const ended = (bio: Bio): void => {
        if (bio.error !== undefined) onError?.(bio.error);
        if (bio.error !== undefined && onError === undefined) reject(bio.error);
        else if (isRunning) submit(bio);
        else if (--running === 0) {
          this.#next = next;
          resolve({ requests: next - first, milliseconds: performance.now() - startedAt });
        }
      };
      for (const [slot, buffer] of buffers.entries()) {
        const bio = new Bio();
        bio.buffer = buffer;
        bio.lenBytes = buffer.length;
        begun[slot] = performance.now();
        bio.onEnd =
          latencies === undefined
            ? ended
            : (ending) => {
                const now = performance.now();
                latencies((now - (begun[slot] as number)) * NANOSECONDS);
                begun[slot] = now;
                ended(ending);
              };
        submit(bio);
      }
    });
  }

  close(): void {
    this.#parts.close();
  }
}

/** One request after the other, in calls that block. */
class SyncLoad implements Load {
  readonly #parts: QueueLoadParts;
  #next = 0;

  constructor(parts: QueueLoadParts) {
    this.#parts = parts;
  }

  run(milliseconds: number, latencies?: Latencies): Work {
    const { queue, buffers, places, onError } = this.#parts;
    const { offsets, writes } = places;
    const buffer = buffers[0] as Uint8Array;
    const startedAt = performance.now();
    const endAt = startedAt + milliseconds;
    let requests = 0;
    let now = startedAt;
    do {
      for (let turn = 0; turn < PER_LOOK; turn++) {
        const index = this.#next++ & MASK;
        const offset = offsets[index] as number;
        const begin = latencies === undefined ? 0 : performance.now();
        try {
          if (writes[index] === 0) queue.readSync(buffer, offset);
          else queue.writeSync(buffer, offset);
          latencies?.((performance.now() - begin) * NANOSECONDS);
        } catch (error) {
          failed(error, onError);
        }
      }
      requests += PER_LOOK;
      now = performance.now();
    } while (now < endAt);
    return { requests, milliseconds: now - startedAt };
  }

  close(): void {
    this.#parts.close();
  }
}

/** Lists of requests, and a slot for each that is in flight. */
class BatchLoad implements Load {
  readonly #queue: BatchQueue;
  readonly #options: LoadOptions;
  readonly #data: Uint8Array;
  #next = 0;

  constructor(queue: BatchQueue, options: LoadOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#data = queue.allocate(options.depth * options.blockBytes);
  }

  run(milliseconds: number, latencies?: Latencies): Work {
    const startedAt = performance.now();
    const endAt = startedAt + milliseconds;
    const first = this.#next;
    do {
      try {
        this.#fill(endAt, latencies);
        break;
      } catch (error) {
        // Nothing is in flight then, and it may come back.
        if (!(error instanceof BlockptError) || error.code !== "ERR_BLOCKPT_OFFLINE") throw error;
        failed(error, this.#options.onError);
      }
    } while (performance.now() < endAt);
    return { requests: this.#next - first, milliseconds: performance.now() - startedAt };
  }

  /** Keeps the queue full until then. */
  #fill(endAt: number, latencies: Latencies | undefined): void {
    const queue = this.#queue;
    const { depth, blockBytes, places, onError } = this.#options;
    const { offsets, writes } = places;
    const address = this.#data.byteOffset;
    const begun = new Float64Array(depth);
    let next = this.#next;
    const put = (slot: number): void => {
      const index = next++ & MASK;
      const opf = writes[index] === 0 ? Operation.READ : Operation.WRITE;
      queue.put(opf, offsets[index] as number, blockBytes, address + slot * blockBytes, slot);
      if (latencies !== undefined) begun[slot] = performance.now();
    };
    try {
      for (let slot = 0; slot < depth; slot++) put(slot);
      queue.submit();
      let lookAt = next + PER_LOOK;
      let isRunning = true;
      while (queue.inFlight > 0) {
        const count = queue.wait();
        for (let index = 0; index < count; index++) {
          const slot = queue.tag(index);
          const status = queue.status(index);
          if (status === BlkStatus.OK)
            latencies?.((performance.now() - (begun[slot] as number)) * NANOSECONDS);
          else failed(new Error(`a request failed: ${statusName(status)}`), onError);
          if (isRunning) put(slot);
        }
        queue.submit();
        if (next < lookAt) continue;
        lookAt = next + PER_LOOK * depth;
        if (performance.now() > endAt) isRunning = false;
      }
    } finally {
      this.#next = next;
    }
  }

  close(): void {
    this.#queue.close();
  }
}

function statusName(status: number): string {
  return nameOf(BlkStatus, status) ?? `status ${status}`;
}
