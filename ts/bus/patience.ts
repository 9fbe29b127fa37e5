// How long somebody looks in vain before he sleeps. Looking costs a processor, sleeping and being woken some 50 µs:
// so he looks for about as long as that costs. But where the other side has no processor, taken by
// somebody else or by whoever looks, only sleep lets it go on; and what takes long anyway may as well be
// slept for. So a time that was spent in vain halves the next one, and one that was not doubles it.

/** Shortest time: longer than the other side takes that is in the middle of something. */
const LEAST_MS = 0.005;
/** Longest time, where the other side wakes this one and is woken by it: what both together cost. */
const MOST_MS = 0.1;

/** One thread's patience with one ring. */
export class Patience {
  readonly #mostMs: number;
  readonly #leastMs: number;
  #lookMs: number;
  /** Since when it looks in vain; 0 if it does not. */
  #vainSince = 0;

  /** @param fixedMs - how long it looks, always: where the other side sleeps by the clock, and not until it is woken */
  constructor(fixedMs?: number | undefined) {
    this.#mostMs = fixedMs ?? MOST_MS;
    this.#leastMs = fixedMs ?? LEAST_MS;
    this.#lookMs = this.#mostMs;
  }

  /** It looked, and found nothing: whether it had better look once more than sleep. */
  mayLookOn(): boolean {
    const now = performance.now();
    if (this.#vainSince === 0) {
      this.#vainSince = now;
      return true;
    }
    if (now - this.#vainSince < this.#lookMs) return true;
    this.#vainSince = 0;
    this.#lookMs = Math.max(this.#leastMs, this.#lookMs / 2);
    return false;
  }

  /** It found something. */
  found(): void {
    if (this.#vainSince === 0) return;
    this.#vainSince = 0;
    this.#lookMs = Math.min(this.#mostMs, this.#lookMs * 2);
  }
}
