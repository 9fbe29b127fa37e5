// What the threads of a disc on an NBD server know in common, so that this holds: *what was acknowledged before a flush
// that succeeded is on the server's storage*, whichever connection, thread or server dies in between.
//
// A server's flush covers what was answered on the connection that it comes by, and that is all that is relied on here. (A
// server that bears several connections says that it covers those, too. But between two of them it may have died and been
// started anew: one thread knows it, has connected again and is answered OK for a flush by the new server, while the other
// has not yet seen that its connection, with writes the old server never wrote, is gone.)
//
// So each connection answers for its own writes. It is *dirty* from a write's acknowledgement to the end of a flush on it
// that was sent after that; a thread is dirty while one of its connections is. A flush of one queue
//
//   1  flushes each of its own connections that is dirty, or one that is not, so that the server is asked
//   2  calls on the threads that are dirty to flush theirs, and waits until each has
//   3  fails if there was a loss that its queue has not told of
//
// A *loss* is counted when a dirty connection is found dead, or its flush fails: then it is clean, as nothing can be done
// for these writes, and the next flush of every queue fails, once each. It is counted before the thread is clean, and the
// caller looks at losses after it has seen the thread clean: so no flush ends well over a loss that it ought to tell of. A
// flush that was in flight on a connection which was dirty is not sent again, as on the new connection it would succeed;
// one on a connection that was not dirty covers nothing, and is.
//
// The order within a thread is: write answered → connection and slot dirty → completed on the ring. So a flush that was
// asked for after the completion, by any thread, finds the slot dirty.
//
// A thread that does not answer the call in time is taken for dead: its slot is freed, by a compare-and-swap of a word
// that names its owner, and that is a loss. If it was only slow it finds its slot gone, and takes another one.
//
// Not covered is what was acknowledged to an earlier process: nothing of it is known here.

import { assert } from "../../errors.js";

/** The words. */
const LOSSES = 0;
/** The losses that some queue has told of: where queues begin that come later. */
const TOLD = 1;
/** How often threads were called on to flush. Threads wait on it. */
const CALLS = 2;
/** How often one of them has. Callers wait on it. */
const ANSWERS = 3;
/** The next owner's number. */
const OWNERS = 4;
/** Slots follow, of two words: owner and state, and the last call that was answered. */
const SLOTS = 5;
const SLOT_WORDS = 2;
/** One a queue, and some for those that were freed while their owner was slow. */
const NUM_SLOTS = 320;

const FREE = 0;
const CLEAN = 1;
const DIRTY = 2;
const STATE_MASK = 3;
const OWNER_SHIFT = 2;

/** A thread that has not flushed after this is dead, or as good as that. */
const ANSWER_MS = 15_000;

/** Makes the words of a disc. */
export function createDurability(): SharedArrayBuffer {
  return new SharedArrayBuffer((SLOTS + SLOT_WORDS * NUM_SLOTS) * Int32Array.BYTES_PER_ELEMENT);
}

/** One thread's part in it. */
export class Durability {
  readonly #words: Int32Array;
  readonly #flushOwn: () => Promise<void>;
  #owner = 0;
  #slot = 0;
  #isDirty = false;
  #told: number;
  #closed = false;

  /** @param flushOwn - flushes what is dirty in this thread, and counts what that loses */
  constructor(shared: SharedArrayBuffer, flushOwn: () => Promise<void>) {
    this.#words = new Int32Array(shared);
    this.#flushOwn = flushOwn;
    this.#told = Atomics.load(this.#words, TOLD);
    this.#claim();
    void this.#listen();
  }

  /** A connection of this thread is dirty, or none is any more. Called for each change, also of one that is dirty. */
  setDirty(isDirty: boolean): void {
    if (this.#closed || (isDirty === this.#isDirty && this.#isIn(isDirty ? DIRTY : CLEAN))) return;
    const wasDirty = this.#isDirty;
    this.#isDirty = isDirty;
    if (isDirty !== wasDirty && this.#swap(isDirty ? CLEAN : DIRTY, isDirty ? DIRTY : CLEAN))
      return;
    // Whoever freed it has counted what it was dirty with.
    this.#claim();
    if (isDirty) this.#swap(CLEAN, DIRTY);
  }

  /** Writes that were acknowledged may be gone. */
  countLoss(): void {
    Atomics.add(this.#words, LOSSES, 1);
  }

  /** Has the other threads flush what they have; done once each has. */
  async flushOthers(): Promise<void> {
    const dirty = this.#dirtySlots();
    if (dirty.length === 0) return;
    const call = (Atomics.add(this.#words, CALLS, 1) + 1) | 0;
    Atomics.notify(this.#words, CALLS);
    const until = performance.now() + ANSWER_MS;
    for (const { slot, word } of dirty) await this.#answerOf(slot, word, call, until);
  }

  /** A flush begins: what `tellLoss` wants at its end. */
  get told(): number {
    return this.#told;
  }

  /**
   * A flush ends: true if there was a loss that had not been told of when it began. Several that were in flight
   * tell of the same one.
   */
  tellLoss(told: number): boolean {
    const losses = Atomics.load(this.#words, LOSSES);
    if (losses === told) return false;
    this.#told = losses;
    // An older value than another thread's has a later queue tell once more.
    Atomics.store(this.#words, TOLD, losses);
    return true;
  }

  /** Leaves; what is still dirty is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#isDirty) this.countLoss();
    this.#swap(this.#isDirty ? DIRTY : CLEAN, FREE);
    Atomics.add(this.#words, ANSWERS, 1);
    Atomics.notify(this.#words, ANSWERS);
    // The one who listens is among those who wait there.
    Atomics.notify(this.#words, CALLS);
  }

  #claim(): void {
    this.#owner = (Atomics.add(this.#words, OWNERS, 1) + 1) & 0x0fff_ffff;
    for (let slot = 0; slot < NUM_SLOTS; slot++) {
      const at = SLOTS + SLOT_WORDS * slot;
      const mine = (this.#owner << OWNER_SHIFT) | CLEAN;
      if (Atomics.compareExchange(this.#words, at, FREE, mine) === FREE) {
        this.#slot = at;
        Atomics.store(this.#words, at + 1, Atomics.load(this.#words, CALLS));
        return;
      }
    }
    assert(false, "more threads share a disc than it has queues");
  }

  /** Whether this thread's slot is its own still, and in that state. */
  #isIn(state: number): boolean {
    return Atomics.load(this.#words, this.#slot) === ((this.#owner << OWNER_SHIFT) | state);
  }

  /** Changes the state of this thread's slot; false if that is not its own any more. */
  #swap(before: number, after: number): boolean {
    const owner = this.#owner << OWNER_SHIFT;
    const expected = owner | before;
    const next = after === FREE ? FREE : owner | after;
    return Atomics.compareExchange(this.#words, this.#slot, expected, next) === expected;
  }

  #dirtySlots(): { readonly slot: number; readonly word: number }[] {
    const dirty: { slot: number; word: number }[] = [];
    for (let index = 0; index < NUM_SLOTS; index++) {
      const slot = SLOTS + SLOT_WORDS * index;
      const word = Atomics.load(this.#words, slot);
      if ((word & STATE_MASK) === DIRTY && slot !== this.#slot) dirty.push({ slot, word });
    }
    return dirty;
  }

  async #answerOf(slot: number, word: number, call: number, until: number): Promise<void> {
    const words = this.#words;
    for (;;) {
      const heard = Atomics.load(words, ANSWERS);
      const hasAnswered = ((Atomics.load(words, slot + 1) - call) | 0) >= 0;
      // Clean, or somebody else's: what it was dirty with when it was called is flushed, or counted.
      if (Atomics.load(words, slot) !== word || hasAnswered) return;
      const leftMs = until - performance.now();
      if (leftMs <= 0) break;
      await Atomics.waitAsync(words, ANSWERS, heard, leftMs).value;
    }
    this.countLoss();
    Atomics.compareExchange(words, slot, word, FREE);
  }

  /** Flushes whenever another thread calls. */
  async #listen(): Promise<void> {
    const words = this.#words;
    let served = Atomics.load(words, CALLS);
    while (!this.#closed) {
      await Atomics.waitAsync(words, CALLS, served).value;
      const call = Atomics.load(words, CALLS);
      if (call === served) continue;
      served = call;
      if (this.#isDirty) await this.#flushOwn();
      if (this.#closed) return;
      Atomics.store(words, this.#slot + 1, call);
      Atomics.add(words, ANSWERS, 1);
      Atomics.notify(words, ANSWERS);
    }
  }
}
