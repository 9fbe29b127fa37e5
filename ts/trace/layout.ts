// A record as it lies in the ring and in a trace file: 64 bytes, little-endian, as 32-bit words.
//
//   0      1                        2 3       4               5        6        7           8 … 15
//   stamp  event, side, thread      timeUs    disc, queue     index    status   opf, flags  by the event
//          8      8     16 bits     float64   16    16 bits                     8    8
//
// The stamp is the ring's, and 0 in a file. Disc and thread are numbers of names (names.ts); 0 is none.

/** Bytes of a record. */
export const RECORD_BYTES = 64;
/** 32-bit words of a record. */
export const RECORD_WORDS = RECORD_BYTES / 4;

/** Words that all records have. */
export const TraceWord = {
  stamp: 0,
  kind: 1,
  /** In 64-bit words. */
  time: 1,
  place: 4,
  index: 5,
  status: 6,
  operation: 7,
  data: 8,
} as const;

/** What was recorded. */
export const TraceEvent = {
  /** Only in a file: a part of a name. */
  name: 1,
  /** Only in a file: records are missing here. */
  lost: 2,
  command: 3,
  answer: 4,
  device: 5,
  open: 6,
  close: 7,
  resize: 8,
  descriptor: 9,
  completion: 10,
  fault: 11,
  stopped: 12,
} as const;

/** Who recorded it. */
export const TraceSide = { endpoint: 1, "root-complex": 2 } as const;

/** The status of a completion of which nobody knows it. */
export const UNKNOWN_STATUS = 0xffff_ffff;

/** Bytes of a name that a record of a file has. */
export const NAME_PART_BYTES = (RECORD_WORDS - TraceWord.data) * 4;
