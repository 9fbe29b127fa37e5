// Holds the process up while something is waited for: several may wait, each for itself.

/** The longest time of a timer. */
const FOREVER_MS = 2 ** 31 - 1;

export class KeepAlive {
  readonly #timer: ReturnType<typeof setInterval>;
  #waiting = 0;

  constructor() {
    this.#timer = setInterval(() => {}, FOREVER_MS);
    this.#timer.unref();
  }

  ref(): void {
    if (this.#waiting++ === 0) this.#timer.ref();
  }

  unref(): void {
    if (--this.#waiting === 0) this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
