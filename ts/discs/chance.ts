// Chance from a seed, without a state: what befalls the n-th request of a fault's rule, or the n-th change of a log,
// depends on the seed and n alone, and so needs no lock between threads that count.

/**
 * A number from 0 to 2^32 − 1.
 *
 * @param count - which one, a whole number
 * @param purpose - tells the numbers apart that are wanted for one
 */
export function chance(seed: number, count: number, purpose: number): number {
  let state = mixed(seed ^ 0x9e3779b9);
  state = mixed(state ^ count);
  state = mixed(state + Math.floor(count / 0x1_0000_0000));
  return mixed(state ^ Math.imul(purpose + 1, 0x85ebca6b)) >>> 0;
}

/** The finalizer of MurmurHash3: each bit of it depends on each bit of what it is given. */
function mixed(value: number): number {
  let state = value | 0;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
