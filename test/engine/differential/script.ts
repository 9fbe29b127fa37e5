// What a differential test does, as data: a queue's shape, and steps at the level of `Engine` and of the raw bus. A
// script is JSON, so that one that found something can be kept (test/engine/corpus), and mends itself where it
// asks for what there is not: the n-th of fewer is taken modulo their number.

/** Both parts of a queue, and what its device checks against. */
export interface Shape {
  numDescriptors: number;
  /** Whether the device ring lies before the driver ring. */
  swapped: boolean;
  /** Bytes between the parts; even. */
  gap: number;
  readOnly: boolean;
  features: number;
  maxLenBytes: number;
  numSectors: number;
  /** What of host memory may be reached, in bytes from its start. */
  window: [offset: number, length: number];
  iommu: boolean;
}

/** A driver's request; `at` is in bytes from the start of the window. */
export interface Put {
  sector: number;
  at: number;
  len: number;
  opf: number;
  flags: number;
}

export type Ring = "driver" | "device";

/** A byte of the bus: from the start of one of its parts, or before its end. */
export type Place = [area: "start" | "queue" | "host" | "disc" | "yard" | "end", offset: number];

export type Step =
  /** `hold`: the device is not shown them yet. */
  | { do: "submit"; puts: Put[]; hold: boolean }
  | { do: "publish" }
  | { do: "reap" }
  | { do: "fetch"; polls: number }
  | { do: "serve"; polls: number; most: number; pio: boolean; missing: number }
  | { do: "answer"; polls: number; most: number }
  /** Of what was fetched and not answered. */
  | { do: "complete"; picks: number[]; statuses: number[] }
  | { do: "resize"; sectors: number }
  /** So many requests that are answered at once: turns the rings. */
  | { do: "turn"; count: number; opf: number }
  /** As after a reset: zeroed, and both ends opened anew, the driver's at a position. */
  | { do: "restart"; position: number }
  /** Another driver goes on where this one is, if nothing is outstanding. */
  | { do: "takeover" }
  /** The third hand: a field of the descriptor that was published so many ago. */
  | { do: "field"; back: number; field: Field; value: string }
  | { do: "flip"; at: number; bit: number }
  | { do: "idx"; ring: Ring; value: number }
  /** The entry that was put on a ring so many ago. */
  | { do: "entry"; ring: Ring; back: number; value: number }
  /** A device of another make answers a descriptor, be it outstanding or not, and makes it look so. */
  | { do: "lie"; index: number; status: number; inUse: boolean }
  | { do: "map" | "unmap"; page: number; pages: number }
  | { do: "copy"; words: boolean; to: Place; from: Place; len: number }
  | { do: "fill"; to: Place; value: number; len: number }
  | { do: "encode"; table: Place; records: number[][]; count: number }
  | { do: "decode"; table: Place; count: number }
  | { do: "push"; ring: Place; of: number; position: number; entries: number[] }
  | { do: "pop"; ring: Place; of: number; position: number; capacity: number }
  /** Asks for a queue that there cannot be, or hardly. */
  | { do: "open"; side: Ring; parts: [Place, Place, Place]; of: number; position: number }
  /** Answers what is not in service, after some that is: a bug of ours, and the end of the script. */
  | { do: "assert"; picks: number[]; wrong: number };

export type Field = "sSector" | "addr" | "len" | "opf" | "status" | "flags";

export interface Script {
  /** Why it is kept. */
  story?: string | undefined;
  shape: Shape;
  steps: Step[];
}
