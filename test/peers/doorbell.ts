/**
 * Owns how a foreign endpoint sleeps: by the rule of section 5, on the event
 * loop, noting a bell that was rung without need and a publication without its bell.
 */

import type { BusMemory } from "./protocol.js";

const PATIENCE_MS = 500;

export class Doorbell {
  readonly #memory: BusMemory;
  readonly at: { readonly bell: number; readonly sleeping: number };
  readonly #alive: () => boolean;
  readonly #tell: { wake(): void; wrong(what: string): void };
  /** The bell as it was when the last sleep ended. */
  #heard: number | undefined;
  #asleep = false;
  #forgotten = false;

  constructor(
    memory: BusMemory,
    at: { readonly bell: number; readonly sleeping: number },
    alive: () => boolean,
    tell: { wake(): void; wrong(what: string): void },
  ) {
    this.#memory = memory;
    this.at = at;
    this.#alive = alive;
    this.#tell = tell;
  }

  get asleep(): boolean {
    return this.#asleep;
  }

  /** The words are no longer the endpoint's. */
  forget(): void {
    this.#forgotten = true;
  }

  /** Goes to sleep, unless it sleeps; whoever wakes it finds it awake. */
  sleep(hasWork: () => boolean): void {
    if (this.#asleep) return;
    const { bell, sleeping } = this.at;
    const heard = this.#memory.load32(bell);
    if (heard !== (this.#heard ?? heard)) this.#tell.wrong("was rung for while awake");
    this.#memory.store32(sleeping, 1);
    this.#heard = this.#memory.load32(bell);
    if (hasWork()) {
      this.#memory.store32(sleeping, 0);
      return;
    }
    this.#asleep = true;
    void this.#wait(this.#heard, hasWork);
  }

  /** One look after each half second, as nothing may be there that was not rung for. */
  async #wait(heard: number, hasWork: () => boolean): Promise<void> {
    const { bell, sleeping } = this.at;
    const rung = await this.#memory.asleep("a doorbell", bell, heard, PATIENCE_MS);
    this.#asleep = false;
    if (this.#forgotten || !this.#alive()) return;
    this.#memory.store32(sleeping, 0);
    this.#heard = this.#memory.load32(bell);
    if (!rung && hasWork()) this.#tell.wrong("slept on: published, and not rung");
    this.#tell.wake();
  }
}
