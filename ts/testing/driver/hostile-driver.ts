// A driver that breaks the protocol on purpose: its attacks one by one, all of them, or mixed by chance.

import type { Bus } from "../../bus/bus.js";
import type { BusRange } from "../../engine/engine.js";
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
import { playedByChance } from "./chance.js";
import { commandAttacks } from "./command-attacks.js";
import { descriptorAttacks } from "./descriptor-attacks.js";
import { interruptAttacks } from "./interrupt-attacks.js";
import { orderAttacks } from "./order-attacks.js";
import { queueAttacks } from "./queue-attacks.js";
import { RawDriver, type RawDriverOptions } from "./raw-driver.js";
import { ringAttacks } from "./ring-attacks.js";
import { DriverStage } from "./stage.js";

/** What a {@link HostileDriver} is to be like. */
export interface HostileDriverOptions extends RawDriverOptions {
  /** What all that is done by chance comes from: 0 to 2^32 − 1. Default another each time. */
  seed?: number | undefined;
  /** The name of the disc that is attacked, as GET_DEVICES lists it. Default the first that may be written. */
  disc?: string | undefined;
  /**
   * More of the bus that no attack may change, besides the BAR, host memory, and the discs as they are read: such as
   * what the endpoint keeps where no driver reaches. It must stand still. Default nothing.
   */
  watched?: readonly BusRange[] | undefined;
  /** How often something is tried while another thread rewrites it: 1 to 1 000 000. Default 32. */
  rounds?: number | undefined;
}

/**
 * A driver that attacks the endpoint on a bus, in each way of {@link driverAttacks} and by chance. It is alone on its
 * side of the bus: it stops every disc, lays its own queues, and fills host memory. The first 8 KiB of the attacked
 * disc are overwritten.
 *
 * The endpoint exports one disc that may be written, at the least. With a second one, a read-only one, and section 5 of
 * the protocol more can be attacked, and more is seen to be unharmed; what cannot be is skipped, and says why.
 *
 * @example What comes of one attack, and of chance:
 * ```ts
 * import { createBus, Endpoint, MemoryDisc } from "blockpt";
 * import { driverAttacks, HostileDriver } from "blockpt/testing";
 *
 * const bus = await createBus({ hostMemoryBytes: 256 * 1024 });
 * const endpoint = await Endpoint.create(bus, { controller: "44100000.pcie" });
 * await endpoint.exportDisc("ram0", MemoryDisc.create(bus, 65536));
 * await endpoint.exportDisc("ram1", MemoryDisc.create(bus, 65536));
 * await endpoint.start();
 *
 * const driver = new HostileDriver(bus, { seed: 7 });
 * const attack = driverAttacks.find(({ name }) => name === "len is odd");
 * const result = await attack?.run(driver);
 * console.log(result?.got, result?.passed); // [ 'INVAL' ] true
 *
 * const log = await driver.play(10); // the same ten for everybody who has the seed
 * console.log(log.every(({ passed }) => passed)); // true
 * await driver.close();
 * await endpoint.close();
 * ```
 */
export class HostileDriver extends RawDriver {
  /** What all that is done by chance comes from. */
  readonly seed: number;
  /** @internal */
  readonly stage: DriverStage;
  readonly #chance: Seeded;
  #steps = 0;

  /**
   * @throws {@link BlockptError} `ERR_BLOCKPT_NO_ENDPOINT` if no endpoint is started on the bus;
   * `ERR_BLOCKPT_INVALID_ARGUMENT` if the bus has less than 128 KiB of host memory, or an option is out of its range
   */
  constructor(bus: Bus, options: HostileDriverOptions = {}) {
    super(bus, options);
    const { seed = newSeed(), rounds = 32, disc, watched = [] } = options;
    checkInteger("seed", seed, 0, 2 ** 32 - 1);
    checkInteger("rounds", rounds, 1, 1_000_000);
    this.seed = seed;
    this.#chance = new Seeded(seed);
    this.stage = new DriverStage(this, seed, { disc, watched, rounds });
  }

  /**
   * Plays so many steps by chance: attacks, some of them while another thread rewrites what is attacked, requests and
   * queues of any shape, and honest requests between them. The same seed plays the same steps.
   *
   * @throws {@link BlockptError} `ERR_BLOCKPT_PROTOCOL` after the first step whose result is not due: the message says
   * the seed, the step and the result
   */
  async play(steps: number): Promise<AttackResult[]> {
    const log: AttackResult[] = [];
    for (let step = 0; step < steps; step++) {
      const result = await this.#playOne();
      this.#steps++;
      log.push(result);
      if (result.passed === false) throw failureOf(result, this.seed, this.#steps);
    }
    return log;
  }

  /** Stops the discs, ends the thread that rewrites, and takes its mappings back; the driver is of no more use. */
  close(): Promise<void> {
    return this.stage.close();
  }

  #playOne(): Promise<AttackResult> {
    const chance = this.#chance;
    if (chance.oneIn(3)) {
      const plan = chance.pick(plans);
      const isRewriting = chance.oneIn(2);
      return runPlan(plan, this.stage, isRewriting ? plan.rewriting : undefined);
    }
    return runPlan(chance.pick(playedByChance)(chance), this.stage, undefined);
  }
}

const plans: readonly Plan<DriverStage>[] = [
  ...descriptorAttacks,
  ...ringAttacks,
  ...queueAttacks,
  ...commandAttacks,
  ...orderAttacks,
  ...interruptAttacks,
];

/** Every attack of a driver on an endpoint, by name. */
export const driverAttacks: readonly Attack<HostileDriver>[] = plans.map((plan) =>
  attackOf(plan, (driver: HostileDriver) => driver.stage),
);
