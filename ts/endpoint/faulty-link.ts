// The faults of an endpoint's link as the endpoint keeps them, and the clock of those interrupts that come for nothing.

import {
  checkLinkFaults,
  type LinkFaults,
  type LinkFaultsReport,
  LinkFaultWords,
} from "./link-faults.js";

export class FaultyLink {
  readonly #words = new LinkFaultWords();
  /** Raises the vector of each queue; says of how many. */
  readonly #raiseAll: () => number;
  #faults: LinkFaults = {};
  #isUp = false;
  #clock: NodeJS.Timeout | undefined;

  constructor(raiseAll: () => number) {
    this.#raiseAll = raiseAll;
  }

  /** What the workers of the queues go by. */
  get buffer(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  /** How long a command waits, in milliseconds. */
  get commandDelayMs(): number {
    return this.#faults.commandDelayMs ?? 0;
  }

  get report(): LinkFaultsReport {
    return { ...this.#faults, ...this.#words.counts };
  }

  /** Puts others in place of all faults; the workers are to be told. Counts start at 0. */
  replace(faults: LinkFaults): void {
    this.#faults = checkLinkFaults(faults);
    this.#words.write(this.#faults);
    this.#wind();
  }

  /** The link is up, or down. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    this.#wind();
  }

  #wind(): void {
    clearInterval(this.#clock);
    const { spuriousInterruptsMs } = this.#faults;
    if (!this.#isUp || spuriousInterruptsMs === undefined) return;
    this.#clock = setInterval(
      () => this.#words.countSpurious(this.#raiseAll()),
      spuriousInterruptsMs,
    );
  }
}
