// Chance that can be had again: a generator of numbers from a seed (mulberry32).

/** Numbers by chance, the same ones from the same seed. */
export class Seeded {
  #state: number;

  /** @param seed - 0 to 2^32 − 1 */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to 2^32 − 1. */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `limit` − 1. */
  below(limit: number): number {
    return this.u32() % limit;
  }

  /** True in one of so many. */
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Fills bytes. */
  fill(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.u32() >>> 24;
  }
}

/** A seed by chance. */
export function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 32);
}
