// What a disc holds after a crash: what its flushes force, and of the rest what a seed, or somebody, chooses.
//
// A change is forced by a flush that was answered, if the change had ended before the flush began; and, as a
// write-through, by its own end. Of a sector's changes the latest that is forced, or kept, is what is there.

import { SECTOR_BYTES } from "../abi/layout.js";
import { BlockptError, checkInteger } from "../errors.js";
import { chance } from "./chance.js";
import { type CrashLog, EventKind, type LoggedEvent } from "./crash-log.js";

/** A change or a flush, as a crash disc saw it. */
export interface CrashOperation {
  /** When it began: which of the disc's events, counted from 0, that was. */
  readonly position: number;
  /** When it had ended and was answered; undefined if that was not, or not before the position that was asked for. */
  readonly answeredAt: number | undefined;
  /** What it is. A `write-through` is a write with FUA. */
  readonly operation: "write" | "write-through" | "write-zeroes" | "discard" | "flush";
  /** Where it starts, in bytes; of a flush 0. */
  readonly offsetBytes: number;
  /** How many bytes it has; of a flush 0. */
  readonly lenBytes: number;
}

/** Which crash. */
export interface CrashOptions {
  /** After how many events, 0 to {@link CrashDisc.position}; by default all that there were. */
  at?: number | undefined;
  /**
   * Of the changes that no flush forces: `none` stays, `all` do, or `some`, each whole, in part, or not at all, as `seed` says;
   * or whatever a function says of each. Default `some`.
   */
  keep?: "none" | "all" | "some" | ((change: CrashOperation) => boolean) | undefined;
  /** Chooses with `some`, and again the same for the same number: a whole number, 0 to 2^32 - 1. Default 1. */
  seed?: number | undefined;
  /**
   * A change that stays in part is torn between two of these, in bytes: a multiple of 512, by default the disc's
   * logical block. A disc that promises to write 4096 bytes as a whole has 4096.
   */
  tearBytes?: number | undefined;
  /**
   * From this position on flushes and FUA forced nothing, though they were answered: of a disc that lies. With it a check
   * of yours is to fail; if it does not, it checks too little. Default: no flush is lost.
   */
  flushesLostFrom?: number | undefined;
}

const NAMES = {
  [EventKind.WRITE]: "write",
  [EventKind.WRITE_THROUGH]: "write-through",
  [EventKind.ZEROES]: "write-zeroes",
  [EventKind.DISCARD]: "discard",
  [EventKind.FLUSH]: "flush",
} as const;

/** Whether a change leaves its bytes in a sector. */
type Keeps = (sector: number) => boolean;

const always: Keeps = () => true;
const never: Keeps = () => false;

/** An operation in the user's words. */
export function describeEvent(event: LoggedEvent): CrashOperation {
  return {
    position: event.position,
    answeredAt: event.ended,
    operation: NAMES[event.kind as keyof typeof NAMES],
    offsetBytes: event.startSector * SECTOR_BYTES,
    lenBytes: event.sectors * SECTOR_BYTES,
  };
}

/** The disc's contents after a crash. */
export function crashImage(
  log: CrashLog,
  logicalBlockBytes: number,
  options: CrashOptions,
): Uint8Array {
  const end = log.position;
  const { at = end, tearBytes = logicalBlockBytes, flushesLostFrom = end } = options;
  checkInteger("at", at, 0, end);
  checkInteger("flushesLostFrom", flushesLostFrom, 0, end);
  checkInteger("tearBytes", tearBytes, SECTOR_BYTES, 2 ** 31 - SECTOR_BYTES);
  if (tearBytes % SECTOR_BYTES !== 0) {
    const why = `tearBytes is ${tearBytes}: a multiple of ${SECTOR_BYTES} is wanted`;
    throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
  }
  const events = [...log.eventsBefore(at)];
  const forces = (event: LoggedEvent, kind: number): boolean =>
    event.kind === kind && event.ended !== undefined && event.position < flushesLostFrom;
  let flushed = 0;
  for (const event of events) {
    if (forces(event, EventKind.FLUSH)) flushed = event.position;
  }
  const isForced = (event: LoggedEvent): boolean =>
    (event.ended !== undefined && event.ended < flushed) || forces(event, EventKind.WRITE_THROUGH);

  const keeps = chooser(at, tearBytes / SECTOR_BYTES, options);
  /** For each sector the position, plus one, of the change that is there. */
  const survivors = new Int32Array(log.sectors);
  for (const event of events) {
    const keepsSector = isForced(event) ? always : keeps(event);
    if (keepsSector === never) continue;
    const last = event.startSector + event.sectors;
    for (let sector = event.startSector; sector < last; sector++) {
      if (keepsSector(sector)) survivors[sector] = event.position + 1;
    }
  }
  const image = new Uint8Array(log.sectors * SECTOR_BYTES);
  log.copy(image, 0, 0, log.sectors, (sector) => survivors[sector] as number);
  return image;
}

/** Says of each change that is not forced what stays of it. */
function chooser(
  at: number,
  tearSectors: number,
  { keep = "some", seed = 1 }: CrashOptions,
): (event: LoggedEvent) => Keeps {
  if (typeof keep === "function") return (event) => (keep(describeEvent(event)) ? always : never);
  checkInteger("seed", seed, 0, 2 ** 32 - 1);
  switch (keep) {
    case "none":
      return () => never;
    case "all":
      return () => always;
    case "some":
      return someOf(seed, at, tearSectors);
    default: {
      const why = `keep is ${JSON.stringify(keep)}: none, all, some or a function is wanted`;
      throw new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
    }
  }
}

/** What share of the changes stay, and of these are torn: seeds differ in it, as few caches lose just the half. */
const KEPT = [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98] as const;
const TORN = [0, 0.05, 0.5] as const;
/** One seed of so many has a cache that is written back in order, up to somewhere. */
const IN_ORDER = 4;

/** What `random` is asked for, other than a change's position. */
const Question = { kept: -1, torn: -2, inOrder: -3, upTo: -4 } as const;

function someOf(seed: number, at: number, tearSectors: number): (event: LoggedEvent) => Keeps {
  const pick = <T>(from: readonly T[], question: number): T =>
    from[Math.floor(random(seed, question, 0) * from.length)] as T;
  const kept = pick(KEPT, Question.kept);
  const torn = pick(TORN, Question.torn);
  const isInOrder = random(seed, Question.inOrder, 0) < 1 / IN_ORDER;
  const upTo = random(seed, Question.upTo, at) * at;
  // But for a cache in order, a seed treats a change in the same way whenever the crash is.
  return ({ position }) => {
    if (random(seed, position, -1) < torn) {
      return (sector) => random(seed, position, Math.floor(sector / tearSectors)) < 0.5;
    }
    const stays = isInOrder ? position < upTo : random(seed, position, -2) < kept;
    return stays ? always : never;
  };
}

/** A number from 0 to below 1 that three whole ones lead to. */
function random(seed: number, a: number, b: number): number {
  return chance(seed, a, b) / 2 ** 32;
}
