// A map as nbdinfo and qemu-img print it, and what it says of a range.

export interface Extent {
  readonly offset: number;
  readonly length: number;
  /** What nbdinfo calls it: `data`, `hole,zero`. */
  readonly description: string;
}

/** What there is in a range, each once, in the order of the disc. */
export function stateAt(map: readonly Extent[], offset: number, lenBytes: number): string[] {
  const touched = map.filter(
    (extent) => extent.offset < offset + lenBytes && extent.offset + extent.length > offset,
  );
  return [...new Set(touched.map(({ description }) => description))];
}
