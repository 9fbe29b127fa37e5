// An attached disk, in the thread that attached it: its first queue, and the others to hand out.

import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import { DiskQueue, type QueueHandle } from "./disk-queue.js";
import type { QueueParts } from "./queue.js";

/** What a disk is made from. */
export interface RemoteDiskParts {
  readonly name: string;
  /** Of each queue; the first one is the disk's own. */
  readonly queues: readonly QueueParts[];
  /** Hears that the endpoint has left the disk's own queue. */
  readonly onSuspect: () => void;
}

/**
 * A disk of the endpoint, attached here. Made by `RootComplex.attach`.
 *
 * If the endpoint dies what is in flight is rejected with `ERR_BLOCKPT_OFFLINE` within two seconds,
 * and what comes, too; when the endpoint is back the disk re-attaches, and goes on.
 */
export class RemoteDisk extends DiskQueue {
  /** What the endpoint calls it, as in `rc.devices`. */
  readonly name: string;
  /** Descriptors of each of its queues: one more than requests may be in flight. */
  readonly numDescriptors: number;
  readonly #bus: Bus;
  readonly #queues: readonly QueueParts[];
  #detached = false;

  /** @internal */
  constructor(bus: Bus, parts: RemoteDiskParts) {
    const first = parts.queues[0] as QueueParts;
    super(bus, first, parts.onSuspect);
    this.name = parts.name;
    this.numDescriptors = first.geometry.numDescriptors;
    this.#queues = parts.queues;
    this.#bus = bus;
  }

  /**
   * Another queue of the disk, for another thread: post the handle there, and call `openQueue`. The
   * thread then does I/O without a lock; its `close` gives the queue back.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_BUSY` if all queues that the disk was attached with are
   * open; `ERR_BLOCKPT_DETACHED`
   */
  openQueue(): QueueHandle {
    if (this.#detached) {
      throw new BlockptError("ERR_BLOCKPT_DETACHED", `${this.localName} was detached`);
    }
    const { state } = this.queue;
    const parts = this.#queues.find(({ index }) => index > 0 && state.take(index));
    if (parts !== undefined) return { parts };
    const count = this.#queues.length;
    throw new BlockptError(
      "ERR_BLOCKPT_BUSY",
      `${this.localName} has ${count === 1 ? "one queue, its own" : `${count} queues, and all are open`}: ` +
        `attach it with { queues: ${count + 1} }`,
    );
  }

  /**
   * Takes back a queue whose thread has ended without closing it (never one whose thread lives: it would go on using the
   * rings), once the endpoint has done what
   * the thread had submitted; and what else the thread's view of the bus held.
   *
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_TIMEOUT` if the endpoint does not
   * finish it in the time of a request
   */
  async reclaimQueue(handle: QueueHandle): Promise<void> {
    const { index, geometry, requestTimeoutMs } = handle.parts;
    const { state } = this.queue;
    const { epoch } = state;
    const idx = (ring: number): number =>
      Atomics.load(new Uint16Array(this.#bus.buffer, ring, 1), 0);
    const deadline = performance.now() + requestTimeoutMs;
    // A disk that is offline starts all its queues anew.
    while (
      state.epoch === epoch &&
      state.isOnline &&
      idx(geometry.driverRing) !== idx(geometry.deviceRing)
    ) {
      if (performance.now() > deadline) {
        const why = `${this.localName}: queue ${index} was not drained within ${requestTimeoutMs} ms`;
        throw new BlockptError("ERR_BLOCKPT_TIMEOUT", why);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const owner = state.owner(index);
    if (owner !== undefined) this.#bus.reclaim(owner);
    state.release(index, idx(geometry.driverRing) % geometry.numDescriptors, epoch);
  }

  /** @internal Queues that other threads have open. */
  get openQueues(): number {
    return this.#queues.filter(({ index }) => index > 0 && this.queue.state.isTaken(index)).length;
  }

  /**
   * A disk is detached by its root complex: `rc.detach`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_STATE`, always
   */
  override close(): void {
    const why = `${this.localName} is closed by rc.detach("${this.localName}")`;
    throw new BlockptError("ERR_BLOCKPT_STATE", why);
  }

  /** @internal The device has left every queue. */
  detached(): void {
    this.#detached = true;
    this.release();
  }
}
