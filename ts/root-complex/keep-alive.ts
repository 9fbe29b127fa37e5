// Holds the process up while something is waited for: several may wait, each for itself.

import { ref, unref } from "../platform/turns.js";

/** The longest time of a timer. */
const FOREVER_MS = 2 ** 31 - 1;

export class KeepAlive {
  readonly #timer: ReturnType<typeof setInterval>;
  #waiting = 0;

  constructor() {
    this.#timer = setInterval(() => {}, FOREVER_MS);
    unref(this.#timer);
  }

  ref(): void {
    if (this.#waiting++ === 0) ref(this.#timer);
  }

  unref(): void {
    if (--this.#waiting === 0) unref(this.#timer);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
