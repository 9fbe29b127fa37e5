// Discs that stand on other discs.

import type { Disc } from "./disc.js";

/** A disc that stands on another one: a `PartitionDisc` or a `FaultyDisc`. */
export abstract class WrappedDisc {
  /** The disc that it stands on. */
  readonly inner: Disc;

  /** @internal */
  constructor(inner: Disc) {
    this.inner = inner;
  }
}

/**
 * Whether `part` is that disc, or stands on it: a partition of it, or one in front of it.
 *
 * @internal
 */
export function isPartOf(part: Disc, whole: Disc): boolean {
  return part === whole || (part instanceof WrappedDisc && isPartOf(part.inner, whole));
}
