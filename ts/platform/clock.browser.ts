// A clock that all threads of the page share: in a browser.

/** Microseconds of a clock that only goes on, and shows the same in all threads. */
export function sharedClockUs(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}
