// Discs that stand on other discs, and which discs there are at all.

import { CrashDisc } from "./crash-disc.js";
import type { Disc } from "./disc.js";
import { FileDisc } from "./file-disc.js";
import { MemoryDisc } from "./memory-disc.js";
import { NbdDisc } from "./nbd-disc.js";
import { NullDisc } from "./null-disc.js";
import { ReplayDisc } from "./replay-disc.js";

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
 * Whether it is one of the discs there are: others cannot be opened in a queue's thread.
 *
 * @internal
 */
export function isDisc(disc: unknown): disc is Disc {
  const kinds = [FileDisc, MemoryDisc, NullDisc, NbdDisc, CrashDisc, ReplayDisc, WrappedDisc];
  return kinds.some((kind) => disc instanceof kind);
}

/**
 * Whether `part` is that disc, or stands on it: a partition of it, or one in front of it.
 *
 * @internal
 */
export function isPartOf(part: Disc, whole: Disc): boolean {
  return part === whole || (part instanceof WrappedDisc && isPartOf(part.inner, whole));
}
