// How a disk is read and written, as fio calls it.

/** How a request is made. */
export const APIS = ["promise", "callback", "batch", "sync"] as const;
export type Api = (typeof APIS)[number];

/** What is done, as fio calls it. */
export const PATTERNS = ["randread", "randwrite", "randrw", "read", "write", "rw"] as const;
export type Pattern = (typeof PATTERNS)[number];

/** What of a job says where its requests go. */
export interface Shape {
  readonly pattern: Pattern;
  /** Share of reads in percent, of the mixed patterns. */
  readonly readPercent: number;
}

export function isRandom({ pattern }: Pick<Shape, "pattern">): boolean {
  return pattern.startsWith("rand");
}

/** Share of reads, 0 to 1. */
export function readShare({ pattern, readPercent }: Shape): number {
  if (pattern === "randread" || pattern === "read") return 1;
  return pattern === "randrw" || pattern === "rw" ? readPercent / 100 : 0;
}
