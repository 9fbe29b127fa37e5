// Which buses have their endpoint in this thread: while the thread is blocked that one's heart
// does not beat, and it has not died.

const local = new WeakSet<SharedArrayBuffer>();

/** The endpoint of a bus starts, or stops, in this thread. */
export function setEndpointHere(buffer: SharedArrayBuffer, isHere: boolean): void {
  if (isHere) local.add(buffer);
  else local.delete(buffer);
}

/** Whether the endpoint of a bus is in this thread. */
export function isEndpointHere(buffer: SharedArrayBuffer): boolean {
  return local.has(buffer);
}
