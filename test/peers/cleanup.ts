/** Owns what is undone after each test of the file that imports it, last first. */

import { afterEach } from "vitest";
import { within } from "./protocol.js";

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await within("cleaning up", clean());
});

export function afterTest(clean: () => Promise<unknown>): void {
  cleanups.push(clean);
}
