// How long somebody looks before he sleeps, by a clock that stands still.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Patience } from "../../ts/bus/patience.js";

/** In milliseconds; a binary fraction, so that sums of it are exact. */
const TICK = 1 / 1024;
let now = 0;

beforeEach(() => {
  now = 1;
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Looks in vain until it would sleep; says after how many microseconds, rounded down. */
function lookInVain(patience: Patience): number {
  const before = now;
  while (patience.mayLookOn()) now += TICK;
  return Math.floor(1000 * (now - before - TICK)) + 1;
}

function findAfter(patience: Patience, milliseconds: number): void {
  expect(patience.mayLookOn()).toBe(true);
  now += milliseconds;
  patience.found();
}

test("a long look in vain is followed by short ones, twice as many each time, up to 64", () => {
  const patience = new Patience();
  const looks = Array.from({ length: 400 }, () => lookInVain(patience));
  const long = looks.flatMap((look, index) => (look === 500 ? [index] : []));
  expect(long).toEqual([0, 2, 5, 10, 19, 36, 69, 134, 199, 264, 329, 394]);
  expect(new Set(looks)).toEqual(new Set([500, 20]));
});

test("what was found while it was looked for is looked for longer again", () => {
  const patience = new Patience();
  for (let look = 0; look < 30; look++) lookInVain(patience);
  findAfter(patience, 0.004);
  const looks = Array.from({ length: 6 }, () => lookInVain(patience));
  expect(looks).toEqual([500, 20, 500, 20, 20, 500]);
});

test("what is there at the first look says nothing of how long others take", () => {
  const patience = new Patience();
  expect(lookInVain(patience)).toBe(500);
  for (let find = 0; find < 9; find++) patience.found();
  expect(lookInVain(patience)).toBe(20);
});

test("where the other side sleeps by the clock it is always the same", () => {
  const patience = new Patience(0.3);
  for (let look = 0; look < 5; look++) expect(lookInVain(patience)).toBe(300);
  findAfter(patience, 0.004);
  expect(lookInVain(patience)).toBe(300);
});
