// Turns of the event loop, and time that passes: in a browser, where a page lives as long as it is shown.

const { port1, port2 } = new MessageChannel();
const due: (() => void)[] = [];
// A message is a turn of its own; a timer would wait for milliseconds.
port1.onmessage = () => due.shift()?.();

/** Calls back in the next turn of the event loop. */
export function onNextTurn(callback: () => void): void {
  due.push(callback);
  port2.postMessage(undefined);
}

/** Done in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise(onNextTurn);
}

/** Done after a time. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** No timer holds a page up. */
export function unref(_timer: unknown): void {}

/** No timer holds a page up. */
export function ref(_timer: unknown): void {}
