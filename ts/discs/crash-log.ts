// What all threads of a crash disc share: what it held at first, and every change since, in order.
//
//   words      how many events there were, how many sectors of data are in use, whether the power is cut
//   base       the contents that it was made with
//   events     8 words each: what was begun, by position. The end of an operation is an event, too, and has a
//              position, but no record: the operation's own says when that was
//   data       what was written, one write behind the other
//   newest     a word for each sector: the position, plus one, of the change that was begun last; 0 for none
//
// Nothing takes a lock: a thread that dies in the middle of something leaves an operation that never ended, and blocks
// nobody. A place is claimed by one addition. A record is whole when its kind is stored, and `newest` names whole ones
// only. Of two changes of a sector that are in flight together the one with the later position wins in every thread,
// as `newest` only rises: what is read is what a crash that keeps everything leaves.

import { SECTOR_BYTES } from "../abi/layout.js";
import { BlockptError } from "../errors.js";

/** What an event is; the first two have data. 0 is a place that is not, or not yet, filled. */
export const EventKind = { WRITE: 1, WRITE_THROUGH: 2, ZEROES: 3, DISCARD: 4, FLUSH: 5 } as const;

/** Words of an event's record. */
const EVENT_WORDS = 8;
const EventWord = { kind: 0, startSector: 1, sectors: 2, place: 3, ended: 4 } as const;

/** Words that belong to none. */
const Word = { events: 0, dataSectors: 1, isCut: 2, cutAt: 3 } as const;
const WORDS = 4;

/** The shared memory of a crash disc; can be posted. */
export interface CrashMemory {
  readonly words: SharedArrayBuffer;
  readonly base: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
  readonly newest: SharedArrayBuffer;
}

/** Memory for so much; pages that nobody touches cost nothing. */
export function createCrashMemory(
  sizeBytes: number,
  logBytes: number,
  maxEvents: number,
): CrashMemory {
  try {
    return {
      words: new SharedArrayBuffer(WORDS * 4),
      base: new SharedArrayBuffer(sizeBytes),
      events: new SharedArrayBuffer(maxEvents * EVENT_WORDS * 4),
      data: new SharedArrayBuffer(logBytes),
      newest: new SharedArrayBuffer((sizeBytes / SECTOR_BYTES) * 4),
    };
  } catch (cause) {
    const why = `no memory for a crash disc of ${sizeBytes} bytes with a log of ${logBytes}: set logBytes`;
    throw new BlockptError("ERR_BLOCKPT_NO_SPACE", why, { cause });
  }
}

/** One change or flush, from its record. */
export interface LoggedEvent {
  readonly position: number;
  readonly kind: number;
  readonly startSector: number;
  readonly sectors: number;
  /** Where its data is, in sectors. */
  readonly place: number;
  /** The position at which it had ended; undefined if nobody was answered. */
  readonly ended: number | undefined;
}

export class CrashLog {
  readonly memory: CrashMemory;
  readonly sectors: number;
  readonly base: Uint8Array;
  readonly data: Uint8Array;
  readonly #words: Int32Array;
  readonly #events: Int32Array;
  readonly #newest: Int32Array;
  readonly #maxEvents: number;
  readonly #maxDataSectors: number;

  constructor(memory: CrashMemory) {
    this.memory = memory;
    this.base = new Uint8Array(memory.base);
    this.data = new Uint8Array(memory.data);
    this.#words = new Int32Array(memory.words);
    this.#events = new Int32Array(memory.events);
    this.#newest = new Int32Array(memory.newest);
    this.sectors = this.#newest.length;
    this.#maxEvents = this.#events.length / EVENT_WORDS;
    this.#maxDataSectors = Math.floor(this.data.length / SECTOR_BYTES);
  }

  /** How many events there were; when the power was cut, until then. */
  get position(): number {
    const cutAt = Atomics.load(this.#words, Word.cutAt);
    return cutAt === 0 ? Atomics.load(this.#words, Word.events) : cutAt - 1;
  }

  get isCut(): boolean {
    return Atomics.load(this.#words, Word.isCut) !== 0;
  }

  /** From here on nothing is answered with success; what was so before has its place before this one. */
  cut(): number {
    // In this order: who does not see the first has claimed its position before the load, see `end`.
    Atomics.store(this.#words, Word.isCut, 1);
    const position = Atomics.load(this.#words, Word.events);
    // Once: a second cut is none.
    Atomics.compareExchange(this.#words, Word.cutAt, 0, position + 1);
    return this.position;
  }

  /** Room for data, in sectors from its start; undefined if there is none. */
  claimData(sectors: number): number | undefined {
    const words = this.#words;
    if (Atomics.load(words, Word.dataSectors) + sectors > this.#maxDataSectors) return undefined;
    const place = Atomics.add(words, Word.dataSectors, sectors);
    return place + sectors > this.#maxDataSectors ? undefined : place;
  }

  /** Writes down that something has begun; gives its position, or undefined if there is no room. */
  begin(kind: number, startSector: number, sectors: number, place: number): number | undefined {
    if (Atomics.load(this.#words, Word.events) >= this.#maxEvents) return undefined;
    const position = Atomics.add(this.#words, Word.events, 1);
    if (position >= this.#maxEvents) return undefined;
    const at = position * EVENT_WORDS;
    this.#events[at + EventWord.startSector] = startSector;
    this.#events[at + EventWord.sectors] = sectors;
    this.#events[at + EventWord.place] = place;
    Atomics.store(this.#events, at + EventWord.kind, kind);
    for (let sector = startSector; sector < startSector + sectors; sector++) {
      this.#rise(sector, position + 1);
    }
    return position;
  }

  /** Writes down that it has ended; false if the power was cut before, and nobody may be answered. */
  end(position: number): boolean {
    const ended = position * EVENT_WORDS + EventWord.ended;
    const now = Atomics.add(this.#words, Word.events, 1);
    Atomics.store(this.#events, ended, now + 1);
    // After the store: who cuts the power now finds it.
    if (!this.isCut) return true;
    Atomics.store(this.#events, ended, 0);
    return false;
  }

  /** What was begun before a position, in order. */
  *eventsBefore(position: number): Generator<LoggedEvent> {
    const events = this.#events;
    const end = Math.min(position, this.#maxEvents);
    for (let each = 0; each < end; each++) {
      const at = each * EVENT_WORDS;
      const kind = Atomics.load(events, at + EventWord.kind);
      if (kind === 0) continue;
      const ended = Atomics.load(events, at + EventWord.ended) - 1;
      yield {
        position: each,
        kind,
        startSector: events[at + EventWord.startSector] as number,
        sectors: events[at + EventWord.sectors] as number,
        place: events[at + EventWord.place] as number,
        ended: ended < 0 || ended >= position ? undefined : ended,
      };
    }
  }

  /** Copies what is on the disc now. */
  read(target: Uint8Array, at: number, startSector: number, sectors: number): void {
    this.copy(target, at, startSector, sectors, (sector) => Atomics.load(this.#newest, sector));
  }

  /**
   * Copies sectors, each as the change left it whose position, plus one, is told; 0 is the contents at first.
   */
  copy(
    target: Uint8Array,
    at: number,
    startSector: number,
    sectors: number,
    changeOf: (sector: number) => number,
  ): void {
    const end = startSector + sectors;
    let next = sectors > 0 ? changeOf(startSector) : 0;
    for (let first = startSector; first < end; ) {
      const change = next;
      let last = first + 1;
      // Neighbours of one change are copied together.
      while (last < end) {
        next = changeOf(last);
        if (next !== change) break;
        last++;
      }
      this.#copyRun(target, at + (first - startSector) * SECTOR_BYTES, first, last - first, change);
      first = last;
    }
  }

  #copyRun(target: Uint8Array, at: number, first: number, count: number, change: number): void {
    const lenBytes = count * SECTOR_BYTES;
    const record = (change - 1) * EVENT_WORDS;
    if (change === 0) {
      const from = first * SECTOR_BYTES;
      target.set(this.base.subarray(from, from + lenBytes), at);
    } else if ((this.#events[record + EventWord.kind] as number) <= EventKind.WRITE_THROUGH) {
      const place = this.#events[record + EventWord.place] as number;
      const startSector = this.#events[record + EventWord.startSector] as number;
      const from = (place + first - startSector) * SECTOR_BYTES;
      target.set(this.data.subarray(from, from + lenBytes), at);
    } else {
      target.fill(0, at, at + lenBytes);
    }
  }

  #rise(sector: number, change: number): void {
    let seen = Atomics.load(this.#newest, sector);
    while (seen < change) {
      const found = Atomics.compareExchange(this.#newest, sector, seen, change);
      if (found === seen) return;
      seen = found;
    }
  }
}
