// Whether the endpoint lives: its magic is there, its generation is the same, and its heartbeat
// moves (protocol, section 5). One without the extension block has only the magic.

import { EXT_MAGIC, MAGIC, REGISTERS_BYTES, Register } from "../abi/layout.js";
import type { Bus } from "../bus/bus.js";

/** Time between two looks at the heartbeat, in milliseconds. */
export const LOOK_MS = 350;
/**
 * So many looks at a heartbeat that stands still: some 1.4 to 1.8 seconds, less than two of the protocol's
 * heartbeats. Looks are counted and not time: a thread that did not run saw nothing.
 */
const STILL_LOOKS = 4;

export class EndpointWatch {
  readonly #words: Int32Array;
  #generation: number;
  #heartbeat: number;
  #still = 0;
  #lookedAt = 0;

  constructor(bus: Bus) {
    this.#words = new Int32Array(bus.buffer, bus.bar.offset, REGISTERS_BYTES / 4);
    this.#generation = this.#current;
    this.#heartbeat = this.#word(Register.heartbeat);
  }

  /** Whether the endpoint that was there last time lives. */
  lives(): boolean {
    if (this.#word(Register.magic) !== MAGIC) return false;
    if (this.#current !== this.#generation) return false;
    if (this.#generation === 0) return true;
    const now = performance.now();
    if (now - this.#lookedAt >= LOOK_MS * 0.9) {
      this.#lookedAt = now;
      const heartbeat = this.#word(Register.heartbeat);
      this.#still = heartbeat === this.#heartbeat ? this.#still + 1 : 0;
      this.#heartbeat = heartbeat;
    }
    return this.#still < STILL_LOOKS;
  }

  /** Whether the endpoint that was there has surely left: it was stopped, or another was started since. */
  hasLeft(): boolean {
    return this.#word(Register.magic) !== MAGIC || this.isAnother();
  }

  /** Whether an endpoint is there that was started since. */
  isAnother(): boolean {
    if (this.#word(Register.magic) !== MAGIC) return false;
    return this.#current !== this.#generation;
  }

  /** The generation of the endpoint that is there; 0 without the extension block, whatever is in its place. */
  get #current(): number {
    return this.#word(Register.extMagic) === EXT_MAGIC ? this.#word(Register.generation) : 0;
  }

  #word(register: number): number {
    return Atomics.load(this.#words, register / 4);
  }
}
