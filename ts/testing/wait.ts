// Waiting for what another thread does, on the event loop, and never for ever.

import { BlockptError, type BlockptErrorCode } from "../errors.js";
import { onNextTurn } from "../platform/turns.js";

/** How long the other side is waited for, by default: longer than any that lives takes, on however busy a machine. */
export const ANSWER_TIMEOUT_MS = 30_000;

/** Turns of the event loop that are looked on each; then a look a millisecond leaves the processor to the other side. */
const EAGER_TURNS = 200;

/**
 * Waits until something holds.
 *
 * @throws {@link BlockptError} with that code, after `timeoutMs`
 */
export async function until(
  what: string,
  code: BlockptErrorCode,
  timeoutMs: number,
  holds: () => boolean,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let turn = 0; !holds(); turn++) {
    if (performance.now() > deadline)
      throw new BlockptError(code, `${what}: not in ${timeoutMs} ms`);
    await new Promise<void>((resolve) => {
      if (turn < EAGER_TURNS) onNextTurn(resolve);
      else setTimeout(resolve, 1);
    });
  }
}

/** Lets time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
