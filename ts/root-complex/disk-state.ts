// What the threads that use an attached disk know of it in common: whether it is online, how large
// it is, and who has which queue. The root complex's own memory; nothing of it is on the bus.
//
// The thread that attached the disk changes it; every change counts the version up. A disk is
// online in odd epochs. When the endpoint is gone the epoch becomes even, and each queue's owner
// fails what is outstanding as he sees it; when the endpoint is back it becomes odd again, and he
// starts at the beginning of his rings. Between the two the rings are cleared, so nobody may
// publish on them: an owner enters, sees that the epoch is his, publishes, leaves; who clears them
// changes the epoch, then waits until nobody is inside. Entering and the epoch are sequentially
// consistent, so one of the two sees the other.

import { BlockptError } from "../errors.js";

const VERSION = 0;
const EPOCH = 1;
const SUSPECT = 2;
/** In 64-bit words. */
const SECTORS = 2;
const QUEUES = 6;
/** Of each queue, in words. */
const QUEUE_WORDS = 4;
const OWNER = 0;
const INSIDE = 1;
const POSITION = 2;
const SERIAL = 3;
/** A position is below 65535; the epoch's lower bits go beside it. */
const POSITION_BITS = 16;
const MAX_POSITION = (1 << POSITION_BITS) - 1;

/**
 * Who has a queue: nobody; somebody who did not open it yet; nobody, but the device has still some of it; or
 * a view of the bus.
 */
const NOBODY = 0;
const HANDLE = 1;
const ABANDONED = 2;
const FIRST_OWNER = 3;
/** The epoch of a disk that was detached: the last one. */
const DETACHED = -1;

export class DiskState {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #longs: BigInt64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#longs = new BigInt64Array(buffer, 0, SECTORS + 1);
  }

  /** The state of a disk that is online. */
  static create(queues: number, sectors: number): DiskState {
    const words = QUEUES + queues * QUEUE_WORDS;
    const state = new DiskState(new SharedArrayBuffer(words * 4));
    state.#words[EPOCH] = 1;
    state.#longs[SECTORS] = BigInt(sectors);
    return state;
  }

  /** Counts the changes; modulo 2^32. A plain load, as it is made at every look: a change may be seen a moment later. */
  get version(): number {
    return this.#words[VERSION] as number;
  }

  /** Odd while the disk is online. */
  get epoch(): number {
    return Atomics.load(this.#words, EPOCH);
  }

  get isOnline(): boolean {
    return this.epoch % 2 === 1;
  }

  get isDetached(): boolean {
    return this.epoch === DETACHED;
  }

  get sectors(): number {
    return Number(Atomics.load(this.#longs, SECTORS));
  }

  /** Resolves when the version is another one; after a while in any case. */
  async versionChange(version: number, mostMs: number): Promise<void> {
    await Atomics.waitAsync(this.#words, VERSION, version, mostMs).value;
  }

  goOffline(): void {
    if (!this.isOnline) return;
    Atomics.add(this.#words, EPOCH, 1);
    this.#changed();
  }

  /** The rings were cleared, and the endpoint serves them. */
  goOnline(sectors: number): void {
    Atomics.store(this.#longs, SECTORS, BigInt(sectors));
    Atomics.store(this.#words, SUSPECT, 0);
    // The device has nothing of any queue any more.
    for (let queue = 0; queue < this.#queues; queue++) {
      Atomics.compareExchange(this.#words, word(queue, OWNER), ABANDONED, NOBODY);
    }
    Atomics.add(this.#words, EPOCH, 1);
    this.#changed();
  }

  /** The device has left every queue, for good. */
  detach(): void {
    Atomics.store(this.#words, EPOCH, DETACHED);
    this.#changed();
  }

  resize(sectors: number): void {
    Atomics.store(this.#longs, SECTORS, BigInt(sectors));
    this.#changed();
  }

  /** A queue's owner: the endpoint has left it, as far as he can see. */
  suspect(): void {
    Atomics.store(this.#words, SUSPECT, 1);
  }

  get isSuspect(): boolean {
    return Atomics.load(this.#words, SUSPECT) !== 0;
  }

  /**
   * Takes a queue, for whoever gets its handle; gives the handle's number, or undefined if somebody has the
   * queue.
   */
  take(queue: number): number | undefined {
    const had = Atomics.compareExchange(this.#words, word(queue, OWNER), NOBODY, HANDLE);
    return had === NOBODY ? Atomics.add(this.#words, word(queue, SERIAL), 1) + 1 : undefined;
  }

  /** Whether no handle was made for a queue since the one of that number. */
  isLatest(queue: number, serial: number): boolean {
    return Atomics.load(this.#words, word(queue, SERIAL)) === serial;
  }

  /** A view of the bus opens a queue that was taken; false if it was not, or is open already. */
  open(queue: number, owner: number): boolean {
    const had = Atomics.compareExchange(
      this.#words,
      word(queue, OWNER),
      HANDLE,
      FIRST_OWNER + owner,
    );
    return had === HANDLE;
  }

  /** Which view of the bus has opened a queue; undefined if none has. */
  owner(queue: number): number | undefined {
    const had = Atomics.load(this.#words, word(queue, OWNER));
    return had < FIRST_OWNER ? undefined : had - FIRST_OWNER;
  }

  /** Whether somebody has a queue, or its handle. */
  isTaken(queue: number): boolean {
    const owner = Atomics.load(this.#words, word(queue, OWNER));
    return owner !== NOBODY && owner !== ABANDONED;
  }

  /** Takes a handle back that was not opened: the rings are where they were. */
  untake(queue: number): void {
    Atomics.compareExchange(this.#words, word(queue, OWNER), HANDLE, NOBODY);
  }

  /** Has a queue be as if its handle had never been opened. */
  unopen(queue: number): void {
    this.#store(queue, INSIDE, 0);
    this.#store(queue, OWNER, HANDLE);
  }

  /** Gives a queue up of which the device has still something: nobody gets it before the device has left it. */
  abandon(queue: number): void {
    this.#store(queue, INSIDE, 0);
    this.#store(queue, OWNER, ABANDONED);
  }

  /** Gives a queue back, whose rings are both at a position since an epoch. */
  release(queue: number, position: number, epoch: number): void {
    this.#store(queue, POSITION, stamped(position, epoch));
    this.#store(queue, INSIDE, 0);
    this.#store(queue, OWNER, NOBODY);
  }

  /** Where both rings of a queue were left in an epoch: at their beginning, if nobody had it since. */
  position(queue: number, epoch: number): number {
    if (epoch % 2 !== 1) return 0;
    const left = Atomics.load(this.#words, word(queue, POSITION));
    const position = left & MAX_POSITION;
    return left === stamped(position, epoch) ? position : 0;
  }

  /** Before a publication: false if the epoch is another one, and nothing may be published. */
  enter(queue: number, epoch: number): boolean {
    this.#store(queue, INSIDE, 1);
    if (this.epoch === epoch) return true;
    this.#store(queue, INSIDE, 0);
    return false;
  }

  leave(queue: number): void {
    this.#store(queue, INSIDE, 0);
  }

  /** Done when nobody is inside; a thread that died there, or does not run, is waited for a second. */
  async quiesce(): Promise<void> {
    const deadline = performance.now() + 1000;
    while (this.#isAnyInside() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #isAnyInside(): boolean {
    for (let queue = 0; queue < this.#queues; queue++) {
      if (Atomics.load(this.#words, word(queue, INSIDE)) !== 0) return true;
    }
    return false;
  }

  get #queues(): number {
    return (this.#words.length - QUEUES) / QUEUE_WORDS;
  }

  #store(queue: number, what: number, value: number): void {
    Atomics.store(this.#words, word(queue, what), value);
  }

  #changed(): void {
    Atomics.add(this.#words, VERSION, 1);
    Atomics.notify(this.#words, VERSION);
  }
}

/** In one word, so that a position and its epoch cannot be torn apart. */
function stamped(position: number, epoch: number): number {
  return position | (epoch << POSITION_BITS);
}

function word(queue: number, what: number): number {
  return QUEUES + queue * QUEUE_WORDS + what;
}

/** What a request is told when the endpoint is gone. */
export function offline(name: string, why: string): BlockptError {
  return new BlockptError("ERR_BLOCKPT_OFFLINE", `${name} is offline: ${why}`);
}
