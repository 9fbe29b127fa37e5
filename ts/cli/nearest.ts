// Which of the known names somebody may have meant.

import { distance } from "fastest-levenshtein";

/** Names that differ in more than this share of their letters are others. */
const MOST_SHARE = 0.5;

/** The known names that are nearest to one that is not known; all of them if none is near. */
export function nearest(name: string, known: readonly string[]): readonly string[] {
  const distances = known.map((each) => ({
    each,
    distance: isWordOf(name, each) ? 0 : distance(name.toLowerCase(), each.toLowerCase()),
  }));
  const near = distances.filter(
    ({ each, distance }) => distance <= Math.max(name.length, each.length) * MOST_SHARE,
  );
  if (near.length === 0) return known;
  const least = Math.min(...near.map(({ distance }) => distance));
  return near.filter(({ distance }) => distance === least).map(({ each }) => each);
}

/** `a, b or c`. */
export function eitherOf(names: readonly string[]): string {
  if (names.length < 2) return names.join();
  return `${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** A word of a longer name is as near as can be. */
function isWordOf(name: string, longer: string): boolean {
  return name.length > 2 && longer.includes(name);
}
