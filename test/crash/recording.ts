// A program's run on a crash disc, written down once and crashed again and again; and a crash disc behind the rings.

import {
  type Bus,
  CrashDisc,
  type CrashDiscOptions,
  type CrashOptions,
  createBus,
  Endpoint,
  type RemoteDisk,
  RootComplex,
} from "blockpt";

/** A run that was written down. */
export interface Recording {
  readonly name: string;
  readonly disc: CrashDisc;
  /** What the program expects to be written as a whole; the disc's blocks if it is not said. */
  readonly tearBytes?: number | undefined;
  /** What is wrong with what a crash at that position has left; nothing if it is as it was promised. Recovers the image. */
  examine(image: Uint8Array, at: number): Promise<string[]>;
}

/** A crash that left what it should not. */
export interface Finding {
  readonly recording: string;
  readonly options: CrashOptions;
  readonly complaints: readonly string[];
  /** As the crash has left it. */
  readonly image: Uint8Array;
}

/** A crash disc, exported and attached. */
export interface Machine {
  readonly bus: Bus;
  readonly disc: CrashDisc;
  readonly disk: RemoteDisk;
  close(): Promise<void>;
}

/** @param queues - with one more than 1 for each thread that has one of its own */
export async function startMachine(
  contents: number | Uint8Array,
  queues = 1,
  options: CrashDiscOptions = {},
): Promise<Machine> {
  const bus = await createBus({ hostMemoryBytes: 32 * 1024 * 1024 });
  const disc = CrashDisc.create(contents, options);
  const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
  await endpoint.exportDisc("crash0", disc, { queues });
  await endpoint.start();
  const rc = await RootComplex.probe(bus);
  const disk = await rc.attach("crash0", { queues, numDescriptors: 256 });
  const close = async (): Promise<void> => {
    await rc.close();
    await endpoint.close();
    bus.close();
  };
  return { bus, disc, disk, close };
}

/** Numbers from 0 to below 1 that a seed leads to: xorshift. */
export function randomFrom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** About one crash of so many is right before or right after a flush is answered: much depends on these moments. */
const AT_A_FLUSH = 3;

/** Chooses moments for crashes. */
function momentsOf(disc: CrashDisc, random: () => number): () => number {
  const answers = disc
    .operations()
    .flatMap(({ operation, answeredAt }) =>
      operation === "flush" && answeredAt !== undefined ? [answeredAt, answeredAt + 1] : [],
    );
  return () => {
    const anywhere = Math.floor(random() * (disc.position + 1));
    if (random() >= 1 / AT_A_FLUSH) return anywhere;
    return answers[Math.floor(random() * answers.length)] ?? anywhere;
  };
}

/**
 * Crashes a recorded run at places that a seed chooses, and examines what is left.
 *
 * @param how - for every crash
 * @param onRound - after each
 */
export async function crashOften(
  recording: Recording,
  rounds: number,
  seed: number,
  how: Pick<CrashOptions, "keep" | "flushesLostFrom"> = {},
  onRound: () => void = () => {},
): Promise<Finding[]> {
  const { disc, tearBytes } = recording;
  const random = randomFrom(seed);
  const moment = momentsOf(disc, random);
  const findings: Finding[] = [];
  for (let round = 0; round < rounds; round++) {
    const at = moment();
    const options = { at, seed: Math.floor(random() * 2 ** 32), tearBytes, ...how };
    const complaints = await recording.examine(disc.crash(options), at);
    if (complaints.length > 0) {
      // Once more: to examine it has recovered it.
      const image = disc.crash(options);
      findings.push({ recording: recording.name, options, complaints, image });
    }
    onRound();
  }
  return findings;
}

/** What a run promises about states that follow each other: each begins, and is acknowledged, at a position. */
export interface Step {
  readonly begunAt: number;
  /** Undefined if nobody was told. */
  readonly acknowledgedAt: number | undefined;
}

/** Which states there may be after a crash, by how many of the steps are done: not fewer, not more. */
export function bounds(steps: readonly Step[], at: number): { least: number; most: number } {
  const isAcknowledged = ({ acknowledgedAt = Number.POSITIVE_INFINITY }: Step): boolean =>
    acknowledgedAt <= at;
  return {
    least: steps.findLastIndex(isAcknowledged) + 1,
    most: steps.findLastIndex(({ begunAt }) => begunAt < at) + 1,
  };
}
