// Another thread that rewrites bytes of the bus while the other side reads them: what is checked must be what
// is used. The thread is tamperer-worker.ts; between two uses it sleeps.
//
//   control   state, acknowledged, number of patches, then of each: address, width, good (two words), bad (two words)

import type { Bus } from "../bus/bus.js";
import { startTamperer } from "./tamperer-thread.js";
import { ANSWER_TIMEOUT_MS, until } from "./wait.js";

/** Bytes of the bus that another thread rewrites, between a good value and a bad one. */
export interface Patch {
  /** Bus address; a multiple of the width, or of 4 for 8 bytes, which are written in two halves. */
  readonly at: number;
  /** Bytes: 1, 2, 4 or 8. */
  readonly width: 1 | 2 | 4 | 8;
  /** What is there in the end. */
  readonly good: number | bigint;
  /** What is there now and then. */
  readonly bad: number | bigint;
}

/** Words of the control block. */
export const TampererWord = { state: 0, acknowledged: 1, seed: 2, patches: 3, first: 4 } as const;
/** Its states. */
export const TampererState = { asleep: 0, busy: 1 } as const;
/** Words of a patch. */
export const PATCH_WORDS = 6;
const MOST_PATCHES = 256;

/** What the thread is started with. */
export interface TampererData {
  buffer: SharedArrayBuffer;
  control: SharedArrayBuffer;
}

export class Tamperer {
  readonly #buffer: SharedArrayBuffer;
  readonly #control = new Int32Array(
    new SharedArrayBuffer((TampererWord.first + MOST_PATCHES * PATCH_WORDS) * 4),
  );
  #worker: { terminate(): unknown } | undefined;
  #patches: readonly Patch[] = [];

  constructor(bus: Bus, seed: number) {
    this.#buffer = bus.buffer;
    this.#control[TampererWord.seed] = seed;
  }

  /** Begins to rewrite, at most 256 patches; each is good or bad at any time, whatever the others are. */
  async start(patches: readonly Patch[]): Promise<void> {
    this.#patches = patches;
    this.#control[TampererWord.patches] = patches.length;
    for (const [index, { at, width, good, bad }] of patches.entries()) {
      const words = [at, width, ...halves(good), ...halves(bad)];
      this.#control.set(words, TampererWord.first + index * PATCH_WORDS);
    }
    this.#worker ??= this.#open();
    await this.#tell(TampererState.busy);
  }

  /** Ends it; all is good again. */
  async stop(): Promise<void> {
    await this.#tell(TampererState.asleep);
    const view = new DataView(this.#buffer);
    for (const { at, width, good } of this.#patches) writePatch(view, at, width, ...halves(good));
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #open(): { terminate(): unknown } {
    const control = this.#control.buffer as SharedArrayBuffer;
    return startTamperer({ buffer: this.#buffer, control } satisfies TampererData);
  }

  async #tell(state: number): Promise<void> {
    Atomics.store(this.#control, TampererWord.state, state);
    Atomics.notify(this.#control, TampererWord.state);
    const has = (): boolean => Atomics.load(this.#control, TampererWord.acknowledged) === state;
    await until("the tamperer", "ERR_BLOCKPT_STATE", ANSWER_TIMEOUT_MS, has);
  }
}

/** Writes a value of 1, 2, 4 or 8 bytes; the last in two halves. */
export function writePatch(
  view: DataView,
  at: number,
  width: number,
  low: number,
  high: number,
): void {
  if (width === 1) view.setUint8(at, low);
  else if (width === 2) view.setUint16(at, low, true);
  else view.setUint32(at, low, true);
  if (width === 8) view.setUint32(at + 4, high, true);
}

function halves(value: number | bigint): [number, number] {
  const bits = BigInt.asUintN(64, BigInt(value));
  return [Number(bits & 0xffff_ffffn), Number(bits >> 32n)];
}
