// One queue of an attached disk, as the root complex keeps it: requests with a
// promise each, in slots, on the driver's end of the rings.
//
// A slot's life:
//
//   free ──request──► pending ──completion──► free        the promise settles
//                        └──timeout──► abandoned ──completion──► free
//
// An abandoned request's promise is rejected at once; its descriptor, its buffer and
// its mapping stay the device's until it completes after all, or the disk is detached.

import { BlkStatus, Operation } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";
import type { DriverQueue, QueueGeometry } from "../engine/engine.js";
import { COMPLETION_WORDS, CompletionWord } from "../engine/records.js";
import { assert, BlockptError } from "../errors.js";
import { CompletionLadder, type CompletionSource } from "./completion.js";

/** Called once the device is done with a request's buffer; `ok` if its promise is about to be fulfilled. */
export type BufferDone = (ok: boolean) => void;

/** How many sweeps fit into the time after which a request is given up. */
const SWEEPS = 8;

const SlotState = { free: 0, pending: 1, abandoned: 2 } as const;

const STATUS_NAMES = new Map<number, string>(
  Object.entries(BlkStatus).map(([name, status]) => [status, name]),
);

export class RemoteQueue implements CompletionSource {
  readonly #bus: Bus;
  readonly #driver: DriverQueue;
  readonly #ladder: CompletionLadder;
  readonly #sweeper: NodeJS.Timeout;
  readonly #timeoutMs: number;
  /** A stack of free slots; a slot's number is its request's tag. */
  readonly #freeSlots: Uint32Array;
  #freeCount: number;
  readonly #state: Uint8Array;
  readonly #opf: Uint8Array;
  readonly #startSector: Float64Array;
  readonly #address: Uint32Array;
  readonly #lenBytes: Uint32Array;
  /** The sweep before which the request was made. */
  readonly #sweepOf: Uint32Array;
  readonly #resolve: ((value: undefined) => void)[] = [];
  readonly #reject: ((error: BlockptError) => void)[] = [];
  readonly #bufferDone: (BufferDone | undefined)[] = [];
  #pending = 0;
  #sweep = 0;
  #failure: BlockptError | undefined;
  readonly #waiting: (() => void)[] = [];
  /** The slot whose promise is being made. */
  #slot = 0;

  /**
   * @param vector - the MSI-X vector, counted from 0; undefined if the function has none
   * @param interruptAddress - where the vector writes
   */
  constructor(
    bus: Bus,
    geometry: QueueGeometry,
    vector: number | undefined,
    interruptAddress: number,
    timeoutMs: number,
  ) {
    const depth = geometry.numDescriptors - 1;
    this.#bus = bus;
    this.#driver = bus.engine.openDriverQueue(geometry);
    this.#timeoutMs = timeoutMs;
    this.#freeSlots = Uint32Array.from({ length: depth }, (_, height) => depth - 1 - height);
    this.#freeCount = depth;
    this.#state = new Uint8Array(depth);
    this.#opf = new Uint8Array(depth);
    this.#startSector = new Float64Array(depth);
    this.#address = new Uint32Array(depth);
    this.#lenBytes = new Uint32Array(depth);
    this.#sweepOf = new Uint32Array(depth);
    this.#sweeper = setInterval(this.#sweepNow, Math.ceil(timeoutMs / SWEEPS));
    this.#sweeper.unref();
    this.#ladder = new CompletionLadder(this, bus, vector, interruptAddress, this.#sweeper);
  }

  /** How many requests whose promise has not settled. */
  get inFlight(): number {
    return this.#pending;
  }

  /** How many more requests may be made now. */
  get available(): number {
    return this.#freeCount;
  }

  /**
   * Makes a request; `available` is above 0. The promise is rejected with
   * `ERR_BLOCKPT_IO`, `ERR_BLOCKPT_TIMEOUT`, or what ended the queue.
   */
  request(
    opf: number,
    startSector: number,
    address: number,
    lenBytes: number,
    bufferDone: BufferDone | undefined,
  ): Promise<undefined> {
    if (this.#failure !== undefined) {
      bufferDone?.(false);
      return Promise.reject(this.#failure);
    }
    assert(this.#freeCount > 0, "a request without a free slot");
    const slot = this.#freeSlots[--this.#freeCount] as number;
    this.#state[slot] = SlotState.pending;
    this.#opf[slot] = opf;
    this.#startSector[slot] = startSector;
    this.#address[slot] = address;
    this.#lenBytes[slot] = lenBytes;
    this.#sweepOf[slot] = this.#sweep;
    this.#bufferDone[slot] = bufferDone;
    this.#pending++;
    // Mapped before the descriptor is published, unmapped after its completion.
    this.#bus.iommu?.map(address, lenBytes);
    this.#driver.put(startSector, address, lenBytes, opf, slot);
    this.#ladder.kick();
    this.#slot = slot;
    return new Promise(this.#keepSettlers);
  }

  /** Resolves after a completion that nobody before it waited for, or at the end of the queue. */
  whenCompleted(): Promise<void> {
    if (this.#failure !== undefined) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What ended the queue, if anything did. */
  get failure(): BlockptError | undefined {
    return this.#failure;
  }

  /** Whether the device may still read or write some byte of a range, be its request given up or not. */
  isUsing(address: number, lenBytes: number): boolean {
    return this.#state.some((state, slot) => {
      const start = this.#address[slot] as number;
      const end = start + (this.#lenBytes[slot] as number);
      return state !== SlotState.free && start < address + lenBytes && address < end;
    });
  }

  publish(): void {
    if (this.#failure === undefined) this.#driver.publish();
  }

  reap(): number {
    if (this.#failure !== undefined) return 0;
    const count = this.#driver.reap();
    if (count < 0) {
      this.#fail(
        new BlockptError(
          "ERR_BLOCKPT_PROTOCOL",
          `the endpoint was stopped, or broke the protocol on the device ring (fault ${-count})`,
        ),
      );
      return 0;
    }
    const { completions } = this.#driver;
    for (let index = 0; index < count; index++) {
      const record = index * COMPLETION_WORDS;
      this.#complete(
        completions[record + CompletionWord.tag] as number,
        completions[record + CompletionWord.status] as number,
      );
    }
    // One waits for each that is done; all, when nothing is left that would wake the others.
    if (count > 0) this.#wakeWaiting(this.#pending === 0 ? this.#waiting.length : count);
    return count;
  }

  /** Ends the queue, which the device has left; what is outstanding is rejected. */
  close(): void {
    this.#fail(new BlockptError("ERR_BLOCKPT_DETACHED", "the disk was detached"));
    for (let slot = 0; slot < this.#state.length; slot++) {
      if (this.#state[slot] !== SlotState.free) this.#release(slot, false);
    }
    clearInterval(this.#sweeper);
    this.#ladder.close();
    this.#driver.close();
  }

  readonly #keepSettlers = (
    resolve: (value: undefined) => void,
    reject: (error: BlockptError) => void,
  ): void => {
    this.#resolve[this.#slot] = resolve;
    this.#reject[this.#slot] = reject;
  };

  #complete(slot: number, status: number): void {
    const pending = this.#state[slot] === SlotState.pending;
    const ok = pending && status === BlkStatus.OK;
    if (pending) this.#pending--;
    try {
      this.#release(slot, ok);
    } catch (cause) {
      // Its own request's fault, and nobody else's: the buffer was taken away meanwhile.
      const text = "the buffer was detached or resized while it was read into";
      (this.#reject[slot] as (error: BlockptError) => void)(
        new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", text, { cause }),
      );
      return;
    }
    if (!pending) return;
    if (ok) {
      (this.#resolve[slot] as (value: undefined) => void)(undefined);
    } else {
      const name = STATUS_NAMES.get(status) ?? "an unknown status";
      this.#settleBadly(slot, "ERR_BLOCKPT_IO", `the device answered ${name} (${status})`, status);
    }
  }

  /** The device is done with the slot's descriptor and buffer. Whatever `bufferDone` throws, the slot is free. */
  #release(slot: number, ok: boolean): void {
    const bufferDone = this.#bufferDone[slot];
    this.#bufferDone[slot] = undefined;
    this.#state[slot] = SlotState.free;
    this.#freeSlots[this.#freeCount++] = slot;
    this.#bus.iommu?.unmap(this.#address[slot] as number, this.#lenBytes[slot] as number);
    bufferDone?.(ok);
  }

  #settleBadly(
    slot: number,
    code: "ERR_BLOCKPT_IO" | "ERR_BLOCKPT_TIMEOUT",
    what: string,
    blkStatus: number,
  ): void {
    const operation = this.#opf[slot] === Operation.WRITE ? "write" : "read";
    const where = `${this.#lenBytes[slot]} bytes at sector ${this.#startSector[slot]}`;
    (this.#reject[slot] as (error: BlockptError) => void)(
      new BlockptError(code, `${operation} of ${where}: ${what}`, { blkStatus }),
    );
  }

  #fail(failure: BlockptError): void {
    this.#failure ??= failure;
    for (let slot = 0; slot < this.#state.length; slot++) {
      if (this.#state[slot] !== SlotState.pending) continue;
      this.#state[slot] = SlotState.abandoned;
      (this.#reject[slot] as (error: BlockptError) => void)(failure);
    }
    this.#pending = 0;
    this.#wakeWaiting(this.#waiting.length);
  }

  #wakeWaiting(count: number): void {
    if (this.#waiting.length === 0) return;
    for (const resolve of this.#waiting.splice(0, count)) resolve();
  }

  /** Gives up requests that are too old; also a net below lost interrupts, as it looks at the ring. */
  readonly #sweepNow = (): void => {
    this.reap();
    this.#sweep++;
    if (this.#pending === 0) return;
    for (let slot = 0; slot < this.#state.length; slot++) {
      if (this.#state[slot] !== SlotState.pending) continue;
      if (this.#sweep - (this.#sweepOf[slot] as number) <= SWEEPS) continue;
      this.#state[slot] = SlotState.abandoned;
      this.#pending--;
      const what = `no answer within ${this.#timeoutMs} ms`;
      this.#settleBadly(slot, "ERR_BLOCKPT_TIMEOUT", what, BlkStatus.TIMEOUT);
    }
    if (this.#pending === 0) this.#wakeWaiting(this.#waiting.length);
  };
}
