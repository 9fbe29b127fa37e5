// How a thread that may not block learns of completions: the poll ladder. Each rung
// costs less of the processor and more time than the one before:
//
//   microtasks     continuations of what was completed run between two looks
//   setImmediate   one turn of the event loop between two looks, as long as it has patience
//   interrupt      the vector is unmasked and its word waited for
//
// While it looks by itself the vector is masked, so a busy device sends nothing.
// Going to sleep loses no interrupt: the word is cleared, then the vector unmasked,
// then the ring looked at once more; a completion published before that look is
// seen by it, and one published after it raises an unmasked vector. An endpoint
// that raises nothing costs LOST_INTERRUPT_MS a look, and is still served.

import type { Bus } from "../bus/bus.js";
import type { Patience } from "../bus/patience.js";
import { onNextTurn } from "../platform/turns.js";
import type { KeepAlive } from "./keep-alive.js";

/** What the ladder drives. */
export interface CompletionSource {
  /** Publishes what was put since. */
  publish(): void;
  /** Takes what was completed; says how many. */
  reap(): number;
  /** How many requests are outstanding. */
  readonly inFlight: number;
}

/**
 * Looks in microtasks before the event loop gets its turn: many in vain, or fewer with a completion,
 * after which its user's code runs.
 */
const LOOKS = 512;
const COMPLETION_LOOKS = 8;
/** Looks without a request in flight before the ladder is left: a continuation often submits the next one. */
const LAST_LOOKS = 4;
/** Longest wait for an interrupt before the ring is looked at again. */
export const LOST_INTERRUPT_MS = 20;

const RESOLVED = Promise.resolve();

export class CompletionLadder {
  readonly #source: CompletionSource;
  readonly #bus: Bus;
  readonly #vector: number | undefined;
  readonly #words: Int32Array;
  readonly #word: number;
  readonly #keepAlive: KeepAlive;
  readonly #patience: Patience;
  #active = false;
  #sleeping = false;
  #looks = 0;
  #lastLooks = 0;
  #progressed = false;
  #closed = false;

  /**
   * @param vector - counted from 0; undefined if the function has none
   * @param interruptAddress - where the vector writes a value other than 0
   * @param keepAlive - holds the event loop while an interrupt is waited for, which by itself would not
   * @param patience - the thread's with this ring
   */
  constructor(
    source: CompletionSource,
    bus: Bus,
    vector: number | undefined,
    interruptAddress: number,
    keepAlive: KeepAlive,
    patience: Patience,
  ) {
    this.#source = source;
    this.#bus = bus;
    this.#vector = vector;
    this.#words = new Int32Array(bus.buffer);
    this.#word = interruptAddress / 4;
    this.#keepAlive = keepAlive;
    this.#patience = patience;
  }

  /** There is something to publish, or to wait for. */
  kick(): void {
    if (this.#active) {
      // The interrupt that it sleeps for may be long in coming, and this is to go out now.
      if (this.#sleeping) RESOLVED.then(this.#publish);
      return;
    }
    this.#active = true;
    // Looks are counted on: only a turn of the event loop sets them back.
    RESOLVED.then(this.#microtask);
  }

  /** Ends a wait for an interrupt; the ladder is of no more use. */
  close(): void {
    this.#closed = true;
    Atomics.store(this.#words, this.#word, 1);
    Atomics.notify(this.#words, this.#word);
  }

  readonly #publish = (): void => {
    this.#source.publish();
  };

  readonly #microtask = (): void => {
    if (this.#closed) return;
    this.#source.publish();
    const reaped = this.#source.reap() > 0;
    if (reaped) this.#progressed = true;
    if (this.#source.inFlight > 0) {
      this.#lastLooks = 0;
    } else if (++this.#lastLooks > LAST_LOOKS) {
      this.#lastLooks = 0;
      this.#active = false;
      return;
    }
    this.#looks += reaped ? COMPLETION_LOOKS : 1;
    if (this.#looks < LOOKS) RESOLVED.then(this.#microtask);
    else onNextTurn(this.#turn);
  };

  readonly #turn = (): void => {
    this.#looks = 0;
    const looksOn = this.#progressed || this.#patience.mayLookOn();
    if (this.#progressed) this.#patience.found();
    this.#progressed = false;
    if (looksOn) this.#microtask();
    else this.#sleep();
  };

  #sleep(): void {
    this.#source.publish();
    Atomics.store(this.#words, this.#word, 0);
    if (this.#vector !== undefined) this.#bus.msix.unmask(this.#vector);
    const waits =
      this.#source.reap() === 0 &&
      this.#source.inFlight > 0 &&
      !this.#closed &&
      Atomics.waitAsync(this.#words, this.#word, 0, LOST_INTERRUPT_MS);
    if (waits === false || !waits.async) {
      this.#wake();
      return;
    }
    this.#sleeping = true;
    this.#keepAlive.ref();
    void waits.value.then(() => {
      this.#sleeping = false;
      this.#keepAlive.unref();
      this.#wake();
    });
  }

  #wake(): void {
    if (this.#closed) return;
    if (this.#vector !== undefined) this.#bus.msix.mask(this.#vector);
    this.#microtask();
  }
}
