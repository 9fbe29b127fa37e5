// A queue of an attached disk as its user has it: the disk's I/O, and buffers that the endpoint
// reaches.

import { BlockIo } from "../block/block-io.js";
import type { Bus } from "../bus/bus.js";
import { BlockptError } from "../errors.js";
import { HostBuffers } from "./host-buffers.js";
import { RemoteQueue } from "./queue.js";
import type { QueueParts } from "./queue-end.js";
import { type QueueHandle, withQueue } from "./queue-handle.js";

/**
 * A queue of an attached disk, and its I/O, in one thread. Made by `openQueue`; a `RemoteDisk` is
 * the first queue of its own disk.
 *
 * A buffer in host memory (`allocate`) is read and written in place, any other is bounced.
 */
export class DiskQueue extends BlockIo {
  /** What the disk is called here. */
  readonly localName: string;
  /** @internal */
  protected readonly queue: RemoteQueue;
  readonly #buffers: HostBuffers;
  #closed = false;
  /** Whether the device was seen to leave the queue. */
  #hasLeft = false;

  /** @internal */
  constructor(bus: Bus, parts: QueueParts, onSuspect?: () => void) {
    const queue = new RemoteQueue(bus, parts, onSuspect);
    super(queue.disk);
    this.localName = parts.diskName;
    this.queue = queue;
    this.#buffers = new HostBuffers(bus, parts.diskName);
  }

  /** Whether the endpoint is there, as far as this thread has heard. */
  get online(): boolean {
    this.queue.refresh();
    return this.queue.disk.failure() === undefined;
  }

  /**
   * Resolves once the disk is online; at once, if it is. A disk whose endpoint is gone re-attaches by
   * itself when it is back.
   *
   * @throws {@link BlockptError} (as a rejection) `ERR_BLOCKPT_DETACHED`, `ERR_BLOCKPT_PROTOCOL`
   */
  whenOnline(): Promise<void> {
    return this.queue.whenOnline();
  }

  /**
   * A buffer in host memory, which is read and written in place, by this queue. It is the caller's until
   * `free`, or until the queue is closed.
   *
   * @param bytes - at least 1; takes whole pages of 4096 bytes
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_SPACE` if host memory has no room; `ERR_BLOCKPT_DETACHED`
   */
  allocate(bytes: number): Uint8Array {
    if (this.#closed) {
      throw new BlockptError("ERR_BLOCKPT_DETACHED", `${this.localName} was detached`);
    }
    return this.#buffers.allocate(bytes);
  }

  /**
   * Gives back a buffer of `allocate`.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` for any other; `ERR_BLOCKPT_BUSY` while
   * it is being read or written, also by a request that was given up: the device may still do it
   */
  free(buffer: Uint8Array): void {
    this.#buffers.check(buffer);
    if (this.isUsing(buffer)) {
      throw new BlockptError(
        "ERR_BLOCKPT_BUSY",
        `the buffer belongs to a request that ${this.localName} has not answered`,
      );
    }
    this.#buffers.release(buffer);
  }

  /** @internal Has a buffer of `allocate` be the caller's until `free`, also when the queue is closed. */
  keep(buffer: Uint8Array): void {
    this.#buffers.check(buffer);
    this.#buffers.keep(buffer);
  }

  /** @internal Whether the device may still read or write some byte of a buffer in host memory. */
  isUsing(buffer: Uint8Array): boolean {
    return !this.#hasLeft && this.queue.isUsing(buffer);
  }

  /**
   * Gives the queue back to its disk, which hands it out again; after a failure as soon as the device
   * is known to have left it, and until then what the device may still touch stays claimed.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_BUSY` while the device has requests of it, also some that were
   * given up
   */
  close(): void {
    if (this.#closed) return;
    const { outstanding, disk } = this.queue;
    if (outstanding > 0 && disk.failure() === undefined) {
      throw new BlockptError(
        "ERR_BLOCKPT_BUSY",
        `${this.localName} has requests that the device did not answer (${outstanding}): wait for them first`,
      );
    }
    this.release(false);
  }

  /** @internal */
  protected override get isStale(): boolean {
    return this.queue.isStale;
  }

  /** @internal Takes what has changed of the disk. */
  override refresh(): void {
    this.queue.refresh();
  }

  /** @internal Gives back what the device has nothing to do with; everything, if it has left the queue. */
  protected release(hasLeft: boolean): void {
    this.#closed = true;
    this.#hasLeft = hasLeft;
    this.#buffers.releaseAll((buffer) => this.isUsing(buffer));
    this.queue.close(hasLeft);
  }
}

/**
 * Opens a queue of a disk that another thread has attached, in this one. No other thread may use
 * the same handle.
 *
 * @param bus - this thread's view of the bus
 * @param handle - what `disk.openQueue()` gave there, posted here
 * @throws {@link BlockptError} `ERR_BLOCKPT_STATE` if it was opened before; `ERR_BLOCKPT_DETACHED`;
 * `ERR_BLOCKPT_INVALID_ARGUMENT` for a handle of another bus; `ERR_BLOCKPT_NO_SPACE` if
 * the bus's workspace is full
 *
 * @example
 * ```ts
 * import { once } from "node:events";
 * import { Worker } from "node:worker_threads";
 * import { createBus, Endpoint, MemoryDisc, RootComplex } from "blockpt";
 *
 * const bus = await createBus();
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 1024 * 1024), { queues: 2 });
 * await endpoint.start();
 * const rc = await RootComplex.probe(bus);
 * const disk = await rc.attach("ram0", { queues: 2, numDescriptors: 256 });
 *
 * // A program that wants its disk synchronous, in a thread of its own.
 * const program = `
 *   import { workerData } from "node:worker_threads";
 *   const { openBus, openQueue } = await import(workerData.blockpt);
 *   const bus = openBus(workerData.bus);
 *   const queue = openQueue(bus, workerData.queue);
 *   queue.writeSync(new Uint8Array(512).fill(7), 0);
 *   queue.flushSync();
 *   queue.close();
 *   bus.close();`;
 * const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
 *   workerData: {
 *     bus: bus.handle,
 *     queue: disk.openQueue(),
 *     blockpt: import.meta.resolve("blockpt"),
 *   },
 * });
 * await once(worker, "exit");
 * const back = new Uint8Array(512);
 * await disk.read(back, 0);
 * console.log(back[0]); // 7
 *
 * await rc.close();
 * await endpoint.close();
 * ```
 */
export function openQueue(bus: Bus, handle: QueueHandle): DiskQueue {
  return withQueue(bus, handle, (parts) => new DiskQueue(bus, parts));
}
