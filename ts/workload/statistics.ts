// Numbers from numbers: medians, spreads, and ratios taken within a round.

/** A figure over all rounds that count. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: readonly number[];
}

/** The value that `share` of the values do not exceed, interpolated; of none, no number. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return Number.NaN;
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)] as number;
  return low + ((sorted[Math.ceil(at)] as number) - low) * (at - Math.floor(at));
}

export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

export function summarize(rounds: readonly number[]): Summary {
  return { median: median(rounds), min: quantile(rounds, 0), max: quantile(rounds, 1), rounds };
}

/**
 * The ratios of one round each: what disturbed a round disturbed both of its figures, so their median is
 * steadier than the ratio of two medians.
 */
export function ratiosOf(over: Summary, under: Summary): Summary {
  return summarize(over.rounds.map((value, round) => value / (under.rounds[round] as number)));
}
