// What is measured at one go for several rows.

/**
 * Gives each row what was measured last, and measures anew once a row has had that.
 *
 * @template T
 * @param {() => T | Promise<T>} measure
 */
export function takenOnce(measure) {
  /** @type {Set<import("../rounds.mjs").Row>} */
  const taken = new Set();
  /** @type {T | Promise<T> | undefined} */
  let last;
  return async (/** @type {import("../rounds.mjs").Row} */ row) => {
    if (last === undefined || taken.has(row)) {
      taken.clear();
      last = measure();
    }
    taken.add(row);
    return last;
  };
}
