// An attached disk, in the thread that attached it: its first queue, and the others to hand out.

import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import { DiskQueue } from "./disk-queue.js";
import type { QueueParts } from "./queue-end.js";
import type { QueueHandle } from "./queue-handle.js";

/** What a disk is made from. */
export interface RemoteDiskParts {
  readonly name: string;
  /** Of each queue; the first one is the disk's own. */
  readonly queues: readonly QueueParts[];
  /** Hears that the endpoint has left the disk's own queue. */
  readonly onSuspect: () => void;
  /** Takes back what a view of the bus held whose thread has ended. */
  readonly reclaim: (owner: number) => Promise<void>;
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
  readonly #reclaim: (owner: number) => Promise<void>;

  /** @internal */
  constructor(bus: Bus, parts: RemoteDiskParts) {
    const first = parts.queues[0] as QueueParts;
    super(bus, first, parts.onSuspect);
    this.name = parts.name;
    this.numDescriptors = first.geometry.numDescriptors;
    this.#queues = parts.queues;
    this.#bus = bus;
    this.#reclaim = parts.reclaim;
  }

  /**
   * Another queue of the disk, for another thread: post the handle there, and call `openQueue`. The
   * thread then does I/O without a lock; its `close` gives the queue back.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_BUSY` if all queues that the disk was attached with are
   * open; `ERR_BLOCKPT_DETACHED`
   */
  openQueue(): QueueHandle {
    if (this.queue.state.isDetached) {
      throw new BlockptError("ERR_BLOCKPT_DETACHED", `${this.localName} was detached`);
    }
    const { state } = this.queue;
    for (const parts of this.#queues.slice(1)) {
      const serial = state.take(parts.index);
      if (serial !== undefined) return { parts, serial };
    }
    const count = this.#queues.length;
    throw new BlockptError(
      "ERR_BLOCKPT_BUSY",
      `${this.localName} has ${count === 1 ? "one queue, its own" : `${count} queues, and all are open`}: ` +
        `attach it with { queues: ${count + 1} }`,
    );
  }

  /**
   * Takes back a queue whose thread has ended without closing it, once the endpoint has done what
   * the thread had submitted; and what else the thread's view of the bus held, its other queues too. Never for
   * a thread that lives: it would go on using what is somebody else's then.
   *
   * @param handle - the one that `openQueue` gave; one whose queue was closed, or taken back, does nothing
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_TIMEOUT` if the endpoint does not
   * finish it in the time of a request; `ERR_BLOCKPT_STATE` if it is open in this thread;
   * `ERR_BLOCKPT_INVALID_ARGUMENT` for the handle of another disk
   */
  async reclaimQueue(handle: QueueHandle): Promise<void> {
    const parts = (handle as Partial<QueueHandle> | undefined)?.parts;
    const { state } = this.queue;
    if (parts?.state !== state.buffer) {
      const why = `the handle is none that ${this.localName}.openQueue() gave here`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
    if (!state.isLatest(parts.index, handle.serial)) return;
    const owner = state.owner(parts.index);
    if (owner === this.#bus.owner) {
      const why = `queue ${parts.index} of ${this.localName} is open in this thread: close it`;
      throw new BlockptError("ERR_BLOCKPT_STATE", why);
    }
    if (owner === undefined) state.untake(parts.index);
    else await this.#reclaim(owner);
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

  /** @internal The disk is no more; `hasLeft` if the device was seen to leave every queue. */
  detached(hasLeft: boolean): void {
    this.release(hasLeft);
  }

  /** @internal Takes every queue that nobody has, so that nobody gets one; gives them back by its result. */
  takeQueues(): () => void {
    const { state } = this.queue;
    const taken = this.#queues.slice(1).filter(({ index }) => state.take(index) !== undefined);
    return () => {
      for (const { index } of taken) state.untake(index);
    };
  }
}
