// What goes wrong on purpose between the two sides: interrupts that get lost or come for nothing, and an endpoint
// that is slow. The words lie in a memory that the endpoint shares with the workers of its queues, and not on the bus.

import { chance } from "../discs/chance.js";
import { BlockptError, checkInteger } from "../errors.js";

/** Which interrupts get lost. */
export interface LostInterrupts {
  /** Each that is so many on: 3 is the third, sixth and so on of the endpoint. Default 1: all. */
  every?: number | undefined;
  /** Of these, this share, above 0 and at most 1. Default 1. */
  probability?: number | undefined;
  /** What chance comes of, 0 to 4294967295. Default 1. */
  seed?: number | undefined;
}

/** What goes wrong on purpose between the endpoint and the root complex. */
export interface LinkFaults {
  /** Queues complete, and these of the interrupts for that are not raised. */
  loseInterrupts?: LostInterrupts | undefined;
  /** The vectors of all queues are raised for nothing, each so many milliseconds: 1 to 86400000. */
  spuriousInterruptsMs?: number | undefined;
  /** A command waits so many milliseconds before it is served: 1 to 86400000. */
  commandDelayMs?: number | undefined;
  /** Each look at a queue takes so many milliseconds more: 1 to 86400000. */
  queueDelayMs?: number | undefined;
}

/** The faults of a link, and what has come of them. */
export interface LinkFaultsReport extends LinkFaults {
  /** Interrupts that got lost. */
  lost: number;
  /** Interrupts that were raised for nothing. */
  spurious: number;
}

const DAY_MS = 86_400_000;
const LIMITS = { every: 2 ** 31 - 1, seed: 0xffff_ffff } as const;
/** Indices of the words; `every` is 0 where no interrupt gets lost. */
const Word = {
  every: 0,
  share: 1,
  seed: 2,
  queueDelayMs: 3,
  due: 4,
  lost: 5,
  spurious: 6,
} as const;
const WORDS = 7;

/** The words, as both sides see them. */
export class LinkFaultWords {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer = new SharedArrayBuffer(4 * WORDS)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Endpoint: what is checked goes into force once the workers are told. */
  write({ loseInterrupts, queueDelayMs = 0 }: LinkFaults): void {
    const { every = 1, probability = 1, seed = 1 } = loseInterrupts ?? { every: 0 };
    this.#words.set([every, Math.round(probability * 2 ** 31) - 1, seed, queueDelayMs, 0, 0, 0]);
  }

  /** Worker: how long each look at its queue takes. */
  get queueDelayMs(): number {
    return Atomics.load(this.#words, Word.queueDelayMs);
  }

  /** Worker: whether any interrupt gets lost. */
  get loses(): boolean {
    return Atomics.load(this.#words, Word.every) > 0;
  }

  /** Worker: whether the interrupt that is due now gets lost. */
  losesNext(): boolean {
    const word = (index: number): number => Atomics.load(this.#words, index);
    const due = (Atomics.add(this.#words, Word.due, 1) >>> 0) + 1;
    if (due % word(Word.every) !== 0) return false;
    if (chance(word(Word.seed), due, 0) >>> 1 > word(Word.share)) return false;
    Atomics.add(this.#words, Word.lost, 1);
    return true;
  }

  /** Endpoint: so many were raised for nothing. */
  countSpurious(count: number): void {
    Atomics.add(this.#words, Word.spurious, count);
  }

  get counts(): Pick<LinkFaultsReport, "lost" | "spurious"> {
    const word = (index: number): number => Atomics.load(this.#words, index) >>> 0;
    return { lost: word(Word.lost), spurious: word(Word.spurious) };
  }
}

/** Checks the faults of a link; gives what was said of them. */
export function checkLinkFaults(faults: LinkFaults): LinkFaults {
  const { loseInterrupts, ...times } = faults;
  const known = ["spuriousInterruptsMs", "commandDelayMs", "queueDelayMs"] as const;
  const said: LinkFaults = {};
  for (const [name, value] of Object.entries(times)) {
    const key = known.find((each) => each === name);
    if (key === undefined) throw noFault(name, ["loseInterrupts", ...known]);
    if (value === undefined) continue;
    checkInteger(key, value, 1, DAY_MS);
    said[key] = value;
  }
  if (loseInterrupts !== undefined) said.loseInterrupts = checkLost(loseInterrupts);
  return said;
}

function checkLost(lost: LostInterrupts): LostInterrupts {
  const { every, probability, seed, ...others } = lost;
  const [other] = Object.keys(others);
  if (other !== undefined) throw noFault(other, ["every", "probability", "seed"]);
  if (every !== undefined) checkInteger("every", every, 1, LIMITS.every);
  if (seed !== undefined) checkInteger("seed", seed, 0, LIMITS.seed);
  if (probability !== undefined && !(probability > 0 && probability <= 1)) {
    throw new BlockptError(
      "ERR_BLOCKPT_INVALID_ARGUMENT",
      `probability is ${probability}: a number above 0 and at most 1 is wanted`,
    );
  }
  return lost;
}

function noFault(name: string, known: readonly string[]): BlockptError {
  const why = `${name} is no fault of a link: ${known.join(", ")} are known`;
  return new BlockptError("ERR_BLOCKPT_INVALID_ARGUMENT", why);
}
