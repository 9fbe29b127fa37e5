// One request at a time of a thread of the soak: what it does, the bytes that a write takes, and whether those of a read are
// right. What a sector holds is a function of its number and its version: a stamp of 16 bytes in four places, and of
// every 16th version all 512 bytes; or zeros, whose version is negative. A lane has extents that no other lane of
// any thread touches meanwhile, so that what each sector must hold is always known.

import { Operation } from "../../dist/abi.js";

export const SECTOR_BYTES = 512;
/** The longest request, and the grain by which lanes are apart. */
export const EXTENT_SECTORS = 256;
export const EXTENT_BYTES = EXTENT_SECTORS * SECTOR_BYTES;
const WORDS = SECTOR_BYTES / 4;
const LAST = WORDS - 1;
/** Of so many versions one is written and checked in all its bytes. */
const WHOLE_EVERY = 16;

/** Lengths in sectors, most of them short: 1024 of them, one of which is drawn. */
const LENGTHS = new Uint16Array(1024);
{
  const shares = [
    [1, 560],
    [2, 120],
    [4, 100],
    [8, 150],
    [16, 40],
    [32, 24],
    [64, 14],
    [128, 8],
    [256, 8],
  ];
  let at = 0;
  for (const [sectors, share] of shares) {
    LENGTHS.fill(sectors, at, at + share);
    at += share;
  }
}
/** Of 1024 requests, and the rest are reads. */
const WRITES = 380;
const ZEROES = 24;

/** @typedef {{ requests: number, reads: number, writes: number, zeroes: number, discards: number, flushes: number, bytes: number, checkedSectors: number, wholeSectors: number, again: number }} Tally */

/** @returns {Tally} */
export const emptyTally = () => ({
  requests: 0,
  reads: 0,
  writes: 0,
  zeroes: 0,
  discards: 0,
  flushes: 0,
  bytes: 0,
  checkedSectors: 0,
  wholeSectors: 0,
  again: 0,
});

export class Lane {
  /** What the request in hand is. */
  opf = 0;
  firstSector = 0;
  sectors = 0;
  #versions;
  #firstExtent;
  #stride;
  #extents;
  #flushes;
  #discards;
  #state;
  #tally;
  /** Sectors of a discard, which hold anything until they are written. */
  #toWrite = false;

  /**
   * @param {{ versions: Int32Array, firstExtent: number, stride: number, extents: number, flushes: number, discards: number, seed: number, tally: Tally }} options -
   *   the lane's extents: so many, a stride apart; `flushes` and `discards` of 1024 requests
   */
  constructor({ versions, firstExtent, stride, extents, flushes, discards, seed, tally }) {
    this.#versions = versions;
    this.#firstExtent = firstExtent;
    this.#stride = stride;
    this.#extents = extents;
    this.#flushes = flushes;
    this.#discards = discards;
    this.#tally = tally;
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  }

  get lenBytes() {
    return this.opf === Operation.FLUSH ? 0 : this.sectors * SECTOR_BYTES;
  }

  get offsetBytes() {
    return this.opf === Operation.FLUSH ? 0 : this.firstSector * SECTOR_BYTES;
  }

  /** Draws the next request; `words` from `at` on are filled with what it writes. */
  next(/** @type {Int32Array} */ words, /** @type {number} */ at) {
    if (this.#toWrite) {
      this.#toWrite = false;
      this.opf = Operation.WRITE;
    } else {
      const drawn = this.#random();
      this.opf = this.#operation(drawn & 1023);
      if (this.opf === Operation.FLUSH) return;
      this.sectors = LENGTHS[(drawn >>> 10) & 1023];
      const place = this.#random();
      const extent = this.#firstExtent + ((place >>> 8) % this.#extents) * this.#stride;
      const room = EXTENT_SECTORS - this.sectors + 1;
      this.firstSector = extent * EXTENT_SECTORS + ((place & 0xff) % room);
    }
    if (this.opf === Operation.WRITE) this.#stamp(words, at);
    else if (this.opf === Operation.WRITE_ZEROES) this.#zero();
    else if (this.opf === Operation.DISCARD) this.#toWrite = true;
  }

  /** The request was answered: a read's bytes are checked. @throws {Error} if a sector is not what it must be */
  end(/** @type {Int32Array} */ words, /** @type {number} */ at) {
    const tally = this.#tally;
    tally.requests++;
    switch (this.opf) {
      case Operation.READ:
        tally.reads++;
        this.#check(words, at);
        break;
      case Operation.WRITE:
        tally.writes++;
        break;
      case Operation.WRITE_ZEROES:
        tally.zeroes++;
        break;
      case Operation.DISCARD:
        tally.discards++;
        break;
      default:
        tally.flushes++;
        return;
    }
    tally.bytes += this.sectors * SECTOR_BYTES;
  }

  /** Whether a discard is still to be written over: a lane does not end so. */
  get isOpen() {
    return this.#toWrite;
  }

  #operation(/** @type {number} */ drawn) {
    if (drawn < WRITES) return Operation.WRITE;
    if (drawn < WRITES + ZEROES) return Operation.WRITE_ZEROES;
    const rest = drawn - WRITES - ZEROES;
    if (rest < this.#discards) return Operation.DISCARD;
    return rest < this.#discards + this.#flushes ? Operation.FLUSH : Operation.READ;
  }

  #random() {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  #stamp(/** @type {Int32Array} */ words, /** @type {number} */ at) {
    const end = this.firstSector + this.sectors;
    for (let sector = this.firstSector, word = at; sector < end; sector++, word += WORDS) {
      const version = (Math.abs(this.#versions[sector]) + 1) | 0;
      this.#versions[sector] = version;
      if (version % WHOLE_EVERY === 0) {
        for (let each = 1; each < LAST; each++) words[word + each] = wordOf(sector, version, each);
      }
      words[word] = sector;
      words[word + 1] = version;
      words[word + 2] = wordOf(sector, version, 2);
      words[word + LAST] = wordOf(sector, version, LAST);
    }
  }

  #zero() {
    const end = this.firstSector + this.sectors;
    for (let sector = this.firstSector; sector < end; sector++) {
      this.#versions[sector] = -(Math.abs(this.#versions[sector]) + 1);
    }
  }

  #check(/** @type {Int32Array} */ words, /** @type {number} */ at) {
    this.#tally.checkedSectors += this.sectors;
    this.#tally.wholeSectors += checkSectors(
      this.#versions,
      words,
      at,
      this.firstSector,
      this.sectors,
    );
  }
}

/**
 * Checks sectors that were read; says how many of them in all their bytes.
 *
 * @param {Int32Array} versions
 * @param {Int32Array} words
 * @param {number} at
 * @param {number} firstSector
 * @param {number} sectors
 * @throws {Error} if one is not what it must be
 */
export function checkSectors(versions, words, at, firstSector, sectors) {
  const end = firstSector + sectors;
  let whole = 0;
  for (let sector = firstSector, word = at; sector < end; sector++, word += WORDS) {
    const version = versions[sector];
    const isData = version > 0;
    const isRight = isData
      ? words[word] === sector &&
        words[word + 1] === version &&
        words[word + 2] === wordOf(sector, version, 2) &&
        words[word + LAST] === wordOf(sector, version, LAST)
      : (words[word] | words[word + 1] | words[word + 2] | words[word + LAST]) === 0;
    if (!isRight) fail(words, word, sector, version);
    if (version % WHOLE_EVERY !== 0) continue;
    whole++;
    for (let each = 3; each < LAST; each++) {
      if (words[word + each] !== (isData ? wordOf(sector, version, each) : 0)) {
        fail(words, word, sector, version);
      }
    }
  }
  return whole;
}

function wordOf(
  /** @type {number} */ sector,
  /** @type {number} */ version,
  /** @type {number} */ each,
) {
  return (Math.imul(sector ^ (version << 7), 0x85ebca6b) + Math.imul(each, 0x27d4eb2f)) | 0;
}

/** @param {Int32Array} words @param {number} at @param {number} sector @param {number} version @returns {never} */
function fail(words, at, sector, version) {
  const says = version > 0 ? `version ${version}` : "zeros";
  const is = [0, 1, 2, LAST].map((word) => words[at + word]).join(" ");
  throw new Error(`sector ${sector} must hold ${says}, and its words 0, 1, 2 and 127 are ${is}`);
}
