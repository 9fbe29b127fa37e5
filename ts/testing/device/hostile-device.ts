// A device that breaks the protocol on purpose: its attacks on a root complex one by one, all of them, or by chance.

import type { Bus } from "../../bus/bus.js";
import { checkInteger } from "../../errors.js";
import {
  type Attack,
  type AttackResult,
  attackOf,
  failureOf,
  type Plan,
  runPlan,
} from "../attack.js";
import { newSeed, Seeded } from "../seeded.js";
import { ANSWER_TIMEOUT_MS } from "../wait.js";
import { answerAttacks } from "./answer-attacks.js";
import { lifeAttacks } from "./life-attacks.js";
import { RawDevice, type RawDisc } from "./raw-device.js";
import { ringAttacks } from "./ring-attacks.js";
import { type AttackedRootComplex, DeviceStage, DISC_BYTES, DISCS } from "./stage.js";

/** What a {@link HostileDevice} is to be like. */
export interface HostileDeviceOptions {
  /** What all that is done by chance comes from: 0 to 2^32 − 1. Default another each time. */
  seed?: number | undefined;
  /** How often something is tried while another thread rewrites it: 1 to 1 000 000. Default 2. */
  rounds?: number | undefined;
  /** How many reads the root complex has in flight if it is given three at once: 1 to 3. Default 3; one that blocks has 1. */
  depth?: number | undefined;
  /** How long the root complex may take for anything, in milliseconds: what takes longer hangs. Default 30 000. */
  answerTimeoutMs?: number | undefined;
}

/**
 * An endpoint that attacks a root complex, in each way of {@link deviceAttacks} and by chance. It is alone on its side of
 * the bus: it lays out the BAR anew for each attack, and serves two discs of 16 KiB, `/dev/hostile` and
 * `/dev/bystander`, of which it attacks with the first.
 *
 * @example
 * ```ts
 * import { createBus, RootComplex } from "blockpt";
 * import { deviceAttacks, HostileDevice } from "blockpt/testing";
 *
 * const bus = await createBus({ hostMemoryBytes: 1024 * 1024 });
 * const device = new HostileDevice(bus, () => RootComplex.probe(bus), { seed: 7 });
 * const attack = deviceAttacks.find(({ name }) => name === "a descriptor is completed twice");
 * const result = await attack?.run(device);
 * console.log(result?.passed, result?.got); // true [ 'failed (ERR_BLOCKPT_PROTOCOL) and served' ]
 * await device.close();
 * ```
 */
export class HostileDevice extends RawDevice {
  /** What all that is done by chance comes from. */
  readonly seed: number;
  /** @internal */
  readonly stage: DeviceStage;
  readonly #chance: Seeded;
  #steps = 0;

  /**
   * @param probe - has the root complex find the endpoint on the bus
   * @throws {@link BlockptError} `ERR_BLOCKPT_INVALID_ARGUMENT` if an option is out of its range
   */
  constructor(
    bus: Bus,
    probe: () => Promise<AttackedRootComplex>,
    options: HostileDeviceOptions = {},
  ) {
    const discs: RawDisc[] = DISCS.map((name) => ({ name, data: new Uint8Array(DISC_BYTES) }));
    super(bus, discs);
    const { seed = newSeed(), rounds = 2, depth = 3 } = options;
    const { answerTimeoutMs: timeoutMs = ANSWER_TIMEOUT_MS } = options;
    checkInteger("depth", depth, 1, 3);
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    checkInteger("rounds", rounds, 1, 1_000_000);
    checkInteger("answerTimeoutMs", timeoutMs, 1, 2 ** 31 - 1);
    this.seed = seed;
    this.#chance = new Seeded(seed);
    this.stage = new DeviceStage(this, discs, probe, { seed, rounds, depth, timeoutMs });
  }

  /**
   * Plays so many attacks by chance, some of them while another thread rewrites what is attacked. The same seed plays the
   * same ones.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_PROTOCOL` after the first whose result is not due: the message says the
   * seed, the step and the result
   */
  async play(steps: number): Promise<AttackResult[]> {
    const log: AttackResult[] = [];
    for (let step = 0; step < steps; step++) {
      const plan = this.#chance.pick(plans);
      const rewriting = this.#chance.oneIn(2) ? plan.rewriting : undefined;
      const result = await runPlan(plan, this.stage, rewriting);
      this.#steps++;
      log.push(result);
      if (result.passed === false) throw failureOf(result, this.seed, this.#steps);
    }
    return log;
  }

  /** Stops serving, and ends the thread that rewrites; the device is of no more use. */
  close(): Promise<void> {
    return this.stage.close();
  }
}

const plans: readonly Plan<DeviceStage>[] = [...answerAttacks, ...ringAttacks, ...lifeAttacks];

/** Every attack of a device on a root complex, by name. */
export const deviceAttacks: readonly Attack<HostileDevice>[] = plans.map((plan) =>
  attackOf(plan, (device: HostileDevice) => device.stage),
);
