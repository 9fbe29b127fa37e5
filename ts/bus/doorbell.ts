// A doorbell: two words of the BAR by which a device that sleeps is woken (protocol, section 5).
//
// No wake-up is lost, by these pairs, all sequentially consistent:
//
//   driver   1 publishes      2 loads `sleeping`      3 if set: adds to `bell`, notifies
//   device   a sets `sleeping`  b loads `bell`  c looks for work  d waits while `bell` is as in b
//
// Of 1 → 2 and a → c at least one side sees the other's store: either c finds the work, or 2 sees
// `sleeping`. In the second case 3 changes `bell`: before b, and then 1 came before c, which finds
// the work; or after b, and then d returns at once, or is notified.
//
// crates/model/src/doorbell.rs is this under a model checker: change both.

import { Register, SLEEPING_OFFSET } from "../abi/layout.js";

/** A doorbell, seen from either side. */
export class Doorbell {
  readonly #words: Int32Array;
  readonly #bell: number;
  readonly #sleeping: number;

  /** @param bell,sleeping - where the two words are in the buffer, in bytes */
  private constructor(buffer: SharedArrayBuffer, bell: number, sleeping: number) {
    this.#words = new Int32Array(buffer);
    this.#bell = bell / 4;
    this.#sleeping = sleeping / 4;
  }

  /** The doorbell of a queue whose doorbell block is at an offset. */
  static ofQueue(buffer: SharedArrayBuffer, block: number): Doorbell {
    return new Doorbell(buffer, block, block + SLEEPING_OFFSET);
  }

  /** The doorbell of the command register of a BAR. */
  static ofCommands(bar: DataView): Doorbell {
    const at = (register: number): number => bar.byteOffset + register;
    const buffer = bar.buffer as SharedArrayBuffer;
    return new Doorbell(buffer, at(Register.commandBell), at(Register.commandSleeping));
  }

  /** Driver: after a publication. A device that is awake costs one load. */
  ring(): void {
    if (Atomics.load(this.#words, this.#sleeping) !== 0) this.wake();
  }

  /** Wakes the device, also for another reason than the ring's. */
  wake(): void {
    Atomics.add(this.#words, this.#bell, 1);
    Atomics.notify(this.#words, this.#bell);
  }

  /**
   * Device: blocks until it is rung, unless there is work when it has lain down; at most for `mostMs`,
   * as a driver that means ill may set the bell back.
   */
  sleep(hasWork: () => boolean, mostMs: number): void {
    const words = this.#words;
    Atomics.store(words, this.#sleeping, 1);
    const heard = Atomics.load(words, this.#bell);
    if (!hasWork()) Atomics.wait(words, this.#bell, heard, mostMs);
    Atomics.store(words, this.#sleeping, 0);
  }

  /** Device: as `sleep`, for a thread that may not block. */
  async sleepAsync(hasWork: () => boolean, mostMs: number): Promise<void> {
    const words = this.#words;
    Atomics.store(words, this.#sleeping, 1);
    const heard = Atomics.load(words, this.#bell);
    if (!hasWork()) await Atomics.waitAsync(words, this.#bell, heard, mostMs).value;
    Atomics.store(words, this.#sleeping, 0);
  }
}
