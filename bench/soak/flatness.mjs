// Whether memory stays where it is. Flat is: what is used in the middle of the last quarter is at most 16 MiB more than in
// that of the second quarter, and the line through the second half rises by no more from its start to its end.

import { linearRegression, median } from "simple-statistics";

export const MOST_GROWTH_MIB = 16;
/** Fewer say nothing: what is loaded and compiled first is still coming. */
const LEAST_SAMPLES = 16;

/** @typedef {{ seconds: number, requests: number, rssMiB: number, heapMiB: number, outsideMiB: number }} Sample */

/**
 * @param {readonly Sample[]} samples
 * @param {"rssMiB" | "heapMiB"} what
 */
export function flatness(samples, what) {
  const values = samples.map((sample) => sample[what]);
  const quarter = (/** @type {number} */ number) =>
    values.slice(
      Math.floor((values.length * number) / 4),
      Math.floor((values.length * (number + 1)) / 4),
    );
  const facts = {
    samples: values.length,
    startMiB: values[0],
    endMiB: values.at(-1),
    maxMiB: Math.max(...values),
  };
  if (values.length < LEAST_SAMPLES) return { ...facts, isFlat: undefined };
  const half = samples.slice(samples.length / 2);
  const { m } = linearRegression(half.map((sample) => [sample.seconds, sample[what]]));
  const secondQuarterMiB = median(quarter(1));
  const lastQuarterMiB = median(quarter(3));
  const riseMiB = m * (half[half.length - 1].seconds - half[0].seconds);
  const isFlat = lastQuarterMiB - secondQuarterMiB <= MOST_GROWTH_MIB && riseMiB <= MOST_GROWTH_MIB;
  return { ...facts, secondQuarterMiB, lastQuarterMiB, riseOfSecondHalfMiB: riseMiB, isFlat };
}
