// Which of the known names somebody may have meant.

/** Names that differ in more than this share of their letters are others. */
const MOST_SHARE = 0.5;

/** The known names that are nearest to one that is not known; all of them if none is near. */
export function nearest(name: string, known: readonly string[]): readonly string[] {
  const distances = known.map((each) => ({
    each,
    // A word of a longer name is as near as can be.
    distance: each.includes(name) && name.length > 2 ? 0 : distanceOf(name, each),
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

/** Letters to insert, to remove or to replace (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one.toLowerCase()].entries()) {
    const next = [index + 1];
    for (let at = 0; at < other.length; at++) {
      const replaced = (row[at] as number) + (other[at]?.toLowerCase() === letter ? 0 : 1);
      next.push(Math.min(replaced, (row[at + 1] as number) + 1, (next[at] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}
