// Turns of the event loop, and time that passes: in Node. What holds the process up, and what does not.

import { setImmediate as nextTurnOfNode, setTimeout as sleepOfNode } from "node:timers/promises";

/** Calls back in the next turn of the event loop, when all that was due is done. */
export function onNextTurn(callback: () => void): void {
  setImmediate(callback);
}

/** Done in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return nextTurnOfNode();
}

/** Done after a time. */
export function sleep(ms: number): Promise<void> {
  return sleepOfNode(ms);
}

/** Has a timer not hold the process up. */
export function unref(timer: ReturnType<typeof setTimeout>): void {
  timer.unref();
}

/** Has a timer hold the process up again. */
export function ref(timer: ReturnType<typeof setTimeout>): void {
  timer.ref();
}
