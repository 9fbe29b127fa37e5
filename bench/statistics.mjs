// Numbers from numbers: medians, spreads, and ratios taken within a round.

/**
 * One measured figure over all rounds.
 *
 * @typedef {{ median: number, min: number, max: number, rounds: number[] }} Summary
 */

/**
 * The value that `share` of the values do not exceed, interpolated.
 *
 * @param {ArrayLike<number>} values
 * @param {number} share - 0 to 1
 */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at));
}

/** @param {ArrayLike<number>} values */
export function median(values) {
  return quantile(values, 0.5);
}

/**
 * Of no rounds at all the figures are no numbers.
 *
 * @param {number[]} rounds
 * @returns {Summary}
 */
export function summarize(rounds) {
  return {
    median: median(rounds),
    min: quantile(rounds, 0),
    max: quantile(rounds, 1),
    rounds,
  };
}

/**
 * The median of the ratios of one round each: what disturbed a round disturbed
 * both of its figures, so this is steadier than the ratio of two medians.
 *
 * @param {Summary} over
 * @param {Summary} under
 */
export function ratioOf(over, under) {
  return median(over.rounds.map((value, round) => value / under.rounds[round]));
}
