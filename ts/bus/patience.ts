// How long somebody looks in vain before he sleeps. Looking costs a processor, sleeping and being woken some 0.1 ms; so
// he looks for about as long as that costs. But where the other side has no processor, taken by another process or by
// whoever looks, only sleep lets it go on. That cannot be seen, only tried: a look that was in vain to its end is followed by
// short ones, twice as many each time, before there is another long one; one that was not, by long ones. So two sides that
// both sleep, each for the other, come out of it, and two that share a processor rarely look.

/** A short look: longer than the other side takes for a few requests that it is in the middle of. */
const SHORT_MS = 0.02;
/** A long look, where the other side wakes this one and is woken by it: longer than waking ever takes. */
const LONG_MS = 0.5;
/** Most short looks between two long ones. */
const MOST_SHORT = 64;

/** One thread's patience with one ring. */
export class Patience {
  readonly #longMs: number;
  readonly #mostShort: number;
  /** Short looks that come after the next long one in vain, and those that are still to come after the last. */
  #penalty = 1;
  #short = 0;
  /** Since when it looks in vain; 0 if it does not. */
  #vainSince = 0;

  /** @param fixedMs - how long every look is: where the other side sleeps by the clock, and not until it is woken */
  constructor(fixedMs?: number | undefined) {
    this.#longMs = fixedMs ?? LONG_MS;
    this.#mostShort = fixedMs === undefined ? MOST_SHORT : 0;
  }

  /** It looked, and found nothing: whether it had better look once more than sleep. */
  mayLookOn(): boolean {
    const now = performance.now();
    if (this.#vainSince === 0) {
      this.#vainSince = now;
      return true;
    }
    const isShort = this.#short > 0;
    if (now - this.#vainSince < (isShort ? SHORT_MS : this.#longMs)) return true;
    this.#vainSince = 0;
    if (isShort) {
      this.#short--;
    } else {
      this.#short = Math.min(this.#penalty, this.#mostShort);
      this.#penalty = 2 * this.#short;
    }
    return false;
  }

  /** It found something. */
  found(): void {
    if (this.#vainSince === 0) return;
    this.#vainSince = 0;
    this.#short = 0;
    this.#penalty = 1;
  }
}
