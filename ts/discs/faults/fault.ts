// What a fault is: what goes wrong, and with which requests. A rule as its user writes it becomes, once it is
// checked, a `Fault`, in which nothing is missing.

import { BlkStatus } from "../../abi/layout.js";
import { nameOf } from "../../abi/names.js";
import { BlockptError, checkInteger } from "../../errors.js";

/** What can go wrong: {@link FaultRule} says what each does. */
export type FaultKind = "error" | "delay" | "stall" | "torn" | "lost-flush" | "corrupt";

/** What a request asks of a disc. */
export type FaultOperation = "read" | "write" | "flush" | "discard" | "write-zeroes";

/**
 * What goes wrong with which requests of a disc.
 *
 * | kind | what becomes of a request |
 * |---|---|
 * | `error` | it is answered with `status`, and the disc is not touched |
 * | `delay` | it waits for `durationMs`, then it goes on; others overtake it |
 * | `stall` | for `durationMs` no request of the disc, on whichever queue, goes on |
 * | `torn` | of a write, or a write of zeroes, the first `keepSectors` are written; it is answered with `status` |
 * | `lost-flush` | a flush is answered OK and nothing is flushed; so is the flush that a write with FUA means |
 * | `corrupt` | `bits` bits of what a read gives are others than on the disc, which is not harmed |
 *
 * The rules of a disc are gone through in order. Delays and stalls add up; the first of the others decides, and
 * the rules behind it do not see the request. A rule counts the requests of its operations and its range, over all
 * queues: `after`, `every` and `probability` say which of them it befalls, `times` how many at most.
 */
export interface FaultRule {
  /** What goes wrong. */
  kind: FaultKind;
  /**
   * Of `error` and `torn`: a name of `BlkStatus`, the errno that Linux has for it, or a number from 0 to 255.
   * Default `IOERR` for an error, which cannot be `OK`, and `OK` for a torn write.
   */
  status?: string | number | undefined;
  /** Of `delay` and `stall`, which need it: milliseconds, 1 to 86400000. */
  durationMs?: number | undefined;
  /** Of `torn`: sectors that are written. Default: any number that is less than the write has, from the seed. */
  keepSectors?: number | undefined;
  /** Of `corrupt`: bits that are other ones, 1 to 4096. Default 1. */
  bits?: number | undefined;
  /** Which operations. Default: all that the kind can befall. */
  operations?: readonly FaultOperation[] | undefined;
  /** Only requests that have a sector (of 512 bytes) from this one on; a flush has none. Default: all, and flushes. */
  firstSector?: number | undefined;
  /** Only requests that have a sector up to this one, itself included. Default: the last, or without a `firstSector` all. */
  lastSector?: number | undefined;
  /** So many of its requests are spared first. Default 0. */
  after?: number | undefined;
  /** Of the rest, each that is so many on: 3 is the third, sixth and so on. Default 1. */
  every?: number | undefined;
  /** Of these, this share, above 0 and at most 1. Default 1. */
  probability?: number | undefined;
  /** At most so many times. Default: no end, but 1 for a stall of which neither `every` nor `probability` is said. */
  times?: number | undefined;
  /** What chance comes of, 0 to 4294967295: with it and the order of requests all is the same again. Default: its place among the rules, from 1. */
  seed?: number | undefined;
}

/** A rule, and what has come of it. */
export interface FaultReport {
  /** The rule, as it was understood. */
  readonly rule: FaultRule;
  /** The same as text, as `parseFault` takes it. */
  readonly text: string;
  /** How many requests of its operations and its range there were. */
  readonly seen: number;
  /** How many of them it befell. */
  readonly hits: number;
}

/** A rule that was checked. */
export interface Fault {
  readonly kind: FaultKind;
  readonly status: number;
  readonly durationMs: number;
  /** Undefined for as many as the seed says. */
  readonly keepSectors?: number | undefined;
  readonly bits: number;
  readonly operations: readonly FaultOperation[];
  /** Undefined with `lastSector` for all requests, those without a range included. */
  readonly firstSector?: number | undefined;
  readonly lastSector?: number | undefined;
  readonly after: number;
  readonly every: number;
  readonly probability: number;
  /** 0 for no end. */
  readonly times: number;
  /** Undefined for the rule's place. */
  readonly seed?: number | undefined;
}

const ALL_OPERATIONS: readonly FaultOperation[] = [
  "read",
  "write",
  "flush",
  "discard",
  "write-zeroes",
];

/** What each kind can befall. */
export const OPERATIONS: Readonly<Record<FaultKind, readonly FaultOperation[]>> = {
  error: ALL_OPERATIONS,
  delay: ALL_OPERATIONS,
  stall: ALL_OPERATIONS,
  torn: ["write", "write-zeroes"],
  // A write is one with FUA.
  "lost-flush": ["flush", "write"],
  corrupt: ["read"],
};

/** What each kind has of its own. */
const OWN: Readonly<Record<FaultKind, readonly (keyof FaultRule)[]>> = {
  error: ["status"],
  delay: ["durationMs"],
  stall: ["durationMs"],
  torn: ["status", "keepSectors"],
  "lost-flush": [],
  corrupt: ["bits"],
};
const COMMON: readonly (keyof FaultRule)[] = [
  ...(["kind", "operations", "firstSector", "lastSector"] as const),
  ...(["after", "every", "probability", "times", "seed"] as const),
];

/** Linux's errno of each status, as its `blk_status_to_errno` has it. */
const ERRNOS: Readonly<Record<string, number>> = {
  EOPNOTSUPP: BlkStatus.NOTSUPP,
  ETIMEDOUT: BlkStatus.TIMEOUT,
  ENOSPC: BlkStatus.NOSPC,
  ENODATA: BlkStatus.MEDIUM,
  EILSEQ: BlkStatus.PROTECTION,
  ENOMEM: BlkStatus.RESOURCE,
  EIO: BlkStatus.IOERR,
  ENODEV: BlkStatus.OFFLINE,
  EINVAL: BlkStatus.INVAL,
};

const DAY_MS = 86_400_000;
const MAX_BITS = 4096;
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

/** Checks a rule, and says of it what it leaves open. */
export function checkFault(rule: FaultRule): Fault {
  const kind = checkKind(rule.kind);
  for (const [key, value] of Object.entries(rule)) {
    const known = [...OWN[kind], ...COMMON] as string[];
    if (value !== undefined && !known.includes(key)) {
      throw refusal(`kind ${kind} has no ${key}: it has ${known.join(", ")}`);
    }
  }
  const { durationMs, keepSectors, bits = 1, firstSector, lastSector, seed } = rule;
  const { after = 0, every = 1, probability = 1, times } = rule;
  if (OWN[kind].includes("durationMs")) {
    checkInteger(`durationMs of a ${kind}`, durationMs ?? Number.NaN, 1, DAY_MS);
  }
  if (keepSectors !== undefined) checkInteger("keepSectors", keepSectors, 0, MAX_COUNT);
  checkInteger("bits", bits, 1, MAX_BITS);
  if (firstSector !== undefined) checkInteger("firstSector", firstSector, 0, MAX_COUNT);
  if (lastSector !== undefined) checkInteger("lastSector", lastSector, firstSector ?? 0, MAX_COUNT);
  checkInteger("after", after, 0, MAX_COUNT);
  checkInteger("every", every, 1, MAX_COUNT);
  if (times !== undefined) checkInteger("times", times, 1, MAX_COUNT);
  if (seed !== undefined) checkInteger("seed", seed, 0, 0xffff_ffff);
  if (!(typeof probability === "number" && probability > 0 && probability <= 1)) {
    throw refusal(`probability is ${probability}: a number above 0 and at most 1 is wanted`);
  }
  const isOnce = kind === "stall" && rule.every === undefined && rule.probability === undefined;
  return {
    kind,
    status: checkStatus(kind, rule.status),
    durationMs: durationMs ?? 0,
    keepSectors,
    bits,
    operations: checkOperations(kind, rule.operations),
    firstSector,
    lastSector,
    after,
    every,
    probability,
    times: times ?? (isOnce ? 1 : 0),
    seed,
  };
}

/** A fault as a rule: what goes without saying is left out. */
export function ruleOf(fault: Fault): FaultRule {
  const { kind, status, durationMs, keepSectors, bits, operations, ...choice } = fault;
  const { firstSector, lastSector, after, every, probability, times, seed } = choice;
  // Of a stall alone `times` has another default where neither of these is said.
  const isBare = kind === "stall" && every === 1 && probability === 1;
  const said: Partial<Record<keyof FaultRule, unknown>> = {
    kind,
    status: kind === "error" || status !== BlkStatus.OK ? statusName(status) : undefined,
    durationMs: durationMs || undefined,
    keepSectors,
    bits: kind === "corrupt" && bits > 1 ? bits : undefined,
    operations: operations.length < OPERATIONS[kind].length ? operations : undefined,
    firstSector,
    lastSector,
    after: after || undefined,
    every: every > 1 || (isBare && times === 0) ? every : undefined,
    probability: probability < 1 ? probability : undefined,
    times: isBare && times === 1 ? undefined : times || undefined,
    seed,
  };
  const known = Object.entries(said).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as unknown as FaultRule;
}

/** A status as text: its name, or the number where it has none. */
export function statusName(status: number): string {
  return nameOf(BlkStatus, status) ?? String(status);
}

/** Refuses a rule. */
export function refusal(why: string): BlockptError {
  return new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", `a fault's ${why}`);
}

function checkKind(kind: unknown): FaultKind {
  if (typeof kind === "string" && Object.hasOwn(OPERATIONS, kind)) return kind as FaultKind;
  const kinds = Object.keys(OPERATIONS).join(", ");
  throw refusal(`kind is ${JSON.stringify(kind)}: one of ${kinds} is wanted`);
}

function checkOperations(
  kind: FaultKind,
  wanted: readonly FaultOperation[] = OPERATIONS[kind],
): readonly FaultOperation[] {
  const possible = OPERATIONS[kind];
  const other = wanted.find((each) => !possible.includes(each));
  if (other === undefined && wanted.length > 0) {
    return possible.filter((each) => wanted.includes(each));
  }
  const said = other === undefined ? "empty" : JSON.stringify(other);
  throw refusal(`operation is ${said}: ${kind} can befall ${possible.join(", ")}`);
}

function checkStatus(kind: FaultKind, status: string | number | undefined): number {
  const least = kind === "error" ? 1 : 0;
  const value =
    status === undefined
      ? kind === "error"
        ? BlkStatus.IOERR
        : BlkStatus.OK
      : typeof status === "string"
        ? statusNumber(status)
        : status;
  if (Number.isSafeInteger(value) && value >= least && value <= 0xff) return value;
  const names = [...Object.keys(BlkStatus), ...Object.keys(ERRNOS)].filter(
    (name) => least === 0 || name !== "OK",
  );
  const wanted = `${names.join(", ")} or a number from ${least} to 255 is wanted`;
  throw refusal(`status is ${JSON.stringify(status)}: ${wanted}`);
}

/** NaN for what is none. */
function statusNumber(text: string): number {
  const name = text.toUpperCase();
  if (Object.hasOwn(BlkStatus, name)) return BlkStatus[name as keyof typeof BlkStatus];
  if (Object.hasOwn(ERRNOS, name)) return ERRNOS[name] as number;
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}
